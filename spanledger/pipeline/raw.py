"""The raw road: bodies of the log to exporters that pass them on unchanged, past the mapping.

Each raw exporter has its own place in the log, its own reading of it and its own delivery, so that neither the mapping
nor a store holds it up, nor the other way round.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from spanledger.errors import LogError, PayloadError
from spanledger.exporters.base import Deleted
from spanledger.exporters.raw import RawExporter
from spanledger.model.context import narrowed
from spanledger.model.received import OTLP_ENCODINGS, Encoding, Signal, Telemetry
from spanledger.pipeline.base import Entry, Log
from spanledger.pipeline.batch import Cargo
from spanledger.pipeline.clock import Clock, sleep
from spanledger.pipeline.dead_letters import DeadLetter, letter_of_entry
from spanledger.pipeline.delivery import Delivery
from spanledger.pipeline.log_limit import LogLimit
from spanledger.pipeline.roads import EVERYTHING, Roads
from spanledger.tracing import Tracer

logger = logging.getLogger(__name__)

_READ_BYTES: Final = 1024 * 1024
_LARGE_ENTRY: Final = 256 * 1024
_LOG_RETRY_INTERVAL: Final = 1.0

ToProtobuf: TypeAlias = Callable[[Signal, Encoding, bytes], bytes]
"""The protobuf form of a body in any encoding. Raises `PayloadError`."""


@dataclass(frozen=True, slots=True)
class RawRoute:
    """An exporter on the raw road, and the signal that it takes."""

    exporter: RawExporter
    signal: Signal
    roads: Roads = EVERYTHING

    def cargo(self) -> Cargo[Telemetry]:
        """How its bodies are delivered."""
        return Cargo(list, _no_token, self.exporter.halves, _signal_of, _is_about, letter_of_telemetry, parts=True)


def letter_of_telemetry(source: str, telemetry: Telemetry, reason: str) -> DeadLetter:
    """A body that a destination will never take."""
    project_id, context = telemetry.project_id, telemetry.context
    name = hashlib.sha256(telemetry.body).hexdigest() + project_id + context
    content_type = f"{telemetry.signal}/{Encoding.PROTOBUF}"
    return letter_of_entry(source, project_id, 0, content_type, telemetry.body, reason, name=name, context=context)


class RawFeed:
    """Reads the log for one delivery. What was read a moment ago for others comes out of the page cache."""

    def __init__(
        self,
        log: Log,
        delivery: Delivery[Telemetry],
        route: RawRoute,
        to_protobuf: ToProtobuf,
        clock: Clock,
        tracer: Tracer | None = None,
    ) -> None:
        self._log = log
        self._delivery = delivery
        self._route = route
        self._to_protobuf = to_protobuf
        self._clock = clock
        self._tracer = tracer if tracer is not None else Tracer()
        self._wake = asyncio.Event()
        self._limit = LogLimit(clock)
        delivery.on_room = self._wake.set

    def wake(self) -> None:
        """There is more in the log."""
        self._wake.set()

    async def run(self) -> None:
        """Offer every entry of the signal, until cancelled."""
        delivery = self._delivery
        while True:
            if delivery.full or delivery.position >= self._log.last_seq:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                chunk = await self._log.read(delivery.position, self._log.last_seq, _READ_BYTES)
            except LogError as error:
                left_out = self._limit.allow()
                if left_out is not None:
                    logger.error("%s%s", error, left_out)
                await sleep(self._clock, _LOG_RETRY_INTERVAL)
                continue
            if strays := self._route.roads.strays(chunk.entries):
                await self._log.bury(strays, self._clock)
            for entry in filter(self._takes, chunk.entries):
                # A client's own events and a gateway's documents are no telemetry that could go on as it came.
                if entry.body and entry.signal is self._route.signal and entry.encoding in OTLP_ENCODINGS:
                    await self._offer(entry)
            delivery.pass_over(chunk.through)

    def _takes(self, entry: Entry) -> bool:
        return self._route.roads.take(entry.road)

    async def _offer(self, entry: Entry) -> None:
        while self._delivery.full:
            self._wake.clear()
            await self._wake.wait()
        body = entry.body
        if entry.encoding is not Encoding.PROTOBUF:
            try:
                body = await self._converted(entry)
            except PayloadError as error:
                content_type = f"{entry.signal}/{entry.encoding}"
                letter = letter_of_entry(
                    self._delivery.name,
                    entry.project_id,
                    entry.seq,
                    content_type,
                    entry.body,
                    str(error),
                    context=entry.context,
                )
                await self._log.bury([letter], self._clock)
                return
        context = entry.context
        if context:
            context = narrowed(context, self._route.exporter.credentials.context_keys)
        telemetry = Telemetry(entry.project_id, entry.signal, body, context)
        items = self._route.exporter.items(telemetry)
        quiet = self._tracer.is_own(body)
        self._delivery.offer(
            entry.seq, entry.received_ns, [telemetry], len(body), signal=entry.signal, items=items, quiet=quiet
        )

    async def _converted(self, entry: Entry) -> bytes:
        arguments = (entry.signal, entry.encoding, entry.body)
        if len(entry.body) < _LARGE_ENTRY:
            return self._to_protobuf(*arguments)
        return await asyncio.to_thread(self._to_protobuf, *arguments)


def _signal_of(telemetry: Telemetry) -> Signal:
    return telemetry.signal


def _is_about(telemetry: Telemetry, note: Deleted) -> bool:
    """Runs and users are inside of a body, where only its destination looks."""
    return telemetry.project_id == note.project_id


def _no_token(batch: Iterable[Telemetry]) -> str:
    return ""


def routes_of(
    name: str, make: Callable[[Signal], RawExporter], signals: Sequence[Signal], roads: Roads = EVERYTHING
) -> dict[str, RawRoute]:
    """The routes of an exporter: one for each signal, each with a cursor of its own (`otlp:traces`)."""
    return {f"{name}:{signal}": RawRoute(make(signal), signal, roads) for signal in signals}
