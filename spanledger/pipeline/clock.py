"""Time, as the pipeline sees it, so that tests turn the hands themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A pending call; `asyncio.TimerHandle` is one."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Wall time for what people read; monotonic time for waits and rates, so that a clock set back stalls nothing."""

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, from an arbitrary start."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` on the event loop after `delay` seconds."""


class SystemClock:
    """The machine's clock and the running event loop's timers."""

    def time_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(delay, callback)


async def sleep(clock: Clock, seconds: float) -> None:
    """Return after `seconds`."""
    await wait(asyncio.Event(), seconds, clock)


async def wait(event: asyncio.Event, seconds: float, clock: Clock) -> None:
    """Return when the event is set; after `seconds` it is set here."""
    timer = clock.call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
