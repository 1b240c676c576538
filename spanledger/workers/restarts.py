"""When a worker that died is started again."""

from __future__ import annotations

from typing import Final

_FIRST, _LONGEST = 0.5, 60.0
STABLE_AFTER: Final = 60.0
"""Seconds; a worker that ran for so long did not die of its start."""
CRASH_LOOP: Final = 3
"""Deaths in a row from which on it is called a crash loop."""


class Restarts:
    """Deaths of one worker. Times are those of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self.total = 0
        self.in_a_row = 0

    def died(self, ran_for: float) -> float:
        """Note a death; how long to wait with the next start: at first hardly, then twice as long each time."""
        self.total += 1
        self.in_a_row = 1 if ran_for >= STABLE_AFTER else self.in_a_row + 1
        return min(_FIRST * 2.0 ** (self.in_a_row - 1), _LONGEST)

    @property
    def is_crash_loop(self) -> bool:
        return self.in_a_row >= CRASH_LOOP
