"""How long the oldest entry has waited for an exporter."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from spanledger.pipeline.clock import Clock

_GRAIN_NS: Final = 1_000_000_000


@dataclass(slots=True)
class _Span:
    """Entries that were received within a second of each other, or were there at the start."""

    last_seq: int
    first_ns: int
    last_ns: int


class WaitingAge:
    """Times of the entries that some exporter has not written, by the second; old ones are dropped by the second, too.
    Belongs to one event loop."""

    def __init__(self, max_age: float, clock: Clock) -> None:
        """`max_age` in seconds; 0 is no bound."""
        self._max_age_ns = round(max_age * 1e9)
        self._clock = clock
        self._waiting: deque[_Span] = deque()

    def add(self, seq: int, received_ns: int, first_ns: int | None = None) -> None:
        """Note an entry, or all that wait at the start, the oldest of them received at `first_ns`."""
        if not self._max_age_ns:
            return
        if first_ns is None and self._waiting and received_ns - self._waiting[-1].first_ns < _GRAIN_NS:
            self._waiting[-1].last_seq, self._waiting[-1].last_ns = seq, received_ns
        else:
            self._waiting.append(_Span(seq, first_ns if first_ns is not None else received_ns, received_ns))

    def passed(self, seq: int) -> None:
        """Note that nobody waits for entries up to this place any more."""
        while self._waiting and self._waiting[0].last_seq <= seq:
            self._waiting.popleft()

    @property
    def exceeded(self) -> bool:
        """Whether something waits for too long."""
        return bool(self._waiting) and self._clock.time_ns() - self._waiting[0].first_ns > self._max_age_ns

    @property
    def expired(self) -> int:
        """Place up to which everything waits for too long; 0 when nothing does."""
        last = 0
        for span in self._waiting:
            if self._clock.time_ns() - span.last_ns <= self._max_age_ns:
                break
            last = span.last_seq
        return last
