"""What goes to the peer, as fast as its windows allow: RFC 9113, section 5.2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from spanledger.receiver.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    HEAD,
    HEADERS,
    MAX_FRAME,
    MAX_WINDOW,
    ErrorCode,
    Violation,
    frame,
)
from spanledger.receiver.http2.stream import Stream

_SHRINK: Final = b"\x20"
"""RFC 7541, section 6.3: the table has size 0 from here on. We use none, but a peer that wants a smaller one waits for
somebody to say so (section 4.2)."""


class _Rest:
    """Of an answer that does not fit into the windows."""

    __slots__ = ("at", "body", "stream", "trailers")

    def __init__(self, stream: Stream[Any], body: bytes, trailers: bytes) -> None:
        self.stream = stream
        self.body = body
        self.at = 0
        self.trailers = trailers


class Output:
    """The sending half of a connection."""

    __slots__ = ("_held", "_holding", "_shrink", "_write", "blocked", "first_window", "window")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._write: Callable[[bytes], None] = transport.write
        self._held: list[bytes] = []
        self._holding = False
        self._shrink = b""
        self.window = FIRST_WINDOW
        self.first_window = FIRST_WINDOW
        """Of every new stream."""
        self.blocked: dict[int, _Rest] = {}
        """Stream → what is left of its answer."""

    def hold(self) -> None:
        """Keep what is written from now on together, until `release`."""
        self._holding = True

    def release(self) -> None:
        self._holding = False
        if self._held:
            held = self._held
            self._held = []
            self._write(held[0] if len(held) == 1 else b"".join(held))

    def close(self) -> None:
        """Write what was held, and nothing from now on."""
        self.release()
        self._write = _nowhere

    def write(self, data: bytes) -> None:
        if self._holding:
            self._held.append(data)
        else:
            self._write(data)

    def shrink_table(self) -> None:
        """The peer wants a smaller table: say with the next block that we use none."""
        self._shrink = _SHRINK

    def answer(self, stream: Stream[Any], head: bytes, body: bytes, trailers: bytes) -> bool:
        """Header block, body and header block of the trailers; empty for what an answer does not have. Whether all is
        written; else the rest follows as soon as it may."""
        if self._shrink:
            head, self._shrink = self._shrink + head, b""
        number, size = stream.number, len(body)
        if not body and not trailers:
            self.write(frame(HEADERS, END_HEADERS | END_STREAM, number, head))
            return True
        if size > self.window or size > stream.send_window or size > MAX_FRAME or not trailers:
            self.write(frame(HEADERS, END_HEADERS, number, head))
            self.blocked[number] = _Rest(stream, body, trailers)
            return self.go_on(number)
        self.window -= size
        pack = HEAD.pack
        self.write(
            pack(len(head) >> 8, len(head) & 0xFF, HEADERS, END_HEADERS, number)
            + head
            + pack(size >> 8, size & 0xFF, DATA, 0, number)
            + body
            + pack(len(trailers) >> 8, len(trailers) & 0xFF, HEADERS, END_HEADERS | END_STREAM, number)
            + trailers
        )
        return True

    def go_on(self, number: int) -> bool:
        """Send what the windows allow of an answer; whether that was the rest."""
        rest = self.blocked[number]
        stream = rest.stream
        while rest.at < len(rest.body):
            size = min(len(rest.body) - rest.at, self.window, stream.send_window, MAX_FRAME)
            if size <= 0:
                return False
            piece = rest.body[rest.at : rest.at + size]
            rest.at += size
            ends = rest.at == len(rest.body) and not rest.trailers
            self.write(frame(DATA, END_STREAM if ends else 0, number, piece))
            self.window -= size
            stream.send_window -= size
        if rest.trailers:
            self.write(frame(HEADERS, END_HEADERS | END_STREAM, number, rest.trailers))
        del self.blocked[number]
        return True

    def widen(self, increment: int) -> list[Stream[Any]]:
        """The peer takes more on the connection; which answers are complete with it. Raises `Violation`."""
        self.window += increment
        if self.window > MAX_WINDOW:
            raise Violation(ErrorCode.FLOW_CONTROL_ERROR, "the window of the connection is too large")
        return [rest.stream for number, rest in list(self.blocked.items()) if self.go_on(number)]

    def widen_stream(self, stream: Stream[Any], increment: int) -> bool:
        """The same for a stream; whether its answer is complete with it. Raises `Violation`, which concerns the stream
        where the increment is its own."""
        stream.send_window += increment
        if stream.send_window > MAX_WINDOW:
            raise Violation(ErrorCode.FLOW_CONTROL_ERROR, "the window of a stream is too large")
        return stream.number in self.blocked and self.go_on(stream.number)


def _nowhere(data: bytes) -> None:
    """The connection is closed."""
