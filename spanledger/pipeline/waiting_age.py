"""How long the oldest entry has waited for an exporter."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from spanledger.pipeline.clock import Clock

_GRAIN: Final = 1.0


@dataclass(slots=True)
class _Span:
    """Entries that were received within a second of each other, or were there at the start. Times are monotonic."""

    last_seq: int
    first: float
    last: float


class WaitingAge:
    """Times of the entries that some exporter has not written, by the second; old ones are dropped by the second, too.
    Belongs to one event loop.

    The machine's clock is asked once for each entry, and only for those from before the start it matters: one that is
    set ahead must not make everything too old, and have it dropped.
    """

    def __init__(self, max_age: float, clock: Clock) -> None:
        """`max_age` in seconds; 0 is no bound."""
        self._max_age = max_age
        self._clock = clock
        self._waiting: deque[_Span] = deque()

    def add(self, seq: int) -> None:
        """Note an entry that was just received."""
        if not self._max_age:
            return
        now = self._clock.monotonic()
        if self._waiting and now - self._waiting[-1].first < _GRAIN:
            self._waiting[-1].last_seq, self._waiting[-1].last = seq, now
        else:
            self._waiting.append(_Span(seq, now, now))

    def found(self, seq: int, first_ns: int, last_ns: int) -> None:
        """Note the entries that wait at the start, up to `seq`: when the oldest and the newest were received."""
        if self._max_age:
            self._waiting.append(_Span(seq, self._monotonic(first_ns), self._monotonic(last_ns)))

    def passed(self, seq: int) -> None:
        """Note that nobody waits for entries up to this place any more."""
        while self._waiting and self._waiting[0].last_seq <= seq:
            self._waiting.popleft()

    @property
    def exceeded(self) -> bool:
        """Whether something waits for too long."""
        return bool(self._waiting) and self._clock.monotonic() - self._waiting[0].first > self._max_age

    @property
    def expired(self) -> int:
        """Place up to which everything waits for too long; 0 when nothing does."""
        last = 0
        for span in self._waiting:
            if self._clock.monotonic() - span.last <= self._max_age:
                break
            last = span.last_seq
        return last

    def _monotonic(self, received_ns: int) -> float:
        return self._clock.monotonic() - max(self._clock.time_ns() - received_ns, 0) / 1e9
