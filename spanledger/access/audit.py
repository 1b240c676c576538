"""Refused attempts, for those who watch: told once each, then counted, never with the credential."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from spanledger.access.keys import digest

_log = logging.getLogger(__name__)

_WINDOW: Final = 60.0
"""Seconds in which the same attempt is told once."""
_AT_MOST: Final = 1000
"""Different attempts told apart in one window; the rest are only counted."""
_AGENT_AT_MOST: Final = 80


class Audit:
    """Log lines about refused requests. `refused` counts all of them."""

    def __init__(self, extension: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.refused = 0
        self._extension = extension
        self._clock = clock
        self._since = clock()
        self._told: dict[tuple[str, str], int] = {}
        self._untold = 0

    def refuse(self, reason: str, headers: Mapping[str, str], key: str | None = None) -> None:
        """One refused request. `key` is named by the first digits of its digest: they tell keys apart, no more."""
        self.refused += 1
        now = self._clock()
        if now - self._since >= _WINDOW:
            self._summarize()
            self._since = now
        named = digest(key).hex()[:12] if key else ""
        attempt = (reason, named)
        if attempt in self._told:
            self._told[attempt] += 1
            return
        if len(self._told) >= _AT_MOST:
            self._untold += 1
            return
        self._told[attempt] = 0
        details: dict[str, object] = {"extension": self._extension, "reason": reason}
        if named:
            details["key_sha256"] = f"{named}…"
        if agent := headers.get("user-agent", ""):
            details["user_agent"] = agent[:_AGENT_AT_MOST]
        _log.warning("refused a request", extra=details)

    def _summarize(self) -> None:
        repeated = sum(self._told.values()) + self._untold
        if repeated:
            _log.warning("refused more requests", extra={"extension": self._extension, "count": repeated})
        self._told.clear()
        self._untold = 0
