"""spanledger behind a real Collector, and in front of one: everything arrives once, also across restarts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.peers.processes import (
    Process,
    free_ports,
    new_collector,
    new_ledger,
    new_spanledger,
    runs_in,
    send,
    spans_in,
    until,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]


def messages_in(file: Path) -> list[bytes]:
    """Lines where the file begins with one, else what stands behind each length."""
    data, found = file.read_bytes(), []
    if data.startswith(b"{"):
        return data.splitlines()
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(data[4:end])
        data = data[end:]
    return found


def has_content(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def without_empty(value: Any) -> Any:
    """JSON without the empty objects that the Collector writes of messages in which nothing is set."""
    if isinstance(value, dict):
        inner = {key: without_empty(one) for key, one in value.items()}
        return {key: one for key, one in inner.items() if one != {}}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


def protobuf_as_json(message: bytes) -> dict[str, Any]:
    return json_format.MessageToDict(ExportTraceServiceRequest.FromString(message))


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def receiver(port: int, protocol: str = "http") -> dict[str, Any]:
    return {"otlp": {"protocols": {protocol: {"endpoint": f"127.0.0.1:{port}"}}}}


def exporter(protocol: str, address: str, compression: str) -> dict[str, Any]:
    """The same configuration on either side."""
    keys: dict[str, Any] = {"endpoint": address, "compression": compression}
    if protocol == "otlp":
        keys |= {"endpoint": address.removeprefix("http://"), "tls": {"insecure": True}}
    return {protocol: keys}


async def drained(folder: Path, sent: list[str], process: Process) -> None:
    """Return when every span is a run of the ledger, and none counts twice."""
    await until(lambda: set(runs_in(folder)) >= set(sent), "all arrives", process.tail)
    runs = runs_in(folder)
    assert set(runs) == set(sent)
    usage = [run["usage"] for run in runs.values()]
    assert sum(one["input_tokens"] for one in usage) == 10 * len(sent)


@pytest.mark.parametrize(
    ("protocol", "compression"),
    [
        (protocol, compression)
        for protocol in ("otlp", "otlphttp")
        for compression in ("gzip", "zstd", "snappy", "none")
    ],
)
async def test_behind_a_collector(protocol: str, compression: str, tmp_path: Path, http: aiohttp.ClientSession) -> None:
    port, grpc_port, http_port = free_ports(3)
    ledger = new_ledger(tmp_path / "ledger", grpc_port, http_port)
    address = f"http://127.0.0.1:{grpc_port if protocol == 'otlp' else http_port}"
    collector = new_collector(
        tmp_path / "collector",
        {
            "receivers": receiver(port),
            "exporters": exporter(protocol, address, compression),
            "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": [protocol]}}},
        },
        port,
    )
    async with AsyncExitStack() as stack:
        for process in (ledger, collector):
            stack.push_async_callback(process.stop)
            await process.start()
        sent = await send(http, f"http://127.0.0.1:{port}", range(10))
        await drained(tmp_path / "ledger", sent, ledger)


async def test_behind_a_collector_across_restarts_of_either(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    port, grpc_port, http_port = free_ports(3)
    (tmp_path / "queue").mkdir()
    ledger = new_ledger(tmp_path / "ledger", grpc_port, http_port)
    forever = {
        "sending_queue": {"storage": "file_storage"},
        "retry_on_failure": {"initial_interval": "100ms", "max_interval": "1s", "max_elapsed_time": "0s"},
    }
    config = {
        "receivers": receiver(port),
        "exporters": {"otlphttp": {"endpoint": f"http://127.0.0.1:{http_port}", **forever}},
        "extensions": {"file_storage": {"directory": str(tmp_path / "queue"), "fsync": True}},
        "service": {
            "extensions": ["file_storage"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["otlphttp"]}},
        },
    }
    collector = new_collector(tmp_path / "collector", config, port)
    async with AsyncExitStack() as stack:
        for process in (ledger, collector):
            stack.push_async_callback(process.stop)
            await process.start()
        address = f"http://127.0.0.1:{port}"
        sent = await send(http, address, range(10))
        await ledger.kill()
        sent += await send(http, address, range(10, 20))
        await collector.kill()
        await collector.start()
        sent += await send(http, address, range(20, 30))
        await ledger.start()
        await drained(tmp_path / "ledger", sent, ledger)


def chain(folder: Path, ports: list[int], exporters: dict[str, Any]) -> tuple[Process, Process]:
    """A spanledger that only passes on, and a Collector behind it that writes to a file."""
    front, grpc, http = ports
    (name,) = exporters
    spanledger = new_spanledger(
        folder / "spanledger",
        {
            "receivers": receiver(front),
            "exporters": exporters,
            "extensions": {"file_storage": {"directory": str(folder / "log")}},
            "service": {
                "extensions": ["file_storage"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": [name]}},
            },
        },
        front,
    )
    protocols = {"grpc": {"endpoint": f"127.0.0.1:{grpc}"}, "http": {"endpoint": f"127.0.0.1:{http}"}}
    collector = new_collector(
        folder / "collector",
        {
            "receivers": {"otlp": {"protocols": protocols}},
            "exporters": {"file": {"path": str(folder / "arrived.jsonl"), "append": True, "flush_interval": "50ms"}},
            "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}}},
        },
        http,
    )
    return spanledger, collector


@pytest.mark.parametrize(
    ("protocol", "keys"),
    [
        ("otlp", {"compression": "gzip"}),
        ("otlp", {"compression": "none"}),
        ("otlphttp", {"compression": "gzip"}),
        ("otlphttp", {"compression": "zstd"}),
        ("otlphttp", {"compression": "snappy"}),
        ("otlphttp", {"compression": "lz4", "encoding": "json"}),
    ],
)
async def test_in_front_of_a_collector(
    protocol: str, keys: dict[str, Any], tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    ports = free_ports(3)
    address = f"http://127.0.0.1:{ports[1] if protocol == 'otlp' else ports[2]}"
    given = exporter(protocol, address, keys["compression"])
    given[protocol] |= keys
    spanledger, collector = chain(tmp_path, ports, given)
    async with AsyncExitStack() as stack:
        for process in (collector, spanledger):
            stack.push_async_callback(process.stop)
            await process.start()
        sent = Counter(await send(http, f"http://127.0.0.1:{ports[0]}", range(10)))
        await until(lambda: spans_in(tmp_path / "arrived.jsonl") >= sent, "all arrives", spanledger.tail)
    assert spans_in(tmp_path / "arrived.jsonl") == sent


async def test_in_front_of_a_collector_across_restarts_of_either(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    ports = free_ports(3)
    retry = {"retry_on_failure": {"initial_interval": "100ms", "max_interval": "500ms"}}
    given = {"otlp": exporter("otlp", f"http://127.0.0.1:{ports[1]}", "gzip")["otlp"] | retry}
    spanledger, collector = chain(tmp_path, ports, given)
    front = f"http://127.0.0.1:{ports[0]}"
    file = tmp_path / "arrived.jsonl"
    async with AsyncExitStack() as stack:
        for process in (collector, spanledger):
            stack.push_async_callback(process.stop)
            await process.start()
        sent = Counter(await send(http, front, range(10)))
        await until(lambda: spans_in(file) >= sent, "the first ten arrive", spanledger.tail)
        await collector.stop()
        sent.update(await send(http, front, range(10, 20)))
        await spanledger.stop()
        await spanledger.start()
        sent.update(await send(http, front, range(20, 30)))
        await collector.start()
        await until(lambda: spans_in(file) >= sent, "all arrives", spanledger.tail)
    assert spans_in(file) == sent


@pytest.mark.parametrize(
    ("form", "compression"), [("json", "none"), ("json", "zstd"), ("proto", "none"), ("proto", "zstd")]
)
async def test_files_are_laid_out_as_a_collectors(
    form: str, compression: str, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    ports = free_ports(2)
    keys: dict[str, Any] = {"format": form, "compression": compression} if compression != "none" else {"format": form}
    group_by = {"enabled": True, "resource_attribute": "service.name"}

    def config(folder: Path, port: int, **own: Any) -> dict[str, Any]:
        folder.mkdir()
        file = {"path": f"{folder}/written-by-*", "flush_interval": "50ms", "group_by": group_by, **keys, **own}
        pipelines = {"traces": {"receivers": ["otlp"], "exporters": ["file"]}}
        return {"receivers": receiver(port), "exporters": {"file": file}, "service": {"pipelines": pipelines}}

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    spanledger = new_spanledger(tmp_path / "spanledger", config(ours, ports[0]), ports[0])
    collector = new_collector(tmp_path / "collector", config(theirs, ports[1]), ports[1])
    async with AsyncExitStack() as stack:
        for process in (spanledger, collector):
            stack.push_async_callback(process.stop)
            await process.start()
        for port in ports:
            await send(http, f"http://127.0.0.1:{port}", range(1))
        for folder in (ours, theirs):
            file = folder / "written-by-shop"
            await until(partial(has_content, file), f"{file} is written", process.tail)
    (of_ours,), (of_theirs,) = messages_in(ours / "written-by-shop"), messages_in(theirs / "written-by-shop")
    if compression == "zstd":
        of_ours, of_theirs = (zstandard.ZstdDecompressor().decompress(one) for one in (of_ours, of_theirs))
    read = json.loads if form == "json" else protobuf_as_json
    assert without_empty(read(of_ours)) == without_empty(read(of_theirs))
