"""A running `spanledger serve` with its own ports and data, and what its API tells."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.script import Tokens

Run: TypeAlias = dict[str, Any]
"""A run as the API returns it; docs/run-model.md."""

_DEADLINE = 60.0
"""Seconds until a condition that must come true is given up. Far above what it takes; machines can be busy."""
_PAUSE = 0.05
_MARKER = "e2e.marker"

_CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  {exporter}
extensions:
  file_storage: {{directory: "{data}/log"}}
  api: {{endpoint: "127.0.0.1:{api}"}}
  health_check: {{endpoint: "127.0.0.1:{health}"}}
service:
  extensions: [file_storage, api, health_check]
  pipelines:
    traces: {{receivers: [otlp], exporters: [{store}]}}
    logs: {{receivers: [otlp], exporters: [{store}]}}
    metrics: {{receivers: [otlp], exporters: [{store}]}}
"""


class Ledger:
    """One spanledger: its process, which may be killed and started again, and its addresses, which stay."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession, exporter: str | None = None) -> None:
        """`exporter`: the store, as a line of the configuration; its own embedded one when left out."""
        exporter = exporter or f'clickhouse: {{endpoint: "chdb:///{folder}/clickhouse"}}'
        grpc_port, http_port, api_port, self._health_port = _free_ports(4)
        self.grpc = f"http://127.0.0.1:{grpc_port}"
        self.http = f"http://127.0.0.1:{http_port}"
        self.api = f"http://127.0.0.1:{api_port}"
        self._session = http
        self._output = folder / "spanledger.log"
        self._config = folder / "spanledger.yaml"
        self._process: asyncio.subprocess.Process | None = None
        self._markers = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text(
            _CONFIG.format(
                grpc=grpc_port,
                http=http_port,
                api=api_port,
                health=self._health_port,
                data=folder,
                exporter=exporter,
                store=exporter.partition(":")[0],
            )
        )

    async def start(self) -> None:
        """Start the process and return when it says that it is ready."""
        command = (sys.executable, "-m", "spanledger", "serve", "--config", str(self._config))
        with self._output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
        await self.until(self._is_ready, "spanledger is ready")

    async def kill(self) -> None:
        """kill -9."""
        process = self._running()
        process.kill()
        await process.wait()
        self._process = None

    async def stop(self) -> None:
        """An orderly stop, as a service manager does it; must end with status 0."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_DEADLINE):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert status == 0, f"spanledger ended with {status}\n{self._tail()}"

    async def drain(self) -> None:
        """Return when everything acknowledged until now can be read. Entries are written in the order in which they
        were acknowledged, so a span sent now is the last one to appear."""
        self._markers += 1
        trace_id = f"e2e{self._health_port:05x}{self._markers:024x}"  # of no other ledger on the same store
        body = _marker(trace_id).SerializeToString()
        headers = {"Content-Type": "application/x-protobuf"}
        async with self._session.post(f"{self.http}/v1/traces", data=body, headers=headers) as response:
            assert response.status == 200, await response.text()

        async def arrived() -> bool:
            return bool(await self._list(trace=trace_id))

        await self.until(arrived, f"the marker {trace_id} is stored")

    async def runs(self) -> list[Run]:
        """Every run in full, oldest first, without the markers."""
        return [await self._get(f"/v1/runs/{run['run_id']}") for run in await self.summaries()]

    async def summaries(self) -> list[Run]:
        """Every run without its contents, oldest first, without the markers."""
        listed = [run for run in await self._list() if run["name"] != _MARKER]
        return sorted(listed, key=lambda run: (run["started_at"], run["run_id"]))

    async def totals(self) -> tuple[Tokens, Decimal]:
        """Tokens and USD as the API sums them up."""
        totals = await self._get("/v1/runs/usage")
        counted = Tokens(
            input=totals["input_tokens"],
            output=totals["output_tokens"],
            cached=totals["cache_read_tokens"] or 0,
            reasoning=totals["reasoning_tokens"] or 0,
            written=totals["cache_write_tokens"] or 0,
        )
        return counted, Decimal(totals["cost"])

    async def ingest(self, *events: Mapping[str, Any]) -> None:
        """Send events as Lunary's SDKs do."""
        headers = {"Authorization": "Bearer any"}
        async with self._session.post(
            f"{self.api}/v1/runs/ingest", json={"events": events}, headers=headers
        ) as response:
            answer = await response.json()
        assert [result["success"] for result in answer["results"]] == [True] * len(events), answer

    async def run(self, run_id: str) -> Run | None:
        """A run in full; None as long as it is not there."""
        async with self._session.get(f"{self.api}/v1/runs/{run_id}") as response:
            return await response.json() if response.status == 200 else None

    async def usage(self, **filters: str) -> Any:
        """What `/v1/runs/usage` says."""
        return await self._get("/v1/runs/usage", filters)

    async def _list(self, **filters: str) -> list[Run]:
        runs: list[Run] = []
        query = filters | {"limit": "100"}
        while True:
            page = await self._get("/v1/runs", query)
            runs += page["data"]
            if page["next_cursor"] is None:
                return runs
            query = query | {"cursor": page["next_cursor"]}

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        async with self._session.get(f"{self.api}{path}", params=query) as response:
            assert response.status == 200, f"{path}: {response.status} {await response.text()}"
            return await response.json()

    async def _is_ready(self) -> bool:
        assert self._running().returncode is None, f"spanledger ended while it started\n{self._tail()}"
        try:
            async with self._session.get(f"http://127.0.0.1:{self._health_port}/") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Return when a condition holds; fail with `what` when it never does."""
        deadline = time.monotonic() + _DEADLINE
        while not await condition():
            assert time.monotonic() < deadline, f"not within {_DEADLINE:.0f} s: {what}\n{self._tail()}"
            await asyncio.sleep(_PAUSE)

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "spanledger is not running"
        return self._process

    def _tail(self) -> str:
        return "\n".join(self._output.read_text(errors="replace").splitlines()[-40:]) if self._output.exists() else ""


@asynccontextmanager
async def running(folder: Path, exporter: str | None = None) -> AsyncIterator[Ledger]:
    """A ready spanledger that keeps everything below `folder`, or in the store of `exporter`, stopped at the end."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        ledger = Ledger(folder, session, exporter)
        stack.push_async_callback(ledger.stop)
        await ledger.start()
        yield ledger


def tree(runs: Sequence[Run]) -> list[Any]:
    """Runs as nested `(type, name, children)`, in order of their start."""
    known = {run["run_id"] for run in runs}

    def below(parent: str | None) -> list[Any]:
        return [
            (run["type"], run["name"], below(run["run_id"]))
            for run in runs
            if (run["parent_run_id"] if run["parent_run_id"] in known else None) == parent
        ]

    return below(None)


def billed_tokens(runs: Sequence[Run]) -> Tokens:
    """What the ledger counts: the tokens of its billable runs."""
    return sum((tokens(run) for run in runs if run["billable"]), Tokens(0, 0))


def tokens(run: Run) -> Tokens:
    """The usage of one run."""
    usage = run["usage"]
    return Tokens(
        input=usage["input_tokens"],
        output=usage["output_tokens"],
        cached=usage["cache_read_tokens"] or 0,
        reasoning=usage["reasoning_tokens"] or 0,
        written=usage["cache_write_tokens"] or 0,
    )


def billed_cost(runs: Sequence[Run]) -> Decimal:
    """What the ledger says it cost, in USD: the sum over its billable runs."""
    return sum((Decimal(run["cost"]["total"]) for run in runs if run["billable"]), Decimal(0))


def _marker(trace_id: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id = bytes.fromhex(trace_id)
    span.span_id = bytes.fromhex(trace_id[-16:])
    span.name = _MARKER
    span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
    attribute = span.attributes.add(key="gen_ai.operation.name")
    attribute.value.string_value = "execute_tool"
    attribute = span.attributes.add(key="gen_ai.tool.name")
    attribute.value.string_value = _MARKER
    return request


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
