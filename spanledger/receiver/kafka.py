"""Receiver `kafka`: export requests out of topics.

Nobody waits for an answer here; the offset is the answer. It is committed only when what came before it is safe, and a
message that a group is given again (after a crash, when partitions move) is the same runs again: nothing is lost, and
nothing counts twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from spanledger.access.authenticator import Authenticator
from spanledger.access.caller import Caller
from spanledger.clients.kafka import load
from spanledger.errors import ConfigError, LogError, Overloaded, PayloadError
from spanledger.model.context import UNUSED, ContextUse, RequestContext
from spanledger.model.keys import KeyTable
from spanledger.model.received import Backlog, Encoding, Intake, Received, Signal
from spanledger.receiver.admission import Admission
from spanledger.receiver.context import context_of
from spanledger.receiver.kafka_offsets import Offsets
from spanledger.receiver.kafka_settings import KafkaReceiverSettings
from spanledger.receiver.traffic import Traffic
from spanledger.receiver.wire import DEFAULT_LIMITS, Limits, decode

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 64
"""Messages that are on their way into the log together: they share its syncs."""
_POLL_SECONDS: Final = 0.5
_RECONNECT: Final = 2.0
_LOG_RETRY: Final = 1.0
_LARGE: Final = 512 * 1024
_POLL_AT_LEAST: Final = 24 * 3600
"""Seconds. While the log is full nothing is asked for, and that may last; heartbeats go on beside."""
_NEWS_SECONDS: Final = 10
"""How long at most a topic that was made after the start, or a new partition, goes unnoticed."""
_REVOKED_WAIT: Final = 3.0
"""Seconds in which what partitions that go elsewhere have brought may still be delivered and committed, so that the
next member is not given it again. Below the session timeout."""
_STOP_WAIT: Final = 5.0


class _Stopping(Exception):
    """The end came before there was room for a message."""


class KafkaReceiver:
    """One consumer of a group, for the topics of all signals."""

    grpc_address: str | None = None
    http_address: str | None = None
    http_url: str | None = None

    def __init__(
        self,
        settings: KafkaReceiverSettings,
        table: KeyTable,
        intake: Intake,
        authenticators: Mapping[str, Authenticator],
        *,
        backlog: Backlog,
        name: str = "kafka",
        limits: Limits = DEFAULT_LIMITS,
        signals: frozenset[Signal] = frozenset(Signal),
        contexts: ContextUse = UNUSED,
        **_: object,
    ) -> None:
        """`backlog` tells what is delivered, and takes what can never be read. Raises `ConfigError` for a topic that
        two signals share."""
        self._settings = settings
        self._table = table
        self._intake = intake
        self._backlog = backlog
        self._name = name
        self._limits = limits
        self._contexts = contexts
        self._signals: dict[str, Signal] = {}
        for signal in sorted(signals):
            for topic in settings.topics_of(signal):
                if topic in self._signals:
                    raise ConfigError(f"kafka: topic {topic} is named for {self._signals[topic]} and for {signal}")
                self._signals[topic] = signal
        self._offsets = Offsets()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.traffic = Traffic()
        self.listeners = {"kafka": (self.traffic, Admission(1))}
        """As those of the receiver `otlp`; nothing is bounded here, what finds no room is not fetched."""
        self.refused = 0
        """Messages that became dead letters."""

    async def start(self) -> None:
        """Begin to fetch. Brokers that are away are tried again and again. Raises `ConfigError` without aiokafka and
        for certificates that cannot be read."""
        load()
        self._settings.options()
        self._task = asyncio.create_task(self._run(), name=f"receiver {self._name}")

    async def stop(self, grace_seconds: float) -> None:
        """Fetch nothing more; what is safe within the grace is committed."""
        self._stopping.set()
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=grace_seconds + _STOP_WAIT)
        for task in late:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # The life of a consumer.

    async def _run(self) -> None:
        aiokafka = load()
        told = False
        while not self._stopping.is_set():
            consumer = self._new_consumer(aiokafka)
            try:
                await consumer.start()
                if told:
                    _log.info("receiver %s works again", self._name)
                told = False
                await self._consume(aiokafka, consumer)
            except (aiokafka.errors.KafkaError, OSError, TimeoutError) as error:
                if not told:
                    _log.warning("receiver %s: %s: %s; trying again", self._name, type(error).__name__, error)
                told = True
            except Exception:
                _log.exception("receiver %s broke; beginning again at the committed offsets", self._name)
            finally:
                self._offsets.clear()
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(consumer.stop(), _STOP_WAIT)
            await self._pause(_RECONNECT)

    async def _consume(self, aiokafka: Any, consumer: Any) -> None:
        consumer.subscribe(list(self._signals), listener=_listener(aiokafka, self._revoked(consumer), self._offsets))
        committing = asyncio.create_task(self._commit_always(consumer))
        try:
            while not self._stopping.is_set():
                found = await consumer.getmany(timeout_ms=round(_POLL_SECONDS * 1000), max_records=_AT_ONCE)
                messages = [message for some in found.values() for message in some]
                for partition, some in found.items():
                    self._offsets.begin(partition, [message.offset for message in some])
                await asyncio.gather(*(self._take(message) for message in messages))
            await self._settled(self._offsets.partitions, _STOP_WAIT)
            await self._commit(consumer, self._offsets.partitions)
        finally:
            committing.cancel()
            await asyncio.gather(committing, return_exceptions=True)

    def _new_consumer(self, aiokafka: Any) -> Any:
        settings = self._settings
        strategies = {
            "range": "range.RangePartitionAssignor",
            "roundrobin": "roundrobin.RoundRobinPartitionAssignor",
        }
        module, _, name = strategies.get(
            settings.group_rebalance_strategy, "sticky.sticky_assignor.StickyPartitionAssignor"
        ).rpartition(".")
        assignors = __import__(f"aiokafka.coordinator.assignors.{module}", fromlist=[name])
        options = settings.options()
        options["metadata_max_age_ms"] = min(options["metadata_max_age_ms"], _NEWS_SECONDS * 1000)
        return aiokafka.AIOKafkaConsumer(
            **options,
            group_id=settings.group_id,
            group_instance_id=settings.group_instance_id,
            partition_assignment_strategy=[getattr(assignors, name)],
            auto_offset_reset=settings.initial_offset,
            enable_auto_commit=False,
            session_timeout_ms=round(settings.session_timeout * 1000),
            heartbeat_interval_ms=round(settings.heartbeat_interval * 1000),
            max_poll_interval_ms=_POLL_AT_LEAST * 1000,
            rebalance_timeout_ms=round(settings.session_timeout * 1000),
            fetch_min_bytes=settings.min_fetch_size,
            fetch_max_bytes=settings.max_fetch_size or 52_428_800,
            fetch_max_wait_ms=round(settings.max_fetch_wait * 1000),
            max_partition_fetch_bytes=settings.max_partition_fetch_size,
            client_rack=settings.rack_id,
        )

    # One message.

    async def _take(self, message: Any) -> None:
        """Return once a message is safe: in the log, or among the dead letters."""
        partition = (message.topic, message.partition)
        signal = self._signals[message.topic]
        encoding = Encoding.JSON if self._settings.encoding_of(signal) == "otlp_json" else Encoding.PROTOBUF
        body = bytes(message.value or b"")
        try:
            decoded = await self._decoded(signal, encoding, body)
            if decoded.rejected:
                text = f"{len(decoded.rejected)} items were refused, the others kept: {decoded.rejected[0]}"
                await self._bury(message, signal, encoding, body, text)
            place = None
            if decoded.items:
                received = Received(self._settings.project, signal, encoding, body, decoded.items, time.time_ns())
                if self._contexts.any:
                    received.context = _context(self._settings.project, message.headers)
                    received.kept = self._contexts.of(received.context)
                place = await self._until_room(received)
            project, items = self._settings.project, len(decoded.items)
            self.traffic.accept(signal, project, items, len(decoded.rejected), len(body))
        except PayloadError as error:
            self.traffic.refuse(error, signal)
            await self._bury(message, signal, encoding, body, str(error))
            place = None
        except _Stopping:
            return  # not safe: its offset is never committed
        self._offsets.done(partition, message.offset, place)

    async def _until_room(self, received: Received) -> int | None:
        while True:
            try:
                return await self._intake.accept(received)
            except Overloaded as error:
                await self._pause_or_stop(error.retry_after)
            except LogError as error:
                _log.error("receiver %s: %s", self._name, error)
                await self._pause_or_stop(_LOG_RETRY)

    async def _decoded(self, signal: Signal, encoding: Encoding, body: bytes) -> Any:
        arguments = (signal, encoding, body, self._table, self._limits)
        return decode(*arguments) if len(body) < _LARGE else await asyncio.to_thread(decode, *arguments)

    async def _bury(self, message: Any, signal: Signal, encoding: Encoding, body: bytes, reason: str) -> None:
        self.refused += 1
        place = f"{message.topic}/{message.partition}/{message.offset}"
        _log.error("receiver %s: message %s is a dead letter: %s", self._name, place, reason)
        await self._backlog.bury(
            self._name, self._settings.project, signal, encoding, body, f"{place}: {reason}", name=place
        )

    # Offsets.

    async def _commit_always(self, consumer: Any) -> None:
        while True:
            await asyncio.sleep(self._settings.autocommit.interval)
            await self._commit(consumer, self._offsets.partitions)

    async def _commit(self, consumer: Any, partitions: set[tuple[str, int]]) -> None:
        aiokafka = load()
        safe = self._offsets.safe(self._delivered)
        offsets = {
            aiokafka.TopicPartition(*partition): offset for partition, offset in safe.items() if partition in partitions
        }
        if not offsets:
            return
        try:
            await consumer.commit(offsets)
        except aiokafka.errors.KafkaError as error:
            # Partitions that went elsewhere meanwhile are the other member's to commit.
            _log.debug("receiver %s: offsets are not committed: %s", self._name, error)
        else:
            self._offsets.committed({(one.topic, one.partition): offset for one, offset in offsets.items()})

    @property
    def _delivered(self) -> int | None:
        return self._backlog.delivered if self._settings.commit == "delivered" else None

    def _revoked(self, consumer: Any) -> Callable[[set[tuple[str, int]]], Awaitable[None]]:
        async def revoked(partitions: set[tuple[str, int]]) -> None:
            await self._settled(partitions, min(_REVOKED_WAIT, self._settings.session_timeout / 2))
            await self._commit(consumer, partitions)

        return revoked

    async def _settled(self, partitions: set[tuple[str, int]], seconds: float) -> None:
        """Wait, for a while, until everything that these partitions brought is safe."""
        deadline = time.monotonic() + seconds
        # Cursors move without telling receivers.
        while not self._offsets.settled(partitions, self._delivered) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _pause_or_stop(self, seconds: float) -> None:
        await self._pause(seconds)
        if self._stopping.is_set():
            raise _Stopping


def _context(project: str, headers: Iterable[tuple[str, bytes | None]]) -> RequestContext:
    """Headers of a message are to it what those of a request are to that; the Collector shows them always."""
    texts = ((name, (value or b"").decode("utf-8", "replace")) for name, value in headers)
    return context_of(Caller(project), "", texts)


def _listener(aiokafka: Any, revoked: Callable[[set[tuple[str, int]]], Awaitable[None]], offsets: Offsets) -> Any:
    """What the client calls when partitions come and go; its class is known only where aiokafka is installed."""

    async def on_partitions_revoked(self: Any, partitions: Any) -> None:
        gone = {(one.topic, one.partition) for one in partitions}
        await revoked(gone)
        offsets.forget(gone)

    async def on_partitions_assigned(self: Any, partitions: Any) -> None:
        offsets.assign({(one.topic, one.partition) for one in partitions})

    members = {"on_partitions_revoked": on_partitions_revoked, "on_partitions_assigned": on_partitions_assigned}
    return type("Listener", (aiokafka.ConsumerRebalanceListener,), members)()
