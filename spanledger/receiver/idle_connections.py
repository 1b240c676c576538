"""Connections that carry nothing now: cheap to hold, bounded in number, closed longest idle first.

aiohttp makes a parser and a task for a connection as soon as it stands. Balancers, scanners and SDK pools open many
that never say anything, so the first byte decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar, cast

_log = logging.getLogger(__name__)


class Closable(Protocol):
    """A connection that can be cut off."""

    def force_close(self) -> None: ...


_Connection = TypeVar("_Connection", bound=Closable)


class Connections(Generic[_Connection]):
    """Every connection of a listener. Belongs to one event loop."""

    def __init__(self, at_most: int, idle_timeout: float) -> None:
        """`idle_timeout` in seconds, for a connection that has not said anything; 0 = no limit."""
        self._at_most = at_most
        self._idle_timeout = idle_timeout
        self._idle: dict[_Connection, float] = {}
        self._standing: set[_Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._told = False
        self._none = asyncio.Event()
        self._none.set()

    def standing(self) -> list[_Connection]:
        """All of them."""
        return list(self._standing)

    def opened(self, connection: _Connection) -> None:
        """A connection stands, and is idle. Over the bound the one that was idle longest is closed."""
        self._standing.add(connection)
        self._none.clear()
        self.idle(connection)
        if len(self._standing) > self._at_most:
            if not self._told:
                self._told = True
                _log.warning("more than %d connections: the one that is idle longest is closed", self._at_most)
            next(iter(self._idle)).force_close()

    def idle(self, connection: _Connection) -> None:
        """A connection carries nothing from now on."""
        loop = asyncio.get_running_loop()
        self._idle[connection] = loop.time()
        if self._idle_timeout and self._timer is None:
            self._timer = loop.call_later(self._idle_timeout, self._expire)

    def busy(self, connection: _Connection) -> None:
        """A connection carries something from now on."""
        self._idle.pop(connection, None)

    def closed(self, connection: _Connection) -> None:
        """A connection is gone."""
        self._standing.discard(connection)
        self._idle.pop(connection, None)
        if not self._standing:
            self._none.set()

    async def wait_for_none(self, seconds: float) -> None:
        """Wait until no connection is left, but no longer than so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none.wait(), seconds)

    def close(self) -> None:
        """Close those that are idle."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for connection in list(self._idle):
            connection.force_close()

    def _expire(self) -> None:
        """One timer for all: they stand in the order in which they became idle."""
        loop = asyncio.get_running_loop()
        self._timer = None
        now = loop.time()
        for connection, since in list(self._idle.items()):
            if since + self._idle_timeout > now:
                self._timer = loop.call_at(since + self._idle_timeout, self._expire)
                return
            self._idle.pop(connection, None)
            connection.force_close()


class Unspoken(asyncio.Protocol):
    """A connection before its first byte; then a real one takes its place."""

    __slots__ = ("_connections", "_make", "_transport")

    def __init__(self, connections: Connections[Closable], make: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._make = make
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._connections.opened(self)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None  # noqa: S101 - made before
        self._connections.closed(self)
        real = self._make()
        transport.set_protocol(real)
        real.connection_made(transport)
        real.data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.closed(self)

    def force_close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
