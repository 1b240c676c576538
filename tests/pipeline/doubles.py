"""What stands around the pipeline in its tests: a clock turned by hand, a small language of requests with its decoder
and mapper, and an exporter that records."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from random import Random
from typing import TypeAlias

from spanledger.errors import PayloadError
from spanledger.exporters.base import WRITTEN, Exporter, Rejection, WriteResult
from spanledger.model.received import Decode, Decoded, Encoding, Item, Received, Signal
from spanledger.model.records import Record, Run
from spanledger.model.span import LogRecord, Span
from spanledger.pipeline import (
    DeliverySettings,
    DurableLog,
    FileStorageSettings,
    Log,
    Mapper,
    MemoryLog,
    Pipeline,
    PipelineSettings,
)
from spanledger.pipeline.dead_letters import DeadLetter, LetterKind, StoredLetter, record_key

NewLog: TypeAlias = Callable[..., Log]
"""Makes a log of settings that differ from the defaults."""

START_NS = 1_772_360_000_000_000_000


class FakeTimer:
    def __init__(self, at: float, callback: Callable[[], object]) -> None:
        self.at = at
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Stands still until a test turns it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall_ns = START_NS
        self._timers: list[FakeTimer] = []
        self._armed = asyncio.Event()

    def time_ns(self) -> int:
        return self.wall_ns

    def monotonic(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer(self.now + delay, callback)
        self._timers.append(timer)
        self._armed.set()
        return timer

    @property
    def delays(self) -> list[float]:
        """Seconds until each pending timer, next first."""
        return sorted(timer.at - self.now for timer in self._timers if not timer.cancelled)

    async def armed(self, timers: int = 1) -> None:
        """Wait until somebody waits for the clock."""
        while len(self.delays) < timers:
            self._armed.clear()
            await self._armed.wait()

    async def advance(self, seconds: float) -> None:
        """Let time pass, and let those who waited for it act."""
        end = self.now + seconds
        while due := sorted((t for t in self._timers if not t.cancelled and t.at <= end), key=lambda t: t.at):
            self._timers.remove(due[0])
            self.wall_ns += round((due[0].at - self.now) * 1e9)
            self.now = due[0].at
            due[0].callback()
            await turns()
        self._timers = [timer for timer in self._timers if not timer.cancelled]
        self.wall_ns += round((end - self.now) * 1e9)
        self.now = end
        await turns()

    async def advance_to_next(self) -> float:
        """Wait for a timer, let time pass up to it; the seconds that passed."""
        await self.armed()
        delay = self.delays[0]
        await self.advance(delay)
        return delay


async def turns(count: int = 20) -> None:
    """Give the event loop that many turns."""
    for _ in range(count):
        await asyncio.sleep(0)


def request(*lines: str, project: str = "acme", at_ns: int = START_NS) -> Received:
    """A request. Its lines: `span ID`, a span; `fact ID TEXT`, a log record with the output of that span. A span with
    the id `poison` cannot be mapped; the line `garbage` makes the whole body undecodable when it is read again."""
    body = "\n".join(lines).encode()
    items = () if "garbage" in lines else decode(Signal.TRACES, Encoding.PROTOBUF, body).items
    return Received(project, Signal.TRACES, Encoding.PROTOBUF, body, items, at_ns)


def decode(signal: Signal, encoding: Encoding, body: bytes) -> Decoded:
    items: list[Item] = []
    for line in body.decode().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "garbage":
            raise PayloadError("garbage")
        if kind == "span":
            span = Span()
            span.span_id = rest
            items.append(span)
        elif kind == "fact":
            fact = LogRecord()
            fact.span_id, _, fact.body = rest.partition(" ")
            items.append(fact)
    return Decoded(items)


class LedgerMapper:
    """One run for each span, with the output that a fact brings, whichever comes first. The version is the time."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._facts: dict[str, str] = {}

    @property
    def known(self) -> set[str]:
        """Ids of the spans so far."""
        return set(self._runs)

    def add(self, project_id: str, items: Sequence[Item], now_ns: int) -> list[Record]:
        records: list[Record] = []
        for item in items:
            if isinstance(item, Span) and item.span_id == "poison":  # those before it count as reported by now
                raise ValueError("poison cannot be mapped")
            if isinstance(item, LogRecord):
                self._facts[item.span_id] = item.body
                known = self._runs.get(item.span_id)
                if known is None or known.output == item.body:
                    continue
            elif not isinstance(item, Span) or item.span_id in self._runs:
                continue
            run = Run(
                project_id=project_id,
                run_id=item.span_id,
                type="llm",
                started_at=1,
                output=self._facts.get(item.span_id),
                version=now_ns,
            )
            self._runs[item.span_id] = run
            records.append(run)
        return records


class RecordingExporter(Exporter):
    """A store in memory that keeps the highest version of each record, and remembers every write."""

    def __init__(self, *, concurrency: int = 1) -> None:
        self.concurrency = concurrency
        self.start_errors: deque[Exception] = deque()
        """What the next starts raise."""
        self.answers: deque[WriteResult | BaseException] = deque()
        """What the next writes answer or raise, before anything is stored."""
        self.away: WriteResult | None = None
        """While set, the answer of every write."""
        self.reject: Mapping[str, str] = {}
        """Run id → the reason why it is never stored."""
        self.break_on: frozenset[str] = frozenset()
        """Run ids on which `write` raises."""
        self.gate = asyncio.Event()
        """Writes wait here."""
        self.gate.set()
        self.on_stored: Callable[[], object] = lambda: None
        """Called in a write after it stored, before it answers."""
        self.starts = 0
        self.closed = 0
        self.at_once = 0
        self.most_at_once = 0
        self.writes: list[tuple[list[str], str]] = []
        """(run ids, token) of each write that was begun."""
        self.stored: dict[tuple[str, str, str], Record] = {}
        self._changed = asyncio.Event()

    async def start(self) -> None:
        self.starts += 1
        self._notify()
        if self.start_errors:
            raise self.start_errors.popleft()

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        ids = [run_id(record) for record in records]
        self.writes.append((ids, token))
        self._notify()
        try:
            await self.gate.wait()
            if self.answers:
                answer = self.answers.popleft()
                if isinstance(answer, BaseException):
                    raise answer
                return answer
            if self.away is not None:
                return self.away
            if broken := self.break_on.intersection(ids):
                raise KeyError(f"no column for {sorted(broken)}")
            return self._store(records)
        finally:
            self.at_once -= 1

    def _store(self, records: Sequence[Record]) -> WriteResult:
        rejected = []
        for index, record in enumerate(records):
            if run_id(record) in self.reject:
                rejected.append(Rejection(index, self.reject[run_id(record)]))
                continue
            known = self.stored.get(record_key(record))
            if known is None or record.version >= known.version:
                self.stored[record_key(record)] = record
        self.on_stored()
        self._notify()
        return WriteResult(rejected=rejected) if rejected else WRITTEN

    async def close(self) -> None:
        self.closed += 1

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that a start or a write makes true."""
        while not condition():
            await self._changed.wait()

    @property
    def outputs(self) -> dict[str, object]:
        """Run id → output, of what is stored."""
        return {record.run_id: record.output for record in self.stored.values() if isinstance(record, Run)}

    @property
    def written_ids(self) -> list[str]:
        """Run ids in the order in which writes held them."""
        return [one for ids, _ in self.writes for one in ids]


def run_id(record: Record) -> str:
    return record_key(record)[2]


@contextlib.asynccontextmanager
async def opened(settings: FileStorageSettings, clock: FakeClock | None = None) -> AsyncIterator[DurableLog]:
    log = DurableLog(settings, clock)
    await log.open()
    try:
        yield log
    finally:
        await log.close()


async def bodies(log: Log, after: int = 0) -> list[str]:
    """Everything in the log behind a place, in order."""
    chunk = await log.read(after, log.last_seq, 2**40)
    return [entry.body.decode() for entry in chunk.entries]


async def letters(log: Log) -> list[tuple[str, str, str]]:
    """(kind, source, reason) of every dead letter."""
    stored: list[StoredLetter] = await log.dead_letters(limit=1000)
    return [(one.letter.kind.value, one.letter.source, one.letter.reason) for one in stored]


async def settled(log: Log) -> None:
    """Let everyone who asked for room get as far as they can. The log's jobs run in order, so a letter comes after
    theirs."""
    for _ in range(4):
        await turns()
        await log.add_dead_letters([letter("after them")])
    await turns()


def letter(name: str, size: int = 10) -> DeadLetter:
    return DeadLetter(LetterKind.RECORD, "store", name, "acme", 7, "json", b"x" * size, name.encode())


async def trimmed(log: Log, clock: FakeClock) -> None:
    """Let the log delete what it will. Its jobs run in order, so a letter comes after the deletion."""
    await clock.advance(1)
    await turns()
    await log.add_dead_letters([letter("after the trim")])


def quick(**batch: object) -> DeliverySettings:
    """Batches that do not wait for more unless told to."""
    return DeliverySettings.model_validate({"batch": {"flush_timeout": 0, **batch}})


@contextlib.asynccontextmanager
async def running(
    exporters: Exporter | Mapping[str, Exporter],
    clock: FakeClock,
    *,
    log: Log | None = None,
    delivery: DeliverySettings | None = None,
    decode: Decode = decode,
    new_mapper: Callable[[], Mapper] = LedgerMapper,
    grace: float = 0,
    **settings: object,
) -> AsyncIterator[Pipeline]:
    """A started pipeline. Without grace it ends as abruptly as one that is killed, but for its log."""
    pipeline = Pipeline(
        log if log is not None else MemoryLog(clock=clock),
        decode,
        new_mapper,
        {"store": exporters} if isinstance(exporters, Exporter) else exporters,
        PipelineSettings.model_validate({"delivery": delivery if delivery is not None else quick(), **settings}),
        clock=clock,
        random=Random(1),
    )
    await pipeline.start()
    try:
        yield pipeline
    finally:
        await pipeline.stop(grace)


async def send(pipeline: Pipeline, *requests: Received) -> None:
    for received in requests:
        await pipeline.intake.accept(received)
