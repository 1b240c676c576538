"""Room in the log: who may append, who waits, and when a refused sender should come back."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from spanledger.errors import Overloaded
from spanledger.pipeline.clock import Clock
from spanledger.pipeline.waiting_age import WaitingAge

_RATE_WINDOW: Final = 30.0
"""Seconds over which the drain rate is measured: long enough to see several trims, short enough to notice a store that
came back."""
_ROOM_WANTED: Final = 0.05
"""Share of the bound that should be free when refused senders return, or they would be refused again one by one."""
_UNKNOWN_SHARE, _UNKNOWN_AT_MOST = 64, 1 << 20
"""A request whose size is unknown is taken for 1/64 of the bound, at most for a MiB: with less room left the log is
full for nearly everybody."""
_MIN_DELAY, _MAX_DELAY, _DELAY_WHEN_STUCK = 1.0, 60.0, 30.0


class Capacity:
    """Bytes used of a bound. Belongs to one event loop."""

    def __init__(self, max_bytes: int, clock: Clock, age: WaitingAge | None = None) -> None:
        self.max_bytes = max_bytes
        self._age = age if age is not None else WaitingAge(0, clock)
        self.used = 0
        self._clock = clock
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._given_up: Exception | None = None
        self._released: deque[tuple[float, int]] = deque()

    def fits(self, size: int) -> bool:
        """Whether there is room, and nobody is waiting for it. An entry larger than the bound fits when it is alone:
        refusing it for ever would be no answer to a retryable error."""
        return not self._waiters and self._fits(size)

    def guess(self, size: int | None) -> int:
        """The size, or what an unknown one is taken for."""
        return size if size is not None else min(self.max_bytes // _UNKNOWN_SHARE, _UNKNOWN_AT_MOST)

    def take(self, size: int) -> None:
        """Use room, whether or not it is there."""
        self.used += size

    def undo(self, size: int) -> None:
        """Take back a `take` that led to nothing."""
        self.used -= size
        self._wake()

    def release(self, size: int) -> None:
        """Give room back, first to those who wait longest. 0 when only the oldest entry is another one."""
        if size <= 0:
            self._wake()
            return
        self.used -= size
        now = self._clock.monotonic()
        self._released.append((now, size))
        while now - self._released[0][0] > _RATE_WINDOW:
            self._released.popleft()
        self._wake()

    async def wait(self, size: int) -> None:
        """Take room as soon as there is some; first come, first served. Raises what `give_up` was given."""
        if self._given_up is not None:
            raise self._given_up
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append((size, waiter))
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.used -= size
            self._waiters = deque(entry for entry in self._waiters if entry[1] is not waiter)
            self._wake()
            raise

    @property
    def awaited(self) -> int:
        """Bytes that the one who waits longest needs; 0 when nobody waits."""
        return self._waiters[0][0] if self._waiters else 0

    def give_up(self, error: Exception) -> None:
        """Fail everyone who waits, now and from here on."""
        self._given_up = error
        while self._waiters:
            _, waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    def resume(self) -> None:
        """Let them wait again."""
        self._given_up = None

    def overloaded(self, size: int) -> Overloaded:
        """The refusal of an append, with a delay after which there should be room at the present drain rate."""
        if self._age.exceeded:
            return Overloaded("the log is full: what it holds waits for the exporters longer than max_age", _MAX_DELAY)
        wanted = self.used + size - self.max_bytes + int(self.max_bytes * _ROOM_WANTED)
        rate = self.drain_rate()
        delay = min(max(wanted / rate, _MIN_DELAY), _MAX_DELAY) if rate > 0 else _DELAY_WHEN_STUCK
        return Overloaded(f"the log is full ({self.used} of {self.max_bytes} bytes wait for the exporters)", delay)

    def drain_rate(self) -> float:
        """Bytes per second that were given back lately."""
        now = self._clock.monotonic()
        recent = [(at, size) for at, size in self._released if now - at <= _RATE_WINDOW]
        if not recent:
            return 0.0
        return sum(size for _, size in recent) / max(now - recent[0][0], 1.0)

    def _fits(self, size: int) -> bool:
        return not self._age.exceeded and (self.used + size <= self.max_bytes or self.used <= 0)

    def _wake(self) -> None:
        while self._waiters:
            size, waiter = self._waiters[0]
            if not waiter.done():
                if not self._fits(size):
                    return
                self.used += size
                waiter.set_result(None)
            self._waiters.popleft()
