"""Log messages that a failure would repeat thousands of times."""

from __future__ import annotations

from typing import Final

from spanledger.pipeline.clock import Clock

_INTERVAL: Final = 30.0


class LogLimit:
    """Lets one message through per half minute, and counts the rest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = 0.0
        self._silent = 0

    def allow(self) -> str | None:
        """None: keep silent. Else log, with this text about the messages left out at the end."""
        now = self._clock.monotonic()
        if now < self._next:
            self._silent += 1
            return None
        self._next = now + _INTERVAL
        silent, self._silent = self._silent, 0
        return f" ({silent} more like this since the last message)" if silent else ""
