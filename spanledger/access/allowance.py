"""How much each project may send: token buckets and quotas per day.

A request is let in while the project owes nothing and is charged what it turned out to hold, so that nothing that was
read is thrown away and a request larger than a second's allowance is still possible: the project then waits until its
debt is paid. The answer to a refused request says how long that takes.

The processes of one machine count together where they share a `Tally`; replicas count by themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from spanledger.access.settings import LimitSettings
from spanledger.access.tally import Slot
from spanledger.errors import Throttled

_DAY: Final = 86_400


@dataclass(slots=True)
class Bucket:
    """A token bucket that may be overdrawn."""

    rate: float
    """Tokens per second."""
    capacity: float
    filled_at: float
    balance: float = field(init=False)

    def __post_init__(self) -> None:
        self.balance = self.capacity

    def wait(self, now: float) -> float:
        """Seconds until something may be taken, 0 = now."""
        self.balance = min(self.capacity, self.balance + max(now - self.filled_at, 0.0) * self.rate)
        self.filled_at = now
        return 0.0 if self.balance > 0 else (1.0 - self.balance) / self.rate

    def take(self, tokens: float) -> None:
        self.balance -= tokens


@dataclass(slots=True)
class _Quota:
    per_day: int
    day: int = -1
    used: int = 0

    def wait(self, wall: float) -> float:
        day = int(wall // _DAY)
        if day != self.day:
            self.day, self.used = day, 0
        return 0.0 if self.used < self.per_day else (day + 1) * _DAY - wall


class Allowance:
    """What one project may send."""

    def __init__(
        self,
        settings: LimitSettings,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        slot: Slot | None = None,
    ) -> None:
        """`slot`: where processes keep the state together; without one this process counts by itself."""
        self._slot = slot
        self._clock = clock
        self._wall = wall
        burst = settings.burst
        self._requests = _bucket(settings.requests_per_second, burst, clock())
        self._items = _bucket(settings.items_per_second, burst, clock())
        self._bytes = _bucket(settings.mib_per_second and settings.mib_per_second * (1 << 20), burst, clock())
        self._quota = _Quota(settings.items_per_day) if settings.items_per_day else None
        self._limited = [
            (bucket, text)
            for bucket, text in (
                (self._requests, f"{settings.requests_per_second:g} requests a second"),
                (self._items, f"{settings.items_per_second:g} spans, log records or data points a second"),
                (self._bytes, f"{settings.mib_per_second:g} MiB a second"),
            )
            if bucket is not None
        ]

    def enter(self) -> None:
        """Before a body is read. Raises `Throttled`."""
        with self._state():
            now = self._clock()
            for bucket, text in self._limited:
                if wait := bucket.wait(now):
                    raise Throttled(f"over the project's limit of {text}", wait)
            if self._quota is not None and (wait := self._quota.wait(self._wall())):
                raise Throttled(f"the project's quota of {self._quota.per_day} items a day is used up", wait)
            if self._requests is not None:
                self._requests.take(1)

    def charge(self, items: int, size: int) -> None:
        """What an accepted request held: items and bytes, decompressed."""
        with self._state():
            if self._items is not None:
                self._items.take(items)
            if self._bytes is not None:
                self._bytes.take(size)
            if self._quota is not None:
                self._quota.wait(self._wall())
                self._quota.used += items

    @contextmanager
    def _state(self) -> Iterator[None]:
        """Works on what all processes have counted."""
        if self._slot is None:
            yield
            return
        buckets = (self._requests, self._items, self._bytes)
        with self._slot.numbers() as numbers:
            now = self._clock()
            for at, bucket in enumerate(buckets):
                # Zeros were never written; a time that is yet to come was written before the machine started anew.
                if bucket is not None and 0 < numbers[2 * at + 1] <= now:
                    bucket.balance, bucket.filled_at = numbers[2 * at], numbers[2 * at + 1]
            if self._quota is not None:
                self._quota.day, self._quota.used = int(numbers[6]), int(numbers[7])
            try:
                yield
            finally:
                for at, bucket in enumerate(buckets):
                    if bucket is not None:
                        numbers[2 * at], numbers[2 * at + 1] = bucket.balance, bucket.filled_at
                if self._quota is not None:
                    numbers[6], numbers[7] = self._quota.day, self._quota.used


def _bucket(rate: float, burst: float, now: float) -> Bucket | None:
    return Bucket(rate, max(rate * burst, 1.0), now) if rate else None
