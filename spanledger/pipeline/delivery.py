"""Delivery to one exporter, with its own buffer, batches, retries and cursor: no exporter waits for another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, Generic, Protocol, TypeVar

from spanledger.errors import SpanledgerError, StoreUnavailable
from spanledger.exporters.base import WriteResult
from spanledger.model.received import Signal
from spanledger.pipeline.backoff import Backoff
from spanledger.pipeline.base import Log
from spanledger.pipeline.batch import Batch, Cargo, Pending, Share
from spanledger.pipeline.clock import Clock, wait
from spanledger.pipeline.dead_letters import describe
from spanledger.pipeline.deletions import Doomed, Eraser
from spanledger.pipeline.delivery_counts import DeliveryCounts
from spanledger.pipeline.log_limit import LogLimit
from spanledger.pipeline.settings import DeliverySettings
from spanledger.pipeline.status import ExporterState, ExporterStatus
from spanledger.tracing import NO_SPAN, Span, Tracer, current_span

logger = logging.getLogger(__name__)

_RECORD_OVERHEAD: Final = 512
"""Bytes that a record takes in a batch whatever it holds: some forty columns."""
_LONG_NS: Final = 10 * 10**9
"""A batch that is older is asked about before it is written, too: much may have been deleted."""
_AWAY: Final = (StoreUnavailable, OSError, TimeoutError, MemoryError)
"""Raised by an exporter, these say that the world is at fault and not a record: write again."""


Item = TypeVar("Item")
_Written = TypeVar("_Written", contravariant=True)


class Writer(Eraser[_Written], Protocol[_Written]):
    """What `Exporter` and `RawExporter` have in common."""

    concurrency: int

    async def start(self) -> None: ...

    async def write(self, batch: Sequence[_Written], token: str, /) -> WriteResult: ...

    async def close(self) -> None: ...


class Delivery(Generic[Item]):
    """Takes records in log order and sees them written. On the raw road the same is done with request bodies."""

    def __init__(
        self,
        name: str,
        exporter: Writer[Item],
        cargo: Cargo[Item],
        settings: DeliverySettings,
        log: Log,
        cursor: int,
        *,
        clock: Clock,
        random: Random,
        on_progress: Callable[[], None],
        tracer: Tracer | None = None,
    ) -> None:
        self.name = name
        self.cursor = cursor
        """Everything up to this place of the log is written or dead."""
        self.position = cursor
        """Everything up to this place of the log was offered."""
        self.on_room: Callable[[], None] = lambda: None
        """Called when records left the buffer."""
        self.catching_up = False
        self.first_start: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the exporter answered its first start; with the error if it can never work. Cancelled by one who
        will not wait for that."""
        self._exporter = exporter
        self._cargo = cargo
        self._settings = settings
        self._log = log
        self._clock = clock
        self._random = random
        self._on_progress = on_progress
        self._tracer = tracer if tracer is not None else Tracer()
        self._pending = Pending(cargo)
        self._shares: deque[Share[Item]] = deque()
        self._buffered_bytes = 0
        self._wake = asyncio.Event()
        self._freed = asyncio.Event()
        self._pauses: set[asyncio.Event] = set()
        self._hurried = False
        self._state = ExporterState.STARTING
        self._retrying = 0
        self._limit = LogLimit(clock)
        self._announced = False
        self._last_error: str | None = None
        self._delivered_ns = 0
        self._counts = DeliveryCounts()
        self._written = self._batches = self._retries = self._dead = self._in_flight = 0

    # What a feed sees.

    @property
    def full(self) -> bool:
        """Whether the buffer holds all it may."""
        return self._buffered_bytes >= self._settings.buffer_bytes

    def offer(
        self,
        seq: int,
        received_ns: int,
        records: Sequence[Item],
        size: int,
        *,
        signal: Signal = Signal.TRACES,
        items: int = 0,
        quiet: bool = False,
    ) -> None:
        """Take the records of the next entry, whose body has `size` bytes and so many items; `quiet`: no spans are made
        about them. What was offered already is passed over."""
        if seq <= self.position:
            return
        if not records:
            self._counts.done(signal, items)
            self.pass_over(seq)
            return
        self.position = seq
        share = Share(
            seq,
            received_ns,
            records,
            size // len(records) + _RECORD_OVERHEAD,
            self._clock.monotonic(),
            open=len(records),
            signal=signal,
            items=items,
            seq=seq,
            quiet=quiet,
        )
        first = not self._pending.records
        self._shares.append(share)
        self._pending.add(share)
        self._buffered_bytes += share.size * len(records)
        if first or self._batch_is_full:
            self._wake.set()

    def pass_over(self, seq: int) -> None:
        """There is nothing for this exporter up to `seq`."""
        if seq <= self.position:
            return
        self.position = seq
        if self._shares:
            self._shares[-1].through = seq
        else:
            self.cursor = seq
            self._on_progress()

    async def half_empty(self) -> None:
        """Wait until half of the buffer is free."""
        while self._buffered_bytes > self._settings.buffer_bytes // 2:
            self._freed.clear()
            await self._freed.wait()

    # What the pipeline sees.

    async def run(self) -> None:
        """Start the exporter, then write batches until cancelled."""
        if not await self._start():
            return
        self._state = ExporterState.RUNNING
        slots = asyncio.Semaphore(max(1, self._exporter.concurrency))
        async with asyncio.TaskGroup() as writes:
            while True:
                await slots.acquire()
                await self._batch_due()
                batch = self._pending.cut(self._settings.batch.max_items, self._settings.batch.max_bytes)
                writes.create_task(self._deliver(batch, slots))

    def hurry(self) -> None:
        """Write what there is, now and from here on; cut short every wait that is not the store's own wish."""
        self._hurried = True
        self._wake.set()
        for pause in self._pauses:
            pause.set()

    async def close(self) -> None:
        """Close the exporter; `run` must have ended."""
        self._state = ExporterState.STOPPED
        self.first_start.cancel()
        try:
            await self._exporter.close()
        except Exception:
            logger.exception("exporter %s did not close cleanly", self.name)

    def status(self) -> ExporterStatus:
        """Counts and state."""
        state = self._state
        if state is ExporterState.RUNNING and self._retrying:
            state = ExporterState.RETRYING
        lag = max(self._log.last_seq - self.cursor, 0)
        oldest_ns = (self._shares[0].received_ns if self._shares else self._delivered_ns) if lag else 0
        return ExporterStatus(
            state=state,
            written=self._written,
            batches=self._batches,
            retries=self._retries,
            dead=self._dead,
            in_flight=self._in_flight,
            buffered_records=self._pending.records,
            buffered_bytes=self._buffered_bytes,
            cursor=self.cursor,
            lag=lag,
            oldest_age=max(self._clock.time_ns() - oldest_ns, 0) / 1e9 if oldest_ns else 0.0,
            catching_up=self.catching_up,
            last_error=self._last_error,
            sent=dict(self._counts.sent),
            failed=dict(self._counts.failed),
            waiting_bytes=self._log.bytes_after(self.cursor) if lag else 0,
            write_seconds=self._counts.write_seconds.copy(),
        )

    async def _start(self) -> bool:
        backoff = Backoff(self._settings.retry, self._random)
        while True:
            at_least = None
            try:
                await self._exporter.start()
            except _AWAY as error:
                self._failed(f"exporter {self.name} cannot start yet", describe(error))
            except Exception as error:
                if not self.first_start.done():
                    self.first_start.set_exception(error)
                    return False
                # It ran before, or answered too late to stop the start: its data is safe in the log meanwhile.
                self._failed(f"exporter {self.name} cannot start", describe(error))
                if not isinstance(error, SpanledgerError):
                    logger.exception("exporter %s cannot start", self.name)
                at_least = self._settings.retry.max_interval
            else:
                self._recovered()
                if not self.first_start.done():
                    self.first_start.set_result(None)
                return True
            if not self.first_start.done():
                self.first_start.set_result(None)
            await self._pause(backoff.delay(at_least), may_be_cut=True)

    # Batches.

    @property
    def _batch_is_full(self) -> bool:
        bounds = self._settings.batch
        return self._pending.records >= bounds.max_items or self._pending.bytes >= bounds.max_bytes

    async def _batch_due(self) -> None:
        while not self._batch_is_full:
            if self._pending.records:
                due = self._pending.waiting_since + self._settings.batch.flush_timeout
                left = due - self._clock.monotonic()
                if left <= 0 or self._hurried:
                    return
                self._wake.clear()
                await wait(self._wake, left, self._clock)
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _deliver(self, batch: Batch[Item], slots: asyncio.Semaphore) -> None:
        self._in_flight += 1
        doomed = Doomed(batch, self._cargo, self._exporter)
        try:
            with self._span(batch):
                await self._write_batch(batch, doomed)
            self._batches += 1
            self._settle(batch)
        finally:
            self._in_flight -= 1
            slots.release()

    def _span(self, batch: Batch[Item]) -> Span:
        if not self._tracer.active or all(share.quiet for share, _ in batch.shares):
            return NO_SPAN
        seqs = (share.seq for share, _ in batch.shares if not share.quiet)
        span = self._tracer.of_entries(f"exporter/{self.name.replace(':', '/')}", seqs)
        span.set(exporter=self.name, records=len(batch.records), bytes=batch.bytes)
        return span

    async def _write_batch(self, batch: Batch[Item], doomed: Doomed[Item]) -> None:
        records, token = batch.records, batch.token
        if self._clock.time_ns() - doomed.since_ns > _LONG_NS:
            records = await self._without_deleted(doomed, records)
            token = token if records is batch.records else self._cargo.token(records)
        if records:
            await self._write(records, token)
            await self._erase_deleted(doomed, records)

    def _settle(self, batch: Batch[Item]) -> None:
        for share, count in batch.shares:
            share.open -= count
        self._buffered_bytes -= batch.bytes
        moved = False
        while self._shares and not self._shares[0].open:
            done = self._shares.popleft()
            self._counts.done(done.signal, done.items)
            self.cursor, self._delivered_ns = done.through, done.received_ns
            moved = True
        self._freed.set()
        self.on_room()
        if moved:
            self._on_progress()

    async def _without_deleted(self, doomed: Doomed[Item], records: Sequence[Item]) -> Sequence[Item]:
        """What is left of a batch that waited long. A store that does not answer is asked again behind the write."""
        try:
            return await doomed.taken_out(records)
        except (*_AWAY, SpanledgerError):
            return records

    async def _erase_deleted(self, doomed: Doomed[Item], records: Sequence[Item]) -> None:
        """Return once nothing of a batch that was written is in the store that had been deleted."""
        backoff = Backoff(self._settings.retry, self._random)
        failing = False
        try:
            while True:
                try:
                    await doomed.taken_out(records)
                    break
                except (*_AWAY, SpanledgerError) as error:
                    if not failing:
                        failing = True
                        self._retrying += 1
                    self._retries += 1
                    delay, why = backoff.delay(None), describe(error)
                    current_span().event("retry", reason=why, delay=delay)
                    self._failed(f"exporter {self.name} cannot look for deletions; again in {delay:.1f} s", why)
                    await self._pause(delay, may_be_cut=True)
        finally:
            if failing:
                self._retrying -= 1
        if failing:
            self._recovered()

    # Attempts.

    async def _write(self, records: Sequence[Item], token: str) -> None:
        """Return once every record is written or a dead letter."""
        backoff = Backoff(self._settings.retry, self._random)
        failing = False
        try:
            while True:
                result = await self._attempt(records, token)
                if isinstance(result, Exception):
                    await self._bisect(records, describe(result))
                    return
                if result.stored:
                    stored = frozenset(result.stored)
                    self._written += len(stored)
                    records = [one for at, one in enumerate(records) if at not in stored]
                    token = self._cargo.token(records)
                if result.refused is not None:
                    self._last_error = result.refused
                    await self._bisect(records, result.refused)
                    return
                if result.retry is None:
                    break
                if not failing:
                    failing = True
                    self._retrying += 1
                self._retries += 1
                delay = backoff.delay(result.retry_after)
                current_span().event("retry", reason=result.retry, delay=delay)
                self._failed(f"exporter {self.name} failed; will write again in {delay:.1f} s", result.retry)
                await self._pause(delay, may_be_cut=result.retry_after is None)
        finally:
            if failing:
                self._retrying -= 1
        if failing:
            self._recovered()
        await self._accept(records, result)

    async def _attempt(self, records: Sequence[Item], token: str) -> WriteResult | Exception:
        """What the exporter answered, or how it broke."""
        began = self._clock.monotonic()
        try:
            return await self._exporter.write(records, token)
        except _AWAY as error:
            return WriteResult(retry=describe(error))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return WriteResult(retry="the write was cancelled inside the exporter")
        except Exception as error:
            self._last_error = describe(error)
            left_out = self._limit.allow()
            if left_out is not None:
                logger.exception("exporter %s broke on %d records%s", self.name, len(records), left_out)
            return error
        finally:
            self._counts.write_seconds.add(self._clock.monotonic() - began)

    async def _bisect(self, records: Sequence[Item], reason: str) -> None:
        if len(records) == 1:
            halves = self._cargo.halves(records[0])
            if not halves:
                self._reject(1, reason)
                await self._bury(records, [reason])
                return
            parts: Sequence[Sequence[Item]] = [[half] for half in halves]
        else:
            middle = len(records) // 2
            parts = (records[:middle], records[middle:])
        for part in parts:
            await self._write(part, self._cargo.token(part))

    async def _accept(self, records: Sequence[Item], result: WriteResult) -> None:
        reasons = {one.index: one.reason for one in result.rejected if 0 <= one.index < len(records)}
        self._written += len(records) - len(reasons)
        if reasons:
            self._reject(len(reasons), next(iter(reasons.values())))
            dead = sorted(reasons)
            await self._bury([records[at] for at in dead], [reasons[at] for at in dead])

    def _reject(self, count: int, reason: str) -> None:
        current_span().event("rejected", records=count, reason=reason)
        current_span().fail(reason)
        left_out = self._limit.allow()
        if left_out is not None:
            logger.error("exporter %s rejects %d records, e.g.: %s%s", self.name, count, reason, left_out)

    async def _bury(self, records: Sequence[Item], reasons: Sequence[str]) -> None:
        letters = [self._cargo.letter(self.name, *pair) for pair in zip(records, reasons, strict=True)]
        await self._log.bury(letters, self._clock)
        self._dead += len(letters)
        self._counts.dead(map(self._cargo.signal, records))

    async def _pause(self, seconds: float, *, may_be_cut: bool) -> None:
        pause = asyncio.Event()
        if may_be_cut:
            self._pauses.add(pause)
        try:
            await wait(pause, seconds, self._clock)
        finally:
            self._pauses.discard(pause)

    def _failed(self, message: str, error: str) -> None:
        self._last_error = error
        left_out = self._limit.allow()
        if left_out is not None:
            self._announced = True
            logger.warning("%s: %s%s", message, error, left_out)

    def _recovered(self) -> None:
        self._last_error = None
        if self._announced:
            self._announced = False
            logger.info("exporter %s works again", self.name)
