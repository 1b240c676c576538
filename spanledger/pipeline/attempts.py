"""Attempts at one exporter: each start and each write is repeated until it succeeds, or what it writes is dead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from random import Random
from typing import Final, Generic, Protocol, TypeVar

from spanledger.errors import SpanledgerError, StoreUnavailable
from spanledger.exporters.base import WriteResult
from spanledger.pipeline.backoff import Backoff
from spanledger.pipeline.base import Log
from spanledger.pipeline.batch import Batch, Cargo
from spanledger.pipeline.clock import Clock, wait
from spanledger.pipeline.dead_letters import describe
from spanledger.pipeline.deletions import Doomed, Eraser
from spanledger.pipeline.delivery_counts import DeliveryCounts
from spanledger.pipeline.log_limit import LogLimit
from spanledger.pipeline.settings import RetrySettings
from spanledger.tracing import current_span

logger = logging.getLogger(__name__)

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


class Attempts(Generic[Item]):
    """What is tried at an exporter, and how that went."""

    def __init__(
        self,
        name: str,
        exporter: Writer[Item],
        cargo: Cargo[Item],
        settings: RetrySettings,
        log: Log,
        *,
        clock: Clock,
        random: Random,
        counts: DeliveryCounts,
    ) -> None:
        self.first_start: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the exporter answered its first start; with the error if it can never work. Cancelled by one who
        will not wait for that."""
        self.retrying = 0
        """Batches that are written again."""
        self.last_error: str | None = None
        self.written = self.retries = self.dead = 0
        self._name = name
        self._exporter = exporter
        self._cargo = cargo
        self._settings = settings
        self._log = log
        self._clock = clock
        self._random = random
        self._counts = counts
        self._pauses: set[asyncio.Event] = set()
        self._limit = LogLimit(clock)
        self._announced = False

    def hurry(self) -> None:
        """Cut short every wait that is not the store's own wish."""
        for pause in self._pauses:
            pause.set()

    async def start(self) -> bool:
        """Return once the exporter has started; False when it never can, which `first_start` tells."""
        backoff = Backoff(self._settings, self._random)
        while True:
            at_least = None
            try:
                await self._exporter.start()
            except _AWAY as error:
                self._failed(f"exporter {self._name} cannot start yet", describe(error))
            except Exception as error:
                if not self.first_start.done():
                    self.first_start.set_exception(error)
                    return False
                # It ran before, or answered too late to stop the start: its data is safe in the log meanwhile.
                self._failed(f"exporter {self._name} cannot start", describe(error))
                if not isinstance(error, SpanledgerError):
                    logger.exception("exporter %s cannot start", self._name)
                at_least = self._settings.max_interval
            else:
                self._recovered()
                if not self.first_start.done():
                    self.first_start.set_result(None)
                return True
            if not self.first_start.done():
                self.first_start.set_result(None)
            await self._pause(backoff.delay(at_least), may_be_cut=True)

    async def deliver(self, batch: Batch[Item]) -> None:
        """Return once every record of a batch is written or a dead letter, and nothing of it is stored that was
        deleted."""
        doomed = Doomed(batch, self._cargo, self._exporter)
        records, token = batch.records, batch.token
        if self._clock.time_ns() - doomed.since_ns > _LONG_NS:
            records = await self._without_deleted(doomed, records)
            token = token if records is batch.records else self._cargo.token(records)
        if records:
            await self._write(records, token)
            await self._erase_deleted(doomed, records)

    async def _without_deleted(self, doomed: Doomed[Item], records: Sequence[Item]) -> Sequence[Item]:
        """What is left of a batch that waited long. A store that does not answer is asked again behind the write."""
        try:
            return await doomed.taken_out(records)
        except (*_AWAY, SpanledgerError):
            return records

    async def _erase_deleted(self, doomed: Doomed[Item], records: Sequence[Item]) -> None:
        """Return once nothing of a batch that was written is in the store that had been deleted."""
        backoff = Backoff(self._settings, self._random)
        failing = False
        try:
            while True:
                try:
                    await doomed.taken_out(records)
                    break
                except (*_AWAY, SpanledgerError) as error:
                    if not failing:
                        failing = True
                        self.retrying += 1
                    self.retries += 1
                    delay, why = backoff.delay(None), describe(error)
                    current_span().event("retry", reason=why, delay=delay)
                    self._failed(f"exporter {self._name} cannot look for deletions; again in {delay:.1f} s", why)
                    await self._pause(delay, may_be_cut=True)
        finally:
            if failing:
                self.retrying -= 1
        if failing:
            self._recovered()

    async def _write(self, records: Sequence[Item], token: str) -> None:
        """Return once every record is written or a dead letter."""
        backoff = Backoff(self._settings, self._random)
        failing = False
        try:
            while True:
                result = await self._attempt(records, token)
                if isinstance(result, Exception):
                    await self._bisect(records, describe(result))
                    return
                if result.stored:
                    stored = frozenset(result.stored)
                    self.written += len(stored)
                    records = [one for at, one in enumerate(records) if at not in stored]
                    token = self._cargo.token(records)
                if result.refused is not None:
                    self.last_error = result.refused
                    await self._bisect(records, result.refused)
                    return
                if result.retry is None:
                    break
                if not failing:
                    failing = True
                    self.retrying += 1
                self.retries += 1
                delay = backoff.delay(result.retry_after)
                current_span().event("retry", reason=result.retry, delay=delay)
                self._failed(f"exporter {self._name} failed; will write again in {delay:.1f} s", result.retry)
                await self._pause(delay, may_be_cut=result.retry_after is None)
        finally:
            if failing:
                self.retrying -= 1
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
            self.last_error = describe(error)
            left_out = self._limit.allow()
            if left_out is not None:
                logger.exception("exporter %s broke on %d records%s", self._name, len(records), left_out)
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
        self.written += len(records) - len(reasons)
        if reasons:
            self._reject(len(reasons), next(iter(reasons.values())))
            dead = sorted(reasons)
            await self._bury([records[at] for at in dead], [reasons[at] for at in dead])

    def _reject(self, count: int, reason: str) -> None:
        current_span().event("rejected", records=count, reason=reason)
        current_span().fail(reason)
        left_out = self._limit.allow()
        if left_out is not None:
            logger.error("exporter %s rejects %d records, e.g.: %s%s", self._name, count, reason, left_out)

    async def _bury(self, records: Sequence[Item], reasons: Sequence[str]) -> None:
        letters = [self._cargo.letter(self._name, *pair) for pair in zip(records, reasons, strict=True)]
        await self._log.bury(letters, self._clock)
        self.dead += len(letters)
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
        self.last_error = error
        left_out = self._limit.allow()
        if left_out is not None:
            self._announced = True
            logger.warning("%s: %s%s", message, error, left_out)

    def _recovered(self) -> None:
        self.last_error = None
        if self._announced:
            self._announced = False
            logger.info("exporter %s works again", self._name)
