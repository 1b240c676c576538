"""Where receivers put what they accepted, and where the mapping takes it up again without decoding it twice."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from spanledger.errors import Overloaded, SpanledgerError
from spanledger.model.received import Intake, Received, Signal
from spanledger.pipeline.base import Committed, Log
from spanledger.pipeline.clock import Clock
from spanledger.pipeline.roads import EVERYTHING, Roads
from spanledger.tracing import Span, Tracer

_STOPPING_DELAY: Final = 2.0
"""Seconds after which a sender should try again while this process stops: another replica may answer at once, and a
restart takes about as long."""
_PATIENCE: Final = 1.0
"""Seconds that a request waits for the mapping at most: then the log takes it all the same."""


@dataclass(frozen=True, slots=True)
class _Held:
    previous: int
    """Place of the entry committed before this one: nothing lies between them for the same mapping."""
    committed: Committed


class Holding:
    """A bounded part of what was committed, in log order, still decoded, for one mapping."""

    def __init__(self, max_bytes: int, roads: Roads = EVERYTHING) -> None:
        """`roads`: which entries the mapping takes."""
        self._max_bytes = max_bytes
        self.roads = roads
        self._held: deque[_Held] = deque()
        self._bytes = 0
        self._own = 0
        """Place of the last entry for this mapping."""
        self._let_go = 0
        """Place of the last entry that found no room."""
        self.last = 0
        """Place of the last entry."""
        self.blocked = False
        """Whether the mapping waits for exporters: then nothing here gets less."""
        self.on_room: Callable[[], None] = lambda: None
        """Called when some room is free again, or none can be expected."""

    def follow(self, last: int) -> None:
        """The end of the log is here."""
        self._own = self.last = last

    def take(self, after: int) -> Committed | None:
        """The entry for this mapping that follows `after`, when it is held; else the log has to be read, up to
        `held_from`."""
        held = self._held
        if after >= self._let_go:
            self._let_go = 0
        while held and held[0].committed.seq <= after:
            self._release()
        if held and held[0].previous <= after:
            return self._release()
        return None

    def block(self) -> None:
        """The mapping waits for exporters."""
        self.blocked = True
        self.on_room()

    def crowded(self, size: int) -> bool:
        """Whether so many bytes more would find no room, but soon will: the mapping is at work on what is held, and
        has missed nothing."""
        return self._bytes + size > self._max_bytes and self._bytes > 0 and not self._let_go and not self.blocked

    @property
    def held_from(self) -> int:
        """Place up to which nothing is held: that of the last entry for this mapping, or of the one before the first
        that is held."""
        return self._held[0].previous if self._held else self._own

    def add(self, entry: Committed) -> None:
        """The next entry of the log."""
        self.last = entry.seq
        if entry.received.road and not self.roads.take(entry.received.road):
            return
        size = len(entry.received.body)
        # When there is no room the newest is let go: the mapping needs the oldest next.
        if self._bytes + size <= self._max_bytes:
            self._held.append(_Held(self._own, entry))
            self._bytes += size
        else:
            self._let_go = entry.seq
            self.on_room()
        self._own = entry.seq

    def _release(self) -> Committed:
        committed = self._held.popleft().committed
        self._bytes -= len(committed.received.body)
        self.on_room()
        return committed


class LogIntake(Intake):
    """Appends to the log, and gives what was committed to those who hold some of it.

    The log itself says what was committed, not the caller of `append`: that one may have been cancelled because its
    client hung up, and its entry is in the log all the same.
    """

    def __init__(self, log: Log, clock: Clock, tracer: Tracer | None = None) -> None:
        self._log = log
        self._clock = clock
        self._tracer = tracer if tracer is not None else Tracer()
        self._spans: dict[int, Span] = {}
        """Of requests on their way into the log, by their `id`."""
        self.holdings: list[Holding] = []
        self._ahead: deque[tuple[int, asyncio.Future[None]]] = deque()
        """Requests that wait for the mapping, with their sizes."""
        self._appending_bytes = 0
        self._closed = True
        self._appending = 0
        self._idle = asyncio.Event()
        self.requests = 0
        self.items = 0
        self.refused = dict.fromkeys(Signal, 0)
        """Items that the log did not take."""
        self.listeners: list[Callable[[], None]] = []
        """Called after each commit."""

    def follow(self) -> None:
        """Know the end of the log from here on. The log must be open."""
        for holding in self.holdings:
            holding.follow(self._log.last_seq)
            holding.on_room = self._go_on
        self._log.on_commit(self._committed)

    def open(self) -> None:
        """Accept requests from here on."""
        self._closed = False

    def close(self) -> None:
        """Refuse requests from here on; what was given to the log already is still answered."""
        self._closed = True

    def check_room(self, size: int | None) -> None:
        """As `Intake.check_room`."""
        if self._closed:
            raise Overloaded("spanledger is starting or stopping", _STOPPING_DELAY)
        self._log.check_room(size)

    async def accept(self, received: Received) -> int:
        """As `Intake.accept`. Also raises `LogError` when the log cannot be written."""
        if self._closed:
            raise Overloaded("spanledger is starting or stopping", _STOPPING_DELAY)
        self._appending += 1
        size = len(received.body)
        try:
            if self._is_ahead(size):
                await self._wait_for_mapping(size)
            else:
                self._appending_bytes += size
            try:
                if not self._tracer.active or self._tracer.is_own(received.body):
                    return await self._log.append(received)
                return await self._traced(received)
            except SpanledgerError:
                self.refused[received.signal] += len(received.items)
                raise
            finally:
                self._appending_bytes -= size
                self._go_on()
        finally:
            self._appending -= 1
            if not self._appending:
                self._idle.set()

    async def _traced(self, received: Received) -> int:
        with self._tracer.span("log/append") as span:
            span.set(signal=received.signal.value, items=len(received.items), bytes=len(received.body))
            self._spans[id(received)] = span
            try:
                seq = await self._log.append(received)
            finally:
                del self._spans[id(received)]
            span.set(seq=seq)
            return seq

    async def idle(self) -> None:
        """Return when no request waits for the log."""
        while self._appending:
            self._idle.clear()
            await self._idle.wait()

    def _is_ahead(self, size: int) -> bool:
        size += self._appending_bytes
        return any(holding.crowded(size) for holding in self.holdings)

    async def _wait_for_mapping(self, size: int) -> None:
        """Return when so many bytes find room among what is held, or after a while; they count as being appended then.

        Receiving is cheaper than mapping, so senders that come back with their next request as soon as they have an
        answer fill any queue faster than it empties, and what the mapping cannot be handed is read and decoded again.
        """
        turn = asyncio.get_running_loop().create_future()
        self._ahead.append((size, turn))
        timer = self._clock.call_later(_PATIENCE, lambda: self._let_through(size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._appending_bytes -= size
            raise
        finally:
            timer.cancel()

    def _let_through(self, size: int, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self._appending_bytes += size
            turn.set_result(None)

    def _go_on(self) -> None:
        """Let through those for whom there is room."""
        while self._ahead:
            size, turn = self._ahead[0]
            if not turn.done() and self._is_ahead(size):
                return
            self._ahead.popleft()
            self._let_through(size, turn)

    def _committed(self, entries: Sequence[Committed]) -> None:
        for entry in entries:
            if self._spans and (span := self._spans.get(id(entry.received))) is not None:
                self._tracer.note(entry.seq, span)
            for holding in self.holdings:
                holding.add(entry)
            self.requests += 1
            self.items += len(entry.received.items)
        for listener in self.listeners:
            listener()
