"""Admission: how many bytes of requests a listener holds at once, decided before they are read.

Nothing else bounds them: twenty senders that stop in the middle of 60 MiB hold 1.2 GB. A request takes room for what it
says it will send, or for what it turns out to be, piece by piece; without room it is refused with the time after which
there should be some.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final

from spanledger.errors import Overloaded
from spanledger.receiver.memory import MemoryLimit

DEFAULT_IN_FLIGHT: Final = 256 << 20
"""Bytes, where neither a setting nor a memory limit says less."""
_MIN_DELAY, _MAX_DELAY = 1.0, 30.0


_NO_LIMIT: Final = MemoryLimit(None)


def _unknown_rate() -> float:
    return 0.0


class Admission:
    """Bytes in flight of a bound. Belongs to one event loop."""

    def __init__(
        self, max_bytes: int, drain_rate: Callable[[], float] = _unknown_rate, memory: MemoryLimit = _NO_LIMIT
    ) -> None:
        """`drain_rate`: bytes a second that leave the log; 0 when unknown. `memory`: of the whole process."""
        self.max_bytes = max_bytes
        self.used = 0
        self.refused = 0
        self._drain_rate = drain_rate
        self._memory = memory

    def reserve(self, size: int) -> Reservation:
        """Room for a request of so many bytes. Raises `Overloaded` when there is none."""
        reservation = Reservation(self)
        reservation.grow(size)
        return reservation

    def _take(self, more: int, held: int) -> None:
        # A request larger than the bound passes when it is alone: told to come back, it would come back for ever.
        if self.used + more > self.max_bytes and self.used > held:
            self.refused += 1
            raise self._overloaded(more)
        if not held and not self._memory.has_room(alone=not self.used):
            self.refused += 1
            raise Overloaded("the process takes as much memory as it may now", _MIN_DELAY)
        self.used += more

    def _overloaded(self, more: int) -> Overloaded:
        rate = self._drain_rate()
        missing = self.used + more - self.max_bytes
        delay = min(max(missing / rate, _MIN_DELAY), _MAX_DELAY) if rate > 0 else _MIN_DELAY
        return Overloaded(f"{self.used} of {self.max_bytes} bytes are in flight, there is no room for more now", delay)


class Reservation:
    """The room of one request, given back at the end of a `with`."""

    __slots__ = ("_admission", "size")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size = 0

    def grow(self, size: int) -> None:
        """Hold at least so many bytes. Raises `Overloaded`; what was held is still held then."""
        if size > self.size:
            self._admission._take(size - self.size, self.size)
            self.size = size

    def shrink(self, size: int) -> None:
        """Hold at most so many bytes."""
        if size < self.size:
            self._admission.used -= self.size - size
            self.size = size

    def release(self) -> None:
        """Hold nothing."""
        self.shrink(0)

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Turnstile:
    """Lets requests through to a stage that multiplies their size, as many bytes at once as its bound; the others wait,
    first come, first served. Belongs to one event loop.

    Decoded, a body of attributes takes three to ten times its bytes, one of empty spans far more: what is admitted must
    not all be decoded at once.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def pass_at_once(self, size: int) -> bool:
        """Take room if there is some and nobody waits; one that is alone always passes."""
        if self._waiting or not self._fits(size):
            return False
        self._used += size
        return True

    async def wait(self, size: int) -> None:
        """Take room as soon as there is some."""
        if self.pass_at_once(size):
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._used -= size
            self._admit()
            raise

    def leave(self, size: int) -> None:
        """Give room back."""
        self._used -= size
        self._admit()

    def _fits(self, size: int) -> bool:
        return self._used + size <= self._max_bytes or not self._used

    def _admit(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done():  # else its request was cancelled
                if not self._fits(size):
                    return
                self._used += size
                turn.set_result(None)
            self._waiting.popleft()
