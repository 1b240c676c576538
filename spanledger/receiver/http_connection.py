"""One HTTP connection, with the limits that aiohttp leaves to others."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from spanledger.model.received import Encoding
from spanledger.receiver.idle_connections import Closable, Connections
from spanledger.receiver.status import Code, failure

MAX_HEADER_SIZE = 16 * 1024
"""Bytes of one header line; long-lived tokens reach 8 KiB."""


_A_YEAR = 365 * 86400.0


class Connection(web.RequestHandler):
    """A connection that is closed when the head of a request takes too long: aiohttp waits for the rest of a head as
    long as for the next request, so one byte now and then would hold a connection for ever."""

    __slots__ = ("_connections", "_head_timeout", "_headers", "_in_head", "_in_request", "_timer")

    def __init__(
        self,
        server: web.Server,
        connections: Connections[Closable],
        headers: Mapping[str, str],
        *,
        head_timeout: float,
        idle_timeout: float,
        **options: Any,
    ) -> None:
        """`headers` go into answers to what is no HTTP; timeouts in seconds, 0 = no limit."""
        super().__init__(
            server,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type] # None switches it off, aiohttp's annotation does not know
            keepalive_timeout=idle_timeout or _A_YEAR,
            max_field_size=MAX_HEADER_SIZE,
            **options,
        )
        self._connections = connections
        self._headers = headers
        self._head_timeout = head_timeout
        self._in_head = False
        self._in_request = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.opened(self)

    def data_received(self, data: bytes) -> None:
        if not self._in_request and not self._in_head:
            self._in_head = True
            self._connections.busy(self)
            self._start_timer(self._head_timeout)
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._connections.closed(self)
        super().connection_lost(exc)

    def request_began(self) -> None:
        """To be called when a request's head is complete."""
        self._stop_timer()
        self._connections.busy(self)  # a pipelined request brings no data of its own
        self._in_head = False
        self._in_request = True

    def request_ended(self) -> None:
        """To be called when a request has its answer."""
        self._in_request = False
        self._connections.idle(self)

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is no HTTP at all gets a Status body like every other failure, and the connection is closed."""
        if status == 500:
            return super().handle_error(request, status, exc, message)
        if _is_large_head(exc):
            problem = failure(Code.INVALID_ARGUMENT, "the head of the request is too large", http=431)
        else:
            problem = failure(Code.INVALID_ARGUMENT, f"malformed HTTP request: {message or exc}", http=status)
        response = web.Response(
            status=problem.http,
            body=problem.body(Encoding.JSON),
            headers={**self._headers, "Content-Type": "application/json"},
        )
        response.force_close()
        return response

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        if seconds:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.force_close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_large_head(problem: BaseException | None) -> bool:
    """Whether a line of a head, or their number, is over the bound: RFC 6585 section 5."""
    return isinstance(problem, LineTooLong) or (
        isinstance(problem, BadHttpMessage) and problem.message == "Too many headers received"
    )
