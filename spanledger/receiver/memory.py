"""What this process takes of the machine's memory, and whether that is more than it may."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import math
import os
from typing import Final

_log = logging.getLogger(__name__)

_SAMPLED_EVERY: Final = 0.05
"""Seconds between two looks; one takes some 15 µs."""
_TRIMMED_EVERY: Final = 1.0
"""Seconds between two attempts to give back what is free."""
_TOLD_EVERY: Final = 60.0
_CLOSED_FROM: Final = 0.8
"""Of the bound; the Collector's memory_limiter refuses from there as well, if nothing else is set."""
_PASSES: Final = 5.0
"""Seconds until what was let in is through, and what it took is given back."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class MemoryLimit:
    """A bound of the whole process, looked at when a request arrives. Belongs to one event loop.

    What has been let in takes several times its size for a moment, so the door is closed below the bound. It is closed
    for everybody while that passes. A process that stays above takes what it takes, with nothing to wait for: then
    requests are let in one at a time, or none would ever be.
    """

    def __init__(self, limit: int | None) -> None:
        """`limit` in bytes; None is no bound."""
        self._limit = limit
        self._exceeded = False
        self._since = self._look_at = self._trim_at = self._tell_at = -math.inf

    def has_room(self, *, alone: bool) -> bool:
        """Whether a request may be let in; `alone`: there is no other one."""
        if self._limit is None:
            return True
        now = asyncio.get_running_loop().time()
        if now >= self._look_at:
            self._look(now, self._limit)
        return not self._exceeded or (alone and now - self._since >= _PASSES)

    def _look(self, now: float, limit: int) -> None:
        self._look_at = now + _SAMPLED_EVERY
        taken = resident_bytes()
        exceeded = taken > limit * _CLOSED_FROM
        if exceeded and not self._exceeded:
            self._since = now
        self._exceeded = exceeded
        if exceeded and now >= self._tell_at:
            self._tell_at = now + _TOLD_EVERY
            _log.warning("the process takes %d of %d MiB: few requests are received now", taken >> 20, limit >> 20)
        if exceeded and now >= self._trim_at:
            self._trim_at = now + _TRIMMED_EVERY
            asyncio.get_running_loop().run_in_executor(None, give_back)


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell it this way (it does on Linux)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0


def give_back() -> None:
    """Return to the system what the C library keeps of freed memory, where it can be asked to (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
