"""gRPC messages that take their time, and the memory that gRPC collects them in.

gRPC tells nobody how much of a message has come. What all of them take together shows in the memory of the process:
when it has grown by more than the bound since shortly before the first slow one, all but that one are given up, and no
other is begun.

Only as many are begun at once as could be of the largest size and still fit. They arrive on threads of gRPC, which do
not wait for the event loop: twelve messages of 58 MiB that were all begun took half a GB before anybody could look.
Each leaves its place when it is there or turns out to be slow, after a look at the memory.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final, Protocol

from spanledger.errors import Overloaded
from spanledger.receiver.admission import Turnstile
from spanledger.receiver.memory import resident_bytes

_SAMPLED_EVERY: Final = 1.0
"""Seconds after which what the process takes without slow messages is looked up again."""
_INTERVAL: Final = 0.01
"""Seconds between two looks. What comes in between is not bounded, by this process standing still neither."""


class Collected(Protocol):
    """A message on its way in."""

    def give_up(self) -> None: ...


class SlowMessages:
    """Those of one listener. Belongs to one event loop."""

    def __init__(self, max_bytes: int, max_message: int = 0) -> None:
        """`max_message`: bytes of the largest message that gRPC lets through."""
        self._max_bytes = max_bytes
        self._max_message = max_message
        self._begun = Turnstile(max_bytes)
        self._before = 0
        """Memory when there was no slow message, at most a second ago: what else has grown meanwhile, or was freed and
        not given back to the system, is not held against them for long. When the first turns out to be slow it is too
        late to look: hundreds of MiB may have come."""
        self._sampled = -math.inf
        self._exceeded = False
        self._messages: dict[Collected, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self) -> None:
        """Wait for a place among those of which nobody knows whether they are slow."""
        if not self._begun.pass_at_once(self._max_message):
            await self._begun.wait(self._max_message)

    def leave(self) -> None:
        """Give the place back: the message is there, given up, or watched."""
        self._begun.leave(self._max_message)

    def begin(self) -> None:
        """Before gRPC collects a message. Raises `Overloaded` while those on their way take too much."""
        if self._messages:
            if self._exceeded:
                raise self.overloaded()
            return
        now = asyncio.get_running_loop().time()
        if now - self._sampled >= _SAMPLED_EVERY:
            self._sampled, self._before = now, resident_bytes()

    def overloaded(self) -> Overloaded:
        """What senders of slow messages are told."""
        return Overloaded("messages that arrive slowly take too much memory now", retry_after=1)

    def add(self, message: Collected) -> None:
        """Watch a message until `remove`; it was begun."""
        self._messages[message] = None
        if self._timer is not None:
            self._timer.cancel()
        self._look()

    def remove(self, message: Collected) -> None:
        """It is there, or given up. Nothing when it is not watched."""
        self._messages.pop(message, None)
        if not self._messages and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._exceeded = False

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_INTERVAL, self._look)
        self._exceeded = resident_bytes() - self._before > self._max_bytes
        if not self._exceeded:
            return
        # One stays, the one that waits longest, or none would ever be complete.
        for message in list(self._messages)[1:]:
            self._messages.pop(message)
            message.give_up()
