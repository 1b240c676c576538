"""Real neighbours for tests: a Collector, and spanledgers with any configuration, as processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.applications import cannot
from tests.peers.collector_build import CannotBuild, build

DEADLINE: Final = 60.0
"""Seconds until a condition that must come true is given up. Far above what it takes; machines can be busy."""
_PAUSE: Final = 0.05
_NOW: Final = time.time_ns()
"""Stores let go of what is too old."""


def collector() -> Path:
    """The Collector's program; skips where it cannot be had."""
    try:
        return build()
    except CannotBuild as reason:
        cannot(str(reason))


def free_ports(count: int) -> list[int]:
    """Ports that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


async def until(condition: Callable[[], bool], what: str, tell: Callable[[], str] = str) -> None:
    """Wait for something that other processes make true."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE:.0f} s: {what}\n{tell()}"
        await asyncio.sleep(_PAUSE)


class Process:
    """A program with a configuration file, which may be stopped, killed and started again."""

    def __init__(self, folder: Path, name: str, command: tuple[str, ...], config: Mapping[str, Any], port: int) -> None:
        """`command` is followed by the path of the configuration; ready means that `port` is listened on."""
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / f"{name}.yaml"
        self._config.write_text(yaml.safe_dump(dict(config)))
        self._output = folder / f"{name}.log"
        self._folder = folder
        self._command = (*command, str(self._config))
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when it listens."""
        with self._output.open("ab") as output:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command, stdout=output, stderr=output, cwd=self._folder, env={**os.environ, "NO_COLOR": "1"}
            )

        def listens() -> bool:
            assert process.returncode is None, f"it ended while it started\n{self.tail()}"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self._port)) == 0

        await until(listens, f"port {self._port} is listened on", self.tail)

    async def stop(self) -> None:
        """SIGTERM; returns when it has ended."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL; returns when it has ended."""
        await self._end(signal.SIGKILL)

    async def reload(self, config: Mapping[str, Any]) -> None:
        """Write another configuration and send SIGHUP; returns when it is taken over."""
        assert self._process is not None
        times = self.output().count("the new configuration is taken over")
        self._config.write_text(yaml.safe_dump(dict(config)))
        self._process.send_signal(signal.SIGHUP)

        def taken() -> bool:
            return self.output().count("the new configuration is taken over") > times

        await until(taken, "the new configuration is taken over", self.tail)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(DEADLINE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise

    def output(self) -> str:
        """What it printed."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def tail(self) -> str:
        """The end of what it printed."""
        return "\n".join(self.output().splitlines()[-40:])


def new_collector(folder: Path, config: Mapping[str, Any], port: int) -> Process:
    """A Collector that listens on `port` when it is ready; its own metrics are off, or two of them would meet."""
    service = {**config["service"], "telemetry": {"metrics": {"level": "none"}}}
    return Process(folder, "collector", (str(collector()), "--config"), {**config, "service": service}, port)


def new_spanledger(folder: Path, config: Mapping[str, Any], port: int, name: str = "spanledger") -> Process:
    """A spanledger that listens on `port` when it is ready. A stop does not wait for neighbours that are away."""
    command = (sys.executable, "-m", "spanledger", "serve", "--grace", "3s", "--config")
    return Process(folder, name, command, config, port)


def trace(number: int, *, spans: int = 3) -> tuple[bytes, list[str]]:
    """A request with one trace of LLM calls, and the ids of its spans."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_spans.add()
    ids = []
    for at in range(spans):
        span = scope.spans.add()
        span.trace_id = (number + 1).to_bytes(16, "big")
        span.span_id = (number * 1000 + at + 1).to_bytes(8, "big")
        span.name = "chat gpt-4o"
        span.start_time_unix_nano = _NOW + number * 1_000_000 + at
        span.end_time_unix_nano = span.start_time_unix_nano + 500_000
        span.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
        span.attributes.add(key="gen_ai.request.model").value.string_value = "gpt-4o"
        span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 10
        span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 5
        ids.append(span.span_id.hex())
    return request.SerializeToString(), ids


async def send(http: aiohttp.ClientSession, address: str, numbers: range) -> list[str]:
    """Send traces over OTLP/HTTP, each of which must be accepted; the ids of all spans."""
    sent: list[str] = []
    for number in numbers:
        body, ids = trace(number)
        headers = {"Content-Type": "application/x-protobuf"}
        async with http.post(f"{address}/v1/traces", data=body, headers=headers) as response:
            assert response.status == 200, await response.text()
        sent += ids
    return sent


def new_ledger(folder: Path, grpc: int, http: int, receivers: Mapping[str, Any] | None = None) -> Process:
    """A spanledger that writes its records to `ledger.jsonl` in its folder: light, and `runs_in` reads it."""
    return new_spanledger(folder, ledger_config(folder, grpc, http, receivers), http, "ledger")


def ledger_config(
    folder: Path, grpc: int, http: int, receivers: Mapping[str, Any] | None = None, address: str = "127.0.0.1:0"
) -> dict[str, Any]:
    """The configuration of `new_ledger`; own metrics are served at `address`."""
    protocols = {"grpc": {"endpoint": f"127.0.0.1:{grpc}"}, "http": {"endpoint": f"127.0.0.1:{http}"}}
    receiving = {"otlp": {"protocols": protocols}, **(receivers or {})}
    return {
        "receivers": receiving,
        "exporters": {"file": {"path": str(folder / "ledger.jsonl")}},
        "extensions": {"file_storage": {"directory": str(folder / "log")}},
        "service": {
            "extensions": ["file_storage"],
            "pipelines": {"traces": {"receivers": list(receiving), "exporters": ["file"]}},
            "telemetry": {"metrics": {"address": address}},
        },
    }


def runs_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Span id → its run in the version that counts. A run whose span came twice has one id, or this fails."""
    file = folder / "ledger.jsonl"
    runs: dict[str, dict[str, Any]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            record = json.loads(line)
        except ValueError:  # a line that is being written
            continue
        known = runs.get(record["run_id"])
        if known is None or record["version"] >= known["version"]:
            runs[record["run_id"]] = record
    found = {run["span_id"]: run for run in runs.values()}
    assert len(found) == len(runs)
    return found


def spans_in(file: Path) -> Counter[str]:
    """Span id → how often it stands in a file of OTLP/JSON lines, as the Collector's file exporter writes it."""
    found: Counter[str] = Counter()
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            request = json.loads(line)
        except ValueError:  # a line that is being written
            continue
        for resource in request.get("resourceSpans", ()):
            for scope in resource["scopeSpans"]:
                found.update(span["spanId"] for span in scope["spans"])
    return found
