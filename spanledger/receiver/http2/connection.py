"""One connection, as an asyncio protocol: RFC 9113.

What a peer may make us do is bounded: frames and header blocks by their size, streams by whoever serves them, answers
that it does not read by the transport's buffer (nothing more is read from it meanwhile), and frames that carry nothing
by its credit, which requests renew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, cast

from spanledger.receiver.http2 import frames
from spanledger.receiver.http2.credit import Credit
from spanledger.receiver.http2.frames import LAST_STREAM, MAX_WINDOW, ErrorCode, Violation
from spanledger.receiver.http2.headers import Fields
from spanledger.receiver.http2.input import Input
from spanledger.receiver.http2.keepalive import Keepalive, Watch
from spanledger.receiver.http2.output import Output
from spanledger.receiver.http2.stream import Head, Stream
from spanledger.receiver.http2.streams import Streams
from spanledger.receiver.idle_connections import Connections

_log = logging.getLogger(__name__)

_LOOKED_EVERY: Final = 0.25
"""Seconds between two looks at deadlines, while there is something to wait for."""
_UNREAD: Final = 30.0
"""Seconds that a peer may read nothing while there is much for it to read."""
_LAST_WORDS: Final = 2.0
"""Seconds for what is said before the connection closes."""
_DISCARDED: Final = 256 * 1024
"""Bytes that a peer may send after them."""
_ROUND_TRIP: Final = 1.0
"""Seconds in which a peer should read that it must begin nothing new."""
_ASK: Final = b"anybody?"
_NOTHING_NEW: Final = b"no more?"


@dataclass(frozen=True, slots=True)
class Limits(Generic[Head]):
    """What a peer may do."""

    header_list_size: int
    """Bytes of the fields of a head, as we tell the peer. Whoever reads the fields refuses what is larger; what is far
    larger is not even read."""
    too_large: Head
    """In place of a head that is far larger."""
    concurrent_streams: int | None = None
    handshake: float = 10.0
    """Seconds in which a peer must say that it speaks HTTP/2."""


class _State(Enum):
    NEW = "the peer has not said that it speaks HTTP/2"
    OPEN = "requests are served"
    DRAINING = "the peer was told to begin nothing new"
    LAST = "it was told what the last request is"
    CLOSED = "nothing is heard any more"


class Connection(asyncio.Protocol, Generic[Head]):
    """Belongs to one event loop."""

    def __init__(
        self,
        connections: Connections[Connection[Head]],
        limits: Limits[Head],
        keepalive: Keepalive,
        read_head: Callable[[Fields], Head],
        make_stream: Callable[[Connection[Head], int], Stream[Head]],
    ) -> None:
        """`read_head` may raise `Malformed`."""
        self._connections = connections
        self._limits = limits
        self._keepalive = keepalive
        self._read_head = read_head
        self._make_stream = make_stream
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time()
        """When bytes came last, by the clock of the event loop."""
        self._waiting = b""
        self._timer: asyncio.TimerHandle | None = None
        self._unread_since: float | None = None
        self._state = _State.NEW
        self._discarded = 0

    @property
    def peer(self) -> str:
        """The IP address of the peer; empty where it has none."""
        name = self._transport.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._output = Output(self._transport)
        credit = Credit(self.now)
        self._watch = Watch(self._keepalive, ping=self._ask, lost=self.abort, grow_old=self._grow_old)
        self._streams: Streams[Head] = Streams(self._output, credit, self._begun, self._finished)
        self._input: Input[Head] = Input(
            self._streams, self._output, credit, self._watch, self._limits, self._read_head, self._make, self._ponged
        )
        self._connections.opened(self)
        self._timer = self._loop.call_later(self._limits.handshake, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._state is _State.CLOSED:
            self._discarded += len(data)
            if self._discarded > _DISCARDED:
                self._transport.abort()
            return
        self.now = now = self._loop.time()
        self._watch.heard(now)
        self._output.hold()
        try:
            if self._state is not _State.NEW:
                self._input.take(data, now)
            else:
                self._greet(self._waiting + data)
        except Violation as problem:
            self._fail(problem.code, str(problem))
        except Exception:
            _log.exception("a connection is closed, this is our mistake")
            self._fail(ErrorCode.INTERNAL_ERROR, "")
        if self._timer is None and self._streams:
            self._timer = self._loop.call_later(_LOOKED_EVERY, self._look)
        self._output.release()

    def pause_writing(self) -> None:
        self._unread_since = self._loop.time()
        self._transport.pause_reading()
        if self._timer is None:
            self._timer = self._loop.call_later(_LOOKED_EVERY, self._look)

    def resume_writing(self) -> None:
        self._unread_since = None
        if self._state is not _State.CLOSED:
            self._transport.resume_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._state = _State.CLOSED
        if self._timer is not None:
            self._timer.cancel()
        self._watch.stop()
        self._connections.closed(self)
        self._streams.cancel_all()

    def answer(self, stream: Stream[Head], head: bytes, body: bytes = b"", trailers: bytes = b"") -> None:
        """The whole answer of a stream, which is over with it: header block, body, header block of the trailers."""
        if self._state is not _State.CLOSED:
            self._watch.answered()
            self._streams.answer(stream, head, body, trailers)

    def grant(self, stream: Stream[Head], increment: int) -> None:
        """Let the peer send more."""
        if increment > 0 and not stream.ended and self._state is not _State.CLOSED:
            stream.window += increment
            self._output.write(frames.window_update(stream.number, increment))

    def reset(self, stream: Stream[Head], code: ErrorCode) -> None:
        """End a stream without an answer; it is told that it is cancelled."""
        if stream.number in self._streams and self._state is not _State.CLOSED:
            self._streams.reset(stream, code)

    def shut_down(self) -> None:
        """Serve what is on its way, and close: first the peer is told to begin nothing new, and when it has read that,
        which request is the last that counts (section 6.8)."""
        if self._state is _State.NEW:
            self.abort()
        elif self._state is _State.OPEN:
            self._state = _State.DRAINING
            self._connections.busy(self)
            farewell = frames.goaway(LAST_STREAM, ErrorCode.NO_ERROR)
            self._output.write(farewell + frames.frame(frames.PING, 0, 0, _NOTHING_NEW))
            self._loop.call_later(_ROUND_TRIP, self._last_call)

    force_close = shut_down

    def abort(self) -> None:
        """Cut off."""
        self._state = _State.CLOSED
        self._output.close()
        self._transport.abort()

    def _greet(self, data: bytes) -> None:
        """What every peer says first, and what we say to it: section 3.4."""
        head = len(frames.PREFACE)
        if not data.startswith(frames.PREFACE[: len(data)]):
            raise Violation(ErrorCode.PROTOCOL_ERROR, "no HTTP/2")
        if len(data) < head + frames.HEAD_SIZE:
            self._waiting = data
            return
        if data[head + 3] != frames.SETTINGS:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "the first frame is no SETTINGS")
        self._waiting = b""
        self._state = _State.OPEN
        self._watch.start()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ours = {frames.MAX_HEADER_LIST_SIZE: self._limits.header_list_size}
        if self._limits.concurrent_streams is not None:
            ours[frames.MAX_CONCURRENT_STREAMS] = self._limits.concurrent_streams
        self._output.write(frames.settings(ours) + frames.window_update(0, MAX_WINDOW - frames.FIRST_WINDOW))
        self._input.take(data[head:], self.now)

    def _make(self, number: int) -> Stream[Head]:
        return self._make_stream(self, number)

    def _begun(self) -> None:
        self._connections.busy(self)

    def _finished(self) -> None:
        if self._state is _State.OPEN:
            self._connections.idle(self)
        elif self._state is _State.LAST:
            self._close()

    def _look(self) -> None:
        """Whose time is over."""
        self._timer = None
        now = self._loop.time()
        if self._unread_since is not None and now > self._unread_since + _UNREAD:
            self.abort()
            return
        for stream in list(self._streams.all()):
            if stream.deadline > now:
                continue
            if stream.number in self._output.blocked:
                self._streams.reset(stream, ErrorCode.CANCEL)
            else:
                stream.expired()
        if self._streams or self._unread_since is not None:
            self._timer = self._loop.call_later(_LOOKED_EVERY, self._look)

    def _ask(self) -> None:
        if self._state is not _State.CLOSED:
            self._output.write(frames.frame(frames.PING, 0, 0, _ASK))

    def _ponged(self, payload: bytes) -> None:
        if payload == _NOTHING_NEW:
            self._last_call()

    def _grow_old(self, grace: float) -> None:
        self.shut_down()
        if grace:
            self._loop.call_later(grace, self.abort)

    def _last_call(self) -> None:
        if self._state is _State.DRAINING:
            self._state = _State.LAST
            self._input.deaf = True
            self._output.write(frames.goaway(self._streams.last, ErrorCode.NO_ERROR))
            if not self._streams:
                self._close()

    def _fail(self, code: ErrorCode, text: str) -> None:
        _log.debug("a connection is closed with %s: %s", code.name, text)
        self._output.write(frames.goaway(self._streams.last, code, text))
        self._close()

    def _close(self) -> None:
        """Once the peer has read what was said: what it sends meanwhile is thrown away, because a socket that is closed
        with unread bytes takes with it what was said before."""
        self._state = _State.CLOSED
        self._output.close()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
        self._loop.call_later(_LAST_WORDS, self._transport.abort)
