"""Delivery to one exporter, with its own buffer, batches, retries and cursor: no exporter waits for another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, Generic

from spanledger.model.received import Signal
from spanledger.pipeline.attempts import Attempts, Item, Writer
from spanledger.pipeline.base import Log
from spanledger.pipeline.batch import Batch, Cargo, Pending, Share
from spanledger.pipeline.clock import Clock, wait
from spanledger.pipeline.delivery_counts import DeliveryCounts
from spanledger.pipeline.settings import DeliverySettings
from spanledger.pipeline.status import ExporterState, ExporterStatus
from spanledger.tracing import NO_SPAN, Span, Tracer

logger = logging.getLogger(__name__)

_RECORD_OVERHEAD: Final = 512
"""Bytes that a record takes in a batch whatever it holds: some forty columns."""


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
        self._exporter = exporter
        self._settings = settings
        self._log = log
        self._clock = clock
        self._on_progress = on_progress
        self._tracer = tracer if tracer is not None else Tracer()
        self._pending = Pending(cargo)
        self._shares: deque[Share[Item]] = deque()
        self._buffered_bytes = 0
        self._wake = asyncio.Event()
        self._freed = asyncio.Event()
        self._hurried = False
        self._state = ExporterState.STARTING
        self._delivered_ns = 0
        self._counts = DeliveryCounts()
        self._attempts = Attempts(
            name, exporter, cargo, settings.retry, log, clock=clock, random=random, counts=self._counts
        )
        self._batches = self._in_flight = 0

    @property
    def first_start(self) -> asyncio.Future[None]:
        """As of `Attempts`."""
        return self._attempts.first_start

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
        if not await self._attempts.start():
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
        self._attempts.hurry()

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
        state, attempts = self._state, self._attempts
        if state is ExporterState.RUNNING and attempts.retrying:
            state = ExporterState.RETRYING
        lag = max(self._log.last_seq - self.cursor, 0)
        oldest_ns = (self._shares[0].received_ns if self._shares else self._delivered_ns) if lag else 0
        return ExporterStatus(
            state=state,
            written=attempts.written,
            batches=self._batches,
            retries=attempts.retries,
            dead=attempts.dead,
            in_flight=self._in_flight,
            buffered_records=self._pending.records,
            buffered_bytes=self._buffered_bytes,
            cursor=self.cursor,
            lag=lag,
            oldest_age=max(self._clock.time_ns() - oldest_ns, 0) / 1e9 if oldest_ns else 0.0,
            catching_up=self.catching_up,
            last_error=attempts.last_error,
            sent=dict(self._counts.sent),
            failed=dict(self._counts.failed),
            waiting_bytes=self._log.bytes_after(self.cursor) if lag else 0,
            write_seconds=self._counts.write_seconds.copy(),
        )

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
        try:
            with self._span(batch):
                await self._attempts.deliver(batch)
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
