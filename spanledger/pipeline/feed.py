"""The mapping stage: entries of the log in order through a mapper, its records to the deliveries."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from spanledger.errors import LogError, PayloadError
from spanledger.model.received import Decode, Item, Received
from spanledger.model.records import Record
from spanledger.pipeline.base import Entry, Log, Mapper
from spanledger.pipeline.clock import Clock, sleep
from spanledger.pipeline.dead_letters import DeadLetter, describe, letter_of_entry, letter_of_item
from spanledger.pipeline.delivery import Delivery
from spanledger.pipeline.intake import Holding
from spanledger.pipeline.log_limit import LogLimit
from spanledger.pipeline.mapping_counts import MappingCounts
from spanledger.pipeline.roads import Roads
from spanledger.pipeline.safe_mapper import Mapped, SafeMapper
from spanledger.tracing import Tracer

logger = logging.getLogger(__name__)

_READ_BYTES: Final = 4 * 1024 * 1024
_SLICE_BYTES: Final = 64 * 1024
"""Bodies mapped before the event loop gets its turn: about 2 ms of mapping."""
_LARGE_ENTRY: Final = 512 * 1024
"""Bytes from which an entry is decoded and mapped beside the event loop, which would stand still for tens of
milliseconds: health checks and other senders must not wait for it."""
_LOG_RETRY_INTERVAL: Final = 1.0


_Result = TypeVar("_Result")


class Feed:
    """One mapper at one place of the log, and the deliveries that go along with it.

    The *live* feed takes entries from the intake while they are still decoded. A delivery whose buffer fills up while
    others have room leaves it; later a feed of its own, with a mapper of its own, brings it back from the log (its
    *leader* is the live feed then).
    """

    def __init__(
        self,
        log: Log,
        decode: Decode,
        new_mapper: Callable[[], Mapper],
        position: int,
        *,
        roads: Roads,
        holding: Holding | None = None,
        leader: Feed | None = None,
        on_left_behind: Callable[[Feed, Delivery[Record]], None] | None = None,
        clock: Clock,
        counts: MappingCounts,
        tracer: Tracer | None = None,
    ) -> None:
        self.position = position
        """Everything up to this place was mapped and offered."""
        self._log = log
        self._decode = decode
        self._mapper = SafeMapper(new_mapper, clock)
        self.roads = roads
        self._holding = holding
        self._leader = leader
        self._on_left_behind = on_left_behind
        self._clock = clock
        self._counts = counts
        self._tracer = tracer if tracer is not None else Tracer()
        self._deliveries: list[Delivery[Record]] = []
        self._wake = asyncio.Event()
        self._limit = LogLimit(clock)
        self._slice = 0

    def wake(self) -> None:
        """There is more in the log."""
        self._wake.set()

    def attach(self, delivery: Delivery[Record]) -> None:
        """Give the records of all further entries to this delivery too; what it was offered already is passed over."""
        self._deliveries.append(delivery)
        delivery.on_room = self._wake.set
        self._wake.set()

    def detach(self, delivery: Delivery[Record]) -> None:
        """Give it nothing more."""
        self._deliveries.remove(delivery)
        delivery.on_room = lambda: None

    async def run(self) -> None:
        """Warm the mapper up, then map. The live feed runs until cancelled; another returns when it has reached its
        leader, before that one can go on."""
        await self._warm_up()
        while not self._arrived:
            await self._room()
            held = self._holding.take(self.position) if self._holding is not None else None
            if held is not None:
                await self._map(held.received, held.received.items, held.seq, held.received_ns)
            elif self.position < self._end:
                await self._read_on()
            elif self._holding is not None and self.position < self._holding.last:
                self._pass_over(self._holding.last)  # entries of other roads
            else:
                self._wake.clear()
                await self._wake.wait()

    def remembered(self) -> tuple[int, int, int]:
        """Traces, items and rough bytes in the mapper's memory."""
        return self._mapper.remembered()

    @property
    def _arrived(self) -> bool:
        return self._leader is not None and self.position >= self._leader.position

    @property
    def _end(self) -> int:
        """How far the log is to be read."""
        if self._holding is not None:
            return self._holding.held_from
        return self._leader.position if self._leader is not None else self._log.last_seq

    async def _warm_up(self) -> None:
        """Let the mapper remember what came before, so that a late fact meets the rest of its trace. What it returns
        was delivered before."""
        at, before = 0, self.position
        while at < before:
            try:
                if at == 0:
                    at = await self._log.warm_up_start(before)
                chunk = await self._log.read(at, before, _READ_BYTES)
            except LogError as error:
                await self._log_failed(error)
                continue
            for entry in filter(self._takes, chunk.entries):
                items, _ = await self._beside(entry.size, self._items, entry)
                await self._beside(entry.size, self._mapper.add, entry.project_id, items, entry.received_ns)
                await self._yield(entry.size)
            at = chunk.through

    async def _room(self) -> None:
        """Wait until there is room for more records. Those without any are left behind if others have some."""
        while full := [delivery for delivery in self._deliveries if delivery.full]:
            if len(full) < len(self._deliveries) and self._on_left_behind is not None:
                for delivery in full:
                    self.detach(delivery)
                    self._on_left_behind(self, delivery)
                return
            if self._holding is not None:
                self._holding.block()
            self._wake.clear()
            await self._wake.wait()
        if self._holding is not None:
            self._holding.blocked = False

    async def _read_on(self) -> None:
        try:
            chunk = await self._log.read(self.position, self._end, _READ_BYTES)
        except LogError as error:
            await self._log_failed(error)
            return
        if strays := self.roads.strays(chunk.entries):
            await self._log.bury(strays, self._clock)
        for entry in filter(self._takes, chunk.entries):
            await self._room()
            items, letters = await self._beside(len(entry.body), self._items, entry)
            if letters:
                await self._log.bury(letters, self._clock)
            await self._map(entry, items, entry.seq, entry.received_ns)
        self._pass_over(chunk.through)

    def _takes(self, entry: Entry) -> bool:
        return self.roads.take(entry.road)

    def _pass_over(self, through: int) -> None:
        for delivery in self._deliveries:
            delivery.pass_over(through)
        self.position = max(self.position, through)

    async def _map(self, entry: Received | Entry, items: Sequence[Item], seq: int, received_ns: int) -> None:
        project_id, signal, body = entry.project_id, entry.signal, entry.body
        size = len(body)
        began = time.perf_counter()
        if self._tracer.active:
            mapped = await self._traced(entry, items, seq, received_ns)
        else:
            mapped = await self._beside(size, self._mapper.add, project_id, items, received_ns)
        self._counts.note(mapped.records, time.perf_counter() - began)
        if mapped.unmappable:
            letters = [
                letter_of_item(project_id, seq, at, items[at], reason, road=entry.road)
                for at, reason in mapped.unmappable
            ]
            await self._log.bury(letters, self._clock)
            self._counts.unmappable += len(letters)
        quiet = self._tracer.is_own(body)
        for delivery in self._deliveries:
            delivery.offer(seq, received_ns, mapped.records, size, signal=signal, items=len(items), quiet=quiet)
        self.position = seq
        await self._yield(size)

    async def _traced(self, entry: Received | Entry, items: Sequence[Item], seq: int, received_ns: int) -> Mapped:
        with self._tracer.of_entry("mapping", seq, entry.body) as span:
            mapped = await self._beside(len(entry.body), self._mapper.add, entry.project_id, items, received_ns)
            span.set(signal=entry.signal.value, items=len(items), records=len(mapped.records), seq=seq)
            for _, reason in mapped.unmappable:
                span.fail(reason)
        return mapped

    def _items(self, entry: Entry) -> tuple[Sequence[Item], list[DeadLetter]]:
        """The items of an entry again. Those refused were refused to the sender then."""
        try:
            return self._decode(entry.signal, entry.encoding, entry.body).items, []
        except PayloadError as error:
            reason = f"accepted once, but cannot be decoded any more: {describe(error)}"
        except Exception as error:
            logger.exception("entry %d of the log cannot be decoded", entry.seq)
            reason = f"decoding broke: {describe(error)}"
        content_type = f"{entry.signal}/{entry.encoding}"
        return [], [
            letter_of_entry(
                "mapping",
                entry.project_id,
                entry.seq,
                content_type,
                entry.body,
                reason,
                road=entry.road,
                context=entry.context,
            )
        ]

    async def _beside(self, size: int, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Do work on an entry of that size: at once, or in a thread when it is large. A feed does one thing at a
        time, so its mapper is never used by two threads at once."""
        if size < _LARGE_ENTRY:
            return work(*arguments)
        return await asyncio.to_thread(work, *arguments)

    async def _yield(self, size: int) -> None:
        self._slice += size
        if self._slice >= _SLICE_BYTES:
            self._slice = 0
            await asyncio.sleep(0)

    async def _log_failed(self, error: LogError) -> None:
        left_out = self._limit.allow()
        if left_out is not None:
            logger.error("%s%s", error, left_out)
        await sleep(self._clock, _LOG_RETRY_INTERVAL)
