"""Exponential backoff with full jitter."""

from __future__ import annotations

import math
from random import Random

from spanledger.pipeline.settings import RetrySettings


class Backoff:
    """The waits between the attempts of one thing. A random part of a growing bound (full jitter), so that writers
    that failed together do not come back together."""

    def __init__(self, settings: RetrySettings, random: Random) -> None:
        self._settings = settings
        self._random = random
        self._bound = settings.initial_interval

    def delay(self, at_least: float | None = None) -> float:
        """Seconds to wait before the next attempt, not less than the store asked for."""
        bound = self._bound
        self._bound = min(bound * self._settings.multiplier, self._settings.max_interval)
        delay = self._random.uniform(0.0, bound)
        return max(delay, at_least) if at_least is not None and math.isfinite(at_least) else delay
