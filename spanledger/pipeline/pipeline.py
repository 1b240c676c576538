"""The whole road: intake, log, feeds, deliveries; their start and their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any, Final

from spanledger.errors import ConfigError, LogError, PayloadError
from spanledger.exporters.base import Exporter
from spanledger.model.received import Decode, Encoding, Intake, Signal, Telemetry
from spanledger.model.records import Record
from spanledger.pipeline.attempts import Item, Writer
from spanledger.pipeline.base import Log, Mapper
from spanledger.pipeline.batch import RECORDS, Cargo
from spanledger.pipeline.clock import Clock, SystemClock, sleep, wait
from spanledger.pipeline.dead_letters import letter_of_entry
from spanledger.pipeline.delivery import Delivery
from spanledger.pipeline.feed import Feed
from spanledger.pipeline.intake import Holding, LogIntake
from spanledger.pipeline.log import DurableLog
from spanledger.pipeline.mapping_counts import MappingCounts
from spanledger.pipeline.memory_log import MemoryLog
from spanledger.pipeline.raw import RawFeed, RawRoute, ToProtobuf
from spanledger.pipeline.roads import EVERYTHING, Roads
from spanledger.pipeline.settings import DeliverySettings, Durability, PipelineSettings
from spanledger.pipeline.shedding import Shedding
from spanledger.pipeline.status import MappingStatus, PipelineStatus
from spanledger.tracing import Tracer

logger = logging.getLogger(__name__)

_CURSOR_RETRY_INTERVAL: Final = 1.0
_CURSOR_PAUSE, _CURSOR_PAUSE_AT_LEAST, _CURSOR_PAUSE_AT_MOST = 20, 0.01, 1.0
"""Noting the cursors syncs a file, so it is followed by a pause of so many times what it took, and of so many seconds
at least (in memory it takes nothing, and was done for each request) and at most. What was delivered meanwhile is
delivered again after a crash, without effect."""
_CLOSE_SECONDS: Final = 5.0
"""How long a write that ignores its cancellation, or an exporter's `close`, may hold up the end."""


def create_log(settings: PipelineSettings, clock: Clock | None = None) -> Log:
    """The log that the settings ask for."""
    if settings.durability is Durability.MEMORY:
        return MemoryLog(settings.memory, clock)
    return DurableLog(settings.log, clock)


def _only_protobuf(signal: Signal, encoding: Encoding, body: bytes) -> bytes:
    raise PayloadError(f"a request in {encoding} cannot be passed on")


class Pipeline:
    """Takes requests in and sees their records written by every exporter.

    ::

        pipeline = Pipeline(create_log(settings), decode, new_mapper, {"clickhouse": exporter}, settings)
        await pipeline.start()
        await pipeline.intake.accept(received)
        await pipeline.stop(grace_seconds=30)
    """

    def __init__(
        self,
        log: Log,
        decode: Decode,
        new_mapper: Callable[[], Mapper],
        exporters: Mapping[str, Exporter],
        settings: PipelineSettings | None = None,
        *,
        delivery: Mapping[str, DeliverySettings] | None = None,
        raw: Mapping[str, RawRoute] | None = None,
        to_protobuf: ToProtobuf | None = None,
        roads: Mapping[str, Roads] | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """`new_mapper` makes a mapper that remembers nothing: an exporter which fell behind gets one of its own.
        `raw` holds the exporters that pass telemetry on past the mapping; `to_protobuf` is for what arrived in another
        encoding. `roads` says which entries each of the others takes where pipelines fork; those that take the same
        share a mapper. `delivery` holds settings of single exporters of both sorts, by name; `settings.delivery` is
        for the others. `tracer` makes spans about all of it. The pipeline opens and closes log and exporters."""
        raw = raw or {}
        if not exporters and not raw:
            raise ConfigError("a pipeline needs at least one exporter")
        self._settings = settings if settings is not None else PipelineSettings()
        self.log = self._log = log
        self._decode = decode
        self._new_mapper = new_mapper
        self._exporters = dict(exporters)
        self._raw = dict(raw)
        self._to_protobuf = to_protobuf or _only_protobuf
        self._delivery_settings = dict(delivery or {})
        self._clock = clock if clock is not None else SystemClock()
        self._random = random if random is not None else Random()  # noqa: S311
        self._roads = {name: (roads or {}).get(name, EVERYTHING) for name in exporters}
        self._tracer = tracer if tracer is not None else Tracer()
        self._intake = LogIntake(log, self._clock, self._tracer)
        self._deliveries: dict[str, Delivery[Any]] = {}
        self._counts = MappingCounts()
        self._live: list[Feed] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._cursors_moved = asyncio.Event()
        self._saved: dict[str, int] = {}
        self._progress = asyncio.Event()
        self._stopping = False
        self._pause = asyncio.Event()
        self._waiting = 0
        """How many wait for the cursors to be noted."""
        self._failure: asyncio.Future[None] | None = None

    @property
    def failure(self) -> asyncio.Future[None]:
        """Done with the exception when a part of the pipeline itself broke. The process should end then: nothing
        acknowledged is lost, the next start goes on from the cursors. Raises `RuntimeError` before `start`."""
        if self._failure is None:
            raise RuntimeError("the pipeline is not started")
        return self._failure

    @property
    def intake(self) -> Intake:
        """Where receivers put what they accepted. Refuses before `start` and after `stop`."""
        return self._intake

    async def start(self) -> None:
        """Open the log and start everything. An exporter that is away is tried again in the background, and what is
        accepted waits in the log. Raises `LogError`, and the error of an exporter that says within the start timeout
        that it can never work; everything is closed again then."""
        self._failure = asyncio.get_running_loop().create_future()
        await self._open_log()
        try:
            groups = self._groups()
            self._intake.follow()
            cursors = await self._log.register([*self._exporters, *self._raw])
            self._saved = dict(cursors)
            for name, exporter in self._exporters.items():
                self._new_delivery(name, exporter, RECORDS, cursors[name])
            self._spawn(self._keep_cursors(), "cursors")
            for roads, names in groups.items():
                await self._start_feeds(roads, [self._deliveries[name] for name in names])
            for name, route in self._raw.items():
                self._start_raw(route, self._new_delivery(name, route.exporter, route.cargo(), cursors[name]))
            await self._first_starts()
        except BaseException:
            await self._end()
            raise
        self._intake.open()

    async def stop(self, grace_seconds: float, *, log_stays: bool = False) -> bool:
        """Refuse new requests, deliver what was accepted, note the cursors, close exporters and log. After
        `grace_seconds` delivery is cut short; what is not written then stays in the log for the next start, and one in
        memory is lost unless another pipeline goes on with it (`log_stays`). Whether everything was written."""
        if self._stopping:
            return self._is_drained(self._log.last_seq)
        self._stopping = True
        self._intake.close()
        for delivery in self._deliveries.values():
            delivery.hurry()
        try:
            if grace_seconds > 0:
                await self._flush_within(grace_seconds)
        finally:  # whoever is cancelled meanwhile leaves nothing behind that works on, or holds the log
            await self._end()
        drained = self._is_drained(self._log.last_seq)
        if not drained and not log_stays:
            for name, delivery in self._deliveries.items():
                if delivery.cursor < self._log.last_seq:
                    logger.warning(
                        "not everything was delivered to %s (%d of %d): %s",
                        *(name, delivery.cursor, self._log.last_seq),
                        "the next start goes on there" if self._log.durable else "the rest is lost with the memory",
                    )
        return drained

    async def drained(self) -> None:
        """Return when all that was accepted before this call is written by every exporter, or dead, and noted so in
        the log."""
        target = self._log.last_seq
        self._waiting += 1
        self._pause.set()
        try:
            while not self._is_drained(target):
                await self._progress.wait()
        finally:
            self._waiting -= 1

    @property
    def delivered(self) -> int:
        """Place up to which everything is written by every exporter, or dead, and noted so in the log."""
        return min(self._saved.values(), default=0)

    async def bury(
        self, source: str, project_id: str, signal: Signal, encoding: Encoding, body: bytes, reason: str, *, name: str
    ) -> None:
        """As `Backlog.bury`."""
        letter = letter_of_entry(source, project_id, 0, f"{signal}/{encoding}", body, reason, name=name)
        await self._log.bury([letter], self._clock)

    def shedding(self) -> Shedding:
        """What keeps the log free of what was deleted."""
        return Shedding(self._log, self._exporters.values(), lambda: self.delivered, self._clock)

    def status(self) -> PipelineStatus:
        """Counts of everything."""
        return PipelineStatus(
            accepted_requests=self._intake.requests,
            accepted_items=self._intake.items,
            mapped_entries=self._counts.entries,
            mapped_records=self._counts.records,
            unmappable_items=self._counts.unmappable,
            log=self._log.status(),
            exporters={name: delivery.status() for name, delivery in self._deliveries.items()},
            mapping=self._mapping_status(),
            refused_items=dict(self._intake.refused),
        )

    def drain_rate(self) -> float:
        """Bytes a second that left the log lately."""
        return self._log.status().drain_rate

    def _mapping_status(self) -> MappingStatus:
        counts = self._counts
        sums = [sum(column) for column in zip(*(feed.remembered() for feed in self._live), strict=True)]
        traces, items, size = sums or (0, 0, 0)
        tables = (dict(counts.kinds), dict(counts.dialects), dict(counts.unpriced))
        return MappingStatus(counts.seconds, *tables, traces, items, size)

    # Feeds.

    def _groups(self) -> dict[Roads, list[str]]:
        """The exporters behind each mapper. Without a store nothing is mapped, and nothing held for that."""
        groups: dict[Roads, list[str]] = {}
        for name, roads in self._roads.items():
            groups.setdefault(roads, []).append(name)
        share = self._settings.handoff_bytes // max(len(groups), 1)
        self._intake.holdings = [Holding(share, roads) for roads in groups]
        return groups

    async def _start_feeds(self, roads: Roads, deliveries: Sequence[Delivery[Record]]) -> None:
        """The live feed starts with the exporters that are furthest; one that is further behind than a warm-up reaches
        would hold the others up for as long as it was away, so it gets a feed of its own."""
        reach = await self._log.warm_up_start(max(delivery.position for delivery in deliveries))
        near = [delivery for delivery in deliveries if delivery.position >= reach]
        holding = next(one for one in self._intake.holdings if one.roads == roads)
        live = Feed(
            self._log,
            self._decode,
            self._new_mapper,
            min(delivery.position for delivery in near),
            roads=roads,
            holding=holding,
            on_left_behind=self._left_behind,
            clock=self._clock,
            counts=self._counts,
            tracer=self._tracer,
        )
        self._live.append(live)
        self._intake.listeners.append(live.wake)
        for delivery in deliveries:
            if delivery in near:
                live.attach(delivery)
            else:
                self._left_behind(live, delivery)
        self._spawn(live.run(), "mapping")

    def _start_raw(self, route: RawRoute, delivery: Delivery[Telemetry]) -> None:
        feed = RawFeed(self._log, delivery, route, self._to_protobuf, self._clock, self._tracer)
        self._intake.listeners.append(feed.wake)
        self._spawn(feed.run(), f"reading for {delivery.name}")

    def _left_behind(self, live: Feed, delivery: Delivery[Record]) -> None:
        delivery.catching_up = True
        logger.info("exporter %s is behind; it is fed from the log until it has caught up", delivery.name)
        self._spawn(self._catch_up(live, delivery), f"catching up of {delivery.name}")

    async def _catch_up(self, live: Feed, delivery: Delivery[Record]) -> None:
        await delivery.half_empty()
        feed = Feed(
            self._log,
            self._decode,
            self._new_mapper,
            delivery.position,
            roads=live.roads,
            leader=live,
            clock=self._clock,
            counts=self._counts,
            tracer=self._tracer,
        )
        feed.attach(delivery)
        await feed.run()
        feed.detach(delivery)
        live.attach(delivery)  # nothing ran since it arrived, so the live feed is still at the same place
        delivery.catching_up = False
        logger.info("exporter %s has caught up", delivery.name)

    # Cursors.

    async def _keep_cursors(self) -> None:
        while True:
            await self._cursors_moved.wait()
            self._cursors_moved.clear()
            began = self._clock.monotonic()
            try:
                await self._save_cursors()
            except LogError as error:
                logger.warning("cursors cannot be noted yet: %s", error)
                await sleep(self._clock, _CURSOR_RETRY_INTERVAL)
                self._cursors_moved.set()
            else:
                took = self._clock.monotonic() - began
                pause = min(max(took * _CURSOR_PAUSE, _CURSOR_PAUSE_AT_LEAST), _CURSOR_PAUSE_AT_MOST)
                if took > 0 and not self._waiting:
                    self._pause = asyncio.Event()
                    await wait(self._pause, pause, self._clock)

    async def _save_cursors(self) -> None:
        moved = {
            name: delivery.cursor for name, delivery in self._deliveries.items() if delivery.cursor > self._saved[name]
        }
        if moved:
            await self._log.save_cursors(moved)
            self._saved.update(moved)
            self._progress.set()
            self._progress = asyncio.Event()

    def _is_drained(self, target: int) -> bool:
        return all(seq >= target for seq in self._saved.values())

    # Start and end.

    def _new_delivery(self, name: str, exporter: Writer[Item], cargo: Cargo[Item], cursor: int) -> Delivery[Item]:
        delivery = Delivery(
            name,
            exporter,
            cargo,
            self._delivery_settings.get(name, self._settings.delivery),
            self._log,
            cursor,
            clock=self._clock,
            random=self._random,
            on_progress=self._cursors_moved.set,
            tracer=self._tracer,
        )
        self._deliveries[name] = delivery
        self._spawn(delivery.run(), f"delivery to {name}")
        return delivery

    async def _open_log(self) -> None:
        """A thread opens it, and takes its lock, whether anybody waits for that or not."""
        opening = asyncio.create_task(self._log.open())
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await asyncio.wait([opening])
            if opening.exception() is None:
                await self._log.close()
            raise

    async def _first_starts(self) -> None:
        """Wait for the exporters' first answers, for a while, and raise the first error among them."""
        starts = [delivery.first_start for delivery in self._deliveries.values()]
        answered = asyncio.Event()
        for start in starts:
            start.add_done_callback(lambda _: answered.set() if all(one.done() for one in starts) else None)
        await wait(answered, self._settings.start_timeout, self._clock)
        errors = [error for start in starts if start.done() and (error := start.exception()) is not None]
        for start in starts:
            start.cancel()
        if errors:
            raise errors[0]

    async def _flush_within(self, seconds: float) -> None:
        flush = asyncio.create_task(self._flush())
        timer = self._clock.call_later(seconds, flush.cancel)
        try:
            await asyncio.wait([flush])
        finally:
            timer.cancel()
            flush.cancel()

    async def _flush(self) -> None:
        await self._intake.idle()
        await self.drained()

    async def _end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)
        for delivery in self._deliveries.values():
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await delivery.close()
            except TimeoutError:
                logger.warning("exporter %s did not close in %.0f s", delivery.name, _CLOSE_SECONDS)
        try:
            await self._save_cursors()
        except LogError as error:
            logger.warning("cursors cannot be noted; the next start delivers some records again: %s", error)
        await self._log.close()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            logger.critical("%s broke: this is a bug in spanledger", task.get_name(), exc_info=error)
            if self._failure is not None and not self._failure.done():
                self._failure.set_exception(error)
