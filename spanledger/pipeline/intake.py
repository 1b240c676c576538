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

_STOPPING_DELAY: Final = 2.0
"""Seconds after which a sender should try again while this process stops: another replica may answer at once, and a
restart takes about as long."""


@dataclass(frozen=True, slots=True)
class _Held:
    previous: int
    """Place of the entry committed before this one: nothing lies between them."""
    committed: Committed


class LogIntake(Intake):
    """Appends to the log, and holds a bounded part of what was committed, in log order, for the mapping.

    The log itself says what was committed, not the caller of `append`: that one may have been cancelled because its
    client hung up, and its entry is in the log all the same.
    """

    def __init__(self, log: Log, max_bytes: int) -> None:
        self._log = log
        self._max_bytes = max_bytes
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._last = 0
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
        self._last = self._log.last_seq
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
        try:
            return await self._log.append(received)
        except SpanledgerError:
            self.refused[received.signal] += len(received.items)
            raise
        finally:
            self._appending -= 1
            if not self._appending:
                self._idle.set()

    async def idle(self) -> None:
        """Return when no request waits for the log."""
        while self._appending:
            self._idle.clear()
            await self._idle.wait()

    def take(self, after: int) -> Committed | None:
        """The entry that follows `after`, when it is held; else the log has to be read, up to `held_from`."""
        held = self._held
        while held and held[0].committed.seq <= after:
            self._release()
        if held and held[0].previous <= after:
            return self._release()
        return None

    @property
    def held_from(self) -> int:
        """Place up to which nothing is held: the end of the log, or just before the first held entry."""
        return self._held[0].previous if self._held else self._last

    def _committed(self, entries: Sequence[Committed]) -> None:
        for entry in entries:
            size = len(entry.received.body)
            # When there is no room the newest is let go: the mapping needs the oldest next.
            if self._held_bytes + size <= self._max_bytes:
                self._held.append(_Held(self._last, entry))
                self._held_bytes += size
            self._last = entry.seq
            self.requests += 1
            self.items += len(entry.received.items)
        for listener in self.listeners:
            listener()

    def _release(self) -> Committed:
        committed = self._held.popleft().committed
        self._held_bytes -= len(committed.received.body)
        return committed
