"""When the appends that have gathered are given to the writer: soon enough for their senders, late enough that many
share one sync.

A sync costs more than everything else that the log does for a small request, so the number of appends that share it
decides what a request costs. Senders that wait for their answers come back together, a moment after their last sync;
how many they are is known from the groups before. So a group waits until it is as large as those were, or large enough,
or until its time is over; a sender that is alone waits for nobody.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Final

from spanledger.pipeline.clock import Clock, Timer

_LARGE: Final = 4 * 1024 * 1024
"""Bytes: a group of this size is written without waiting for more, its sync costs less than its bytes."""
_ENOUGH: Final = 32
"""Appends: beyond that a sync costs each of them little, and to wait for more would leave the process idle while they
are synced, for as long as the disk takes and the machine lets the writer's thread wait."""
_REMEMBERED: Final = 8
"""Groups that tell how many senders there are."""


class Pace:
    """Calls `hand_over` when it is time. Belongs to one event loop."""

    def __init__(self, window: float, clock: Clock, hand_over: Callable[[], None]) -> None:
        """`window`: seconds that an append may wait for others while no sync is on its way."""
        self._window = window
        self._clock = clock
        self._hand_over = hand_over
        self._sizes: deque[float] = deque([math.inf if window else 0], _REMEMBERED)
        self._since = 0.0
        self._syncing = 0
        self._timer: Timer | None = None
        self._called = False

    def added(self, count: int, size: int) -> None:
        """So many appends have gathered, with so many bytes."""
        if count == 1:
            self._since = self._clock.monotonic()
        if size >= _LARGE:
            self._soon()
        elif not self._syncing:  # else they share the next one, whose time comes with `settled`
            self._consider(count)

    def handed(self, count: int) -> None:
        """So many were given to the writer."""
        self._syncing += 1
        self._called = False
        self.rest()
        if self._window:
            self._sizes.append(count)

    def settled(self, count: int) -> None:
        """What was given to the writer is safe, or refused, and so many have gathered meanwhile."""
        self._syncing -= 1
        if count and not self._syncing:
            self._consider(count)

    def rest(self) -> None:
        """Set no timer any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _consider(self, count: int) -> None:
        if count >= min(max(self._sizes), _ENOUGH):
            self._soon()
        elif self._timer is None:
            left = self._since + self._window - self._clock.monotonic()
            if left <= 0:
                self._soon()
            else:
                self._timer = self._clock.call_later(left, self._hand_over)

    def _soon(self) -> None:
        """When everything that is ready has had its turn: the next append may be there already."""
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._hand_over)
