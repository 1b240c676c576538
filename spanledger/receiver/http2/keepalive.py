"""Connections that are too old, carry nothing, or have died without a word; and peers that ask too often whether we
live. The rules are gRPC's (proposals A8 and A9), under the Collector's keys."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_AGE_VARIES: Final = 0.1
"""Part of the age by which connections differ, lest all that came together leave together."""
_STRIKES: Final = 2
"""Pings too many that are forgiven."""
_WITHOUT_STREAMS: Final = 7200.0
"""Seconds between two pings of a peer that may not ping without a request."""


@dataclass(frozen=True, slots=True)
class Keepalive:
    """In seconds, 0 = never."""

    age: float = 0.0
    age_grace: float = 0.0
    time: float = 0.0
    timeout: float = 20.0
    min_ping_interval: float = 0.0
    ping_without_streams: bool = True


class Watch:
    """Over one connection."""

    __slots__ = (
        "_alive",
        "_asked",
        "_grow_old",
        "_last_ping",
        "_loop",
        "_lost",
        "_ping",
        "_rules",
        "_strikes",
        "_timers",
    )

    def __init__(
        self,
        rules: Keepalive,
        *,
        ping: Callable[[], None],
        lost: Callable[[], None],
        grow_old: Callable[[float], None],
    ) -> None:
        """`ping` sends one, `lost` is called when nothing answers, `grow_old` when the connection is to be closed, with
        the seconds that requests in flight have."""
        self._rules = rules
        self._ping = ping
        self._lost = lost
        self._grow_old = grow_old
        self._loop = asyncio.get_running_loop()
        self._alive = self._loop.time()
        self._asked = False
        self._last_ping = -_WITHOUT_STREAMS
        self._strikes = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """The connection stands."""
        rules = self._rules
        if rules.age:
            age = rules.age * random.uniform(1 - _AGE_VARIES, 1 + _AGE_VARIES)  # noqa: S311 - no secret
            self._timers["age"] = self._loop.call_later(age, self._grow_old, rules.age_grace)
        if rules.time:
            self._timers["time"] = self._loop.call_later(rules.time, self._look)

    def heard(self, now: float) -> None:
        """Something came."""
        self._alive = now
        if self._asked:
            self._asked = False
            self._timers["time"].cancel()
            self._timers["time"] = self._loop.call_later(self._rules.time, self._look)

    def answered(self) -> None:
        """We sent an answer: pings are forgiven."""
        self._strikes = 0
        self._last_ping = -_WITHOUT_STREAMS

    def pinged(self, now: float, streams: int) -> bool:
        """The peer pings; whether that is to be put up with."""
        rules = self._rules
        pause = rules.min_ping_interval if streams or rules.ping_without_streams else _WITHOUT_STREAMS
        if now - self._last_ping < pause:
            self._strikes += 1
        self._last_ping = now
        return self._strikes <= _STRIKES

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _look(self) -> None:
        rules, now = self._rules, self._loop.time()
        if self._asked:
            self._lost()
            return
        quiet_until = self._alive + rules.time
        if now < quiet_until:
            self._timers["time"] = self._loop.call_at(quiet_until, self._look)
            return
        self._ping()
        self._asked = True
        self._timers["time"] = self._loop.call_later(rules.timeout, self._look)
