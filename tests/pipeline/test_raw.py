"""The raw road: bodies go on unchanged, past the mapping, with a cursor and a delivery of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from random import Random

from spanledger.errors import PayloadError
from spanledger.exporters.base import WRITTEN, Exporter, WriteResult
from spanledger.exporters.raw import RawExporter
from spanledger.model.received import Encoding, Received, Signal, Telemetry
from spanledger.pipeline import DurableLog, Log, MemoryLog, Pipeline, PipelineSettings
from spanledger.pipeline.raw import RawRoute, routes_of
from tests.pipeline.doubles import START_NS, FakeClock, LedgerMapper, NewLog, RecordingExporter, decode, letters, quick


class Gateway(RawExporter):
    """Takes bodies whose lines are none of the poison; halves them by their lines."""

    def __init__(self, *poison: bytes) -> None:
        self.poison = poison
        self.answers: deque[WriteResult] = deque()
        self.writes: list[list[bytes]] = []
        self.taken: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        pass

    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        self.writes.append([one.body for one in batch])
        self._changed.set()
        await self.gate.wait()
        if self.answers:
            return self.answers.popleft()
        if any(line in one.body.splitlines() for one in batch for line in self.poison):
            return WriteResult(refused="400 poison")
        self.taken += [one.body for one in batch]
        return WRITTEN

    async def close(self) -> None:
        pass

    def halves(self, telemetry: Telemetry) -> Sequence[Telemetry]:
        lines = telemetry.body.splitlines()
        parts = (lines[: len(lines) // 2], lines[len(lines) // 2 :]) if len(lines) > 1 else ()
        return [Telemetry(telemetry.project_id, telemetry.signal, b"\n".join(part)) for part in parts]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


def to_protobuf(signal: Signal, encoding: Encoding, body: bytes) -> bytes:
    if body == b"{":
        raise PayloadError("no JSON")
    return b"from json: " + body


@contextlib.asynccontextmanager
async def running(
    raw: Mapping[str, RawRoute], clock: FakeClock, *, log: Log | None = None, store: Exporter | None = None
) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(
        log if log is not None else MemoryLog(clock=clock),
        decode,
        LedgerMapper,
        {"store": store} if store is not None else {},
        PipelineSettings.model_validate({"delivery": quick()}),
        raw=raw,
        to_protobuf=to_protobuf,
        clock=clock,
        random=Random(1),
    )
    await pipeline.start()
    try:
        yield pipeline
    finally:
        await pipeline.stop(0)


async def send(
    pipeline: Pipeline, *bodies: str, signal: Signal = Signal.TRACES, encoding: Encoding = Encoding.PROTOBUF
) -> None:
    for body in bodies:
        items = decode(signal, encoding, body.encode()).items if encoding is Encoding.PROTOBUF else ()
        await pipeline.intake.accept(Received("acme", signal, encoding, body.encode(), items, START_NS))


def traces(gateway: Gateway) -> dict[str, RawRoute]:
    return routes_of("otlp", lambda signal: gateway, [Signal.TRACES])


async def test_bodies_go_on_as_they_came(clock: FakeClock) -> None:
    gateway, store = Gateway(), RecordingExporter()
    async with running(traces(gateway), clock, store=store) as pipeline:
        await send(pipeline, "span a", "span b\nfact b later")
        await pipeline.drained()
        assert gateway.taken == [b"span a", b"span b\nfact b later"]
        assert store.outputs == {"a": None, "b": "later"}


async def test_a_pipeline_may_only_pass_on(clock: FakeClock) -> None:
    gateway = Gateway()
    async with running(traces(gateway), clock) as pipeline:
        await send(pipeline, "span a")
        await pipeline.drained()
        assert gateway.taken == [b"span a"]
        assert pipeline.status().mapped_entries == 0


async def test_what_came_as_no_otlp_is_not_passed_on_as_otlp(clock: FakeClock) -> None:
    gateway = Gateway()
    async with running(traces(gateway), clock) as pipeline:
        await send(pipeline, "events of a client", encoding=Encoding.LUNARY)
        await send(pipeline, "span a")
        await pipeline.drained()
        assert gateway.taken == [b"span a"]


async def test_signals_go_separate_ways(clock: FakeClock) -> None:
    gateways = {Signal.TRACES: Gateway(), Signal.LOGS: Gateway()}
    gateways[Signal.LOGS].answers.append(WriteResult(retry="UNIMPLEMENTED", retry_after=3600))
    async with running(routes_of("otlp", gateways.__getitem__, list(gateways)), clock) as pipeline:
        await send(pipeline, "span a", signal=Signal.LOGS)
        await send(pipeline, "span b")
        await gateways[Signal.TRACES].until(lambda: gateways[Signal.TRACES].taken == [b"span b"])
        await gateways[Signal.LOGS].until(lambda: len(gateways[Signal.LOGS].writes) == 1)
        cursors = {name: one.cursor for name, one in pipeline.status().exporters.items()}
        assert cursors["otlp:logs"] == 0
        assert gateways[Signal.LOGS].taken == []


async def test_what_the_mapping_cannot_read_is_passed_on(clock: FakeClock) -> None:
    gateway, store = Gateway(), RecordingExporter()
    async with running(traces(gateway), clock, store=store) as pipeline:
        await send(pipeline, "span poison")
        await pipeline.drained()
        assert gateway.taken == [b"span poison"]
        assert store.outputs == {}


async def test_a_store_that_is_away_holds_nothing_up(clock: FakeClock) -> None:
    gateway, store = Gateway(), RecordingExporter()
    store.away = WriteResult(retry="connection refused")
    async with running(traces(gateway), clock, store=store) as pipeline:
        await send(pipeline, "span a")
        await gateway.until(lambda: gateway.taken == [b"span a"])
        assert store.outputs == {}


async def test_a_refused_batch_is_halved_down_to_the_item(clock: FakeClock) -> None:
    gateway = Gateway(b"span bad")
    log = MemoryLog(clock=clock)
    gateway.gate.clear()
    async with running(traces(gateway), clock, log=log) as pipeline:
        await send(pipeline, "span first")
        await gateway.until(lambda: len(gateway.writes) == 1)
        await send(pipeline, "span a", "span b\nspan bad\nspan c\nspan d", "span e")
        gateway.gate.set()
        await pipeline.drained()
        assert b"\n".join(gateway.taken).splitlines() == [
            *(b"span first", b"span a", b"span b", b"span c", b"span d", b"span e")
        ]
        assert await letters(log) == [("entry", "otlp:traces", "400 poison")]
        (stored,) = await log.dead_letters()
        assert (stored.letter.content_type, stored.letter.content) == ("traces/protobuf", b"span bad")


async def test_attempts_go_on_when_the_server_says(clock: FakeClock) -> None:
    gateway = Gateway()
    gateway.answers += [WriteResult(retry="429", retry_after=60.0)] * 3
    async with running(traces(gateway), clock) as pipeline:
        await send(pipeline, "span a")
        for attempt in range(1, 4):
            await gateway.until(lambda expected=attempt: len(gateway.writes) == expected)  # type: ignore[misc]
            assert await clock.advance_to_next() == 60.0
        await pipeline.drained()
        assert gateway.writes == [[b"span a"]] * 4
        assert gateway.taken == [b"span a"]


async def test_other_encodings_become_protobuf(clock: FakeClock) -> None:
    gateway = Gateway()
    log = MemoryLog(clock=clock)
    async with running(traces(gateway), clock, log=log) as pipeline:
        await send(pipeline, "{", "{}", encoding=Encoding.JSON)
        await pipeline.drained()
        assert gateway.taken == [b"from json: {}"]
        assert await letters(log) == [("entry", "otlp:traces", "no JSON")]


async def test_a_restart_goes_on_at_the_cursor(clock: FakeClock, new_log: NewLog) -> None:
    log = new_log()
    before = Gateway()
    async with running(traces(before), clock, log=log) as pipeline:
        await send(pipeline, "span a")
        await pipeline.drained()
        before.gate.clear()
        await send(pipeline, "span b")
        await before.until(lambda: len(before.writes) == 2)
    if not isinstance(log, DurableLog):
        return
    after = Gateway()
    async with running(traces(after), clock, log=new_log()) as pipeline:
        await pipeline.drained()
        assert after.taken == [b"span b"]


async def test_delivered_is_where_the_slowest_exporter_stands(clock: FakeClock) -> None:
    gateway, store = Gateway(), RecordingExporter()
    async with running(traces(gateway), clock, store=store) as pipeline:
        await send(pipeline, "span a")
        await pipeline.drained()
        assert pipeline.delivered == 1
        gateway.gate.clear()
        await send(pipeline, "span b")
        await store.until(lambda: "b" in store.outputs)
        assert pipeline.delivered == 1
        gateway.gate.set()
        await pipeline.drained()
        assert pipeline.delivered == 2
