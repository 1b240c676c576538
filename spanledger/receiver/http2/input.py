"""What the peer sends: frames of RFC 9113, section 6, and the rules they must keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic

from spanledger.receiver.http2 import frames
from spanledger.receiver.http2.credit import Credit
from spanledger.receiver.http2.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_SIZE,
    HEADERS,
    LAST_STREAM,
    MAX_FRAME,
    MAX_WINDOW,
    PADDED,
    ErrorCode,
    Violation,
)
from spanledger.receiver.http2.headers import Fields, HeaderBlocks, TooLarge
from spanledger.receiver.http2.keepalive import Watch
from spanledger.receiver.http2.output import Output
from spanledger.receiver.http2.stream import Head, Malformed, Stream
from spanledger.receiver.http2.streams import Streams

if TYPE_CHECKING:
    from spanledger.receiver.http2.connection import Limits

_BLOCK_AT_MOST: Final = 64 * 1024
"""Bytes of a header block as it is sent."""
_READ_AT_MOST: Final = 2
"""Heads of up to so many times the bound are read before they are refused: that costs the peer its request, more costs
it the connection."""
_SMALL: Final = 64
"""Bytes of a DATA frame that nobody needs to send, unless it is the last."""


class Input(Generic[Head]):
    """The receiving half of a connection. Everything that comes may raise `Violation`, and then nothing more counts."""

    def __init__(
        self,
        streams: Streams[Head],
        output: Output,
        credit: Credit,
        watch: Watch,
        limits: Limits[Head],
        read_head: Callable[[Fields], Head],
        make_stream: Callable[[int], Stream[Head]],
        ponged: Callable[[bytes], None],
    ) -> None:
        self._streams = streams
        self._output = output
        self._credit = credit
        self._watch = watch
        self._limits = limits
        self._read_head = read_head
        self._make_stream = make_stream
        self._ponged = ponged
        self._blocks: HeaderBlocks[Head] = HeaderBlocks(limits.header_list_size * _READ_AT_MOST)
        self._now = 0.0
        self._rest = b""
        """Of a frame that is not complete."""
        self._block: tuple[int, int, bytearray] | None = None
        """Flags, stream and bytes of a header block that is not complete."""
        self._window = MAX_WINDOW
        self.deaf = False
        """New streams are ignored."""
        self._handlers: dict[int, Callable[[int, int, bytes], None]] = {
            DATA: self._data,
            HEADERS: self._headers,
            frames.PRIORITY: self._priority,
            frames.RST_STREAM: self._rst_stream,
            frames.SETTINGS: self._settings,
            frames.PUSH_PROMISE: self._push_promise,
            frames.PING: self._ping,
            frames.GOAWAY: self._goaway,
            frames.WINDOW_UPDATE: self._window_update,
            frames.CONTINUATION: self._continuation,
        }

    def take(self, data: bytes, now: float) -> None:
        """The next bytes."""
        self._now = now
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        handlers = self._handlers
        unpack = HEAD.unpack_from
        while end - at >= HEAD_SIZE:
            high, low, kind, flags, number = unpack(data, at)
            size = high << 8 | low
            if size > MAX_FRAME:
                raise Violation(ErrorCode.FRAME_SIZE_ERROR, "a frame of more than 16384 bytes")
            start = at + HEAD_SIZE
            at = start + size
            if at > end:
                at = start - HEAD_SIZE
                break
            if self._block is not None and kind != frames.CONTINUATION:
                raise Violation(ErrorCode.PROTOCOL_ERROR, "a frame within a header block")
            handle = handlers.get(kind)
            if handle is not None:
                handle(flags, number & LAST_STREAM, data[start:at])
            else:
                self._credit.spend(now)
        self._rest = data[at:]

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._window -= size
        if self._window < MAX_WINDOW // 2:
            self._output.write(frames.window_update(0, MAX_WINDOW - self._window))
            self._window = MAX_WINDOW
        stream = self._streams.get(number)
        if flags & PADDED:
            payload = frames.unpadded(payload, flags)
        if len(payload) < _SMALL and not flags & END_STREAM:
            self._credit.spend(self._now)
        if stream is None or stream.ended:
            self._data_of_none(number, stream)
            return
        stream.window -= size
        if stream.window < 0:
            self._streams.reset(stream, ErrorCode.FLOW_CONTROL_ERROR)
            return
        if flags & END_STREAM:
            stream.ended = True
        elif size > len(payload):
            stream.connection.grant(stream, size - len(payload))
        stream.data(payload)

    def _data_of_none(self, number: int, stream: Stream[Head] | None) -> None:
        if number == 0 or self._streams.is_idle(number):
            raise Violation(ErrorCode.PROTOCOL_ERROR, "DATA of no stream")
        if stream is not None:
            self._streams.reset(stream, ErrorCode.STREAM_CLOSED)
        elif not self._streams.is_dropped(number):
            self._streams.drop(number, ErrorCode.STREAM_CLOSED)

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number & 1:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "HEADERS of a stream that no client can open")
        if flags & PADDED:
            payload = frames.unpadded(payload, flags)
        if flags & frames.WITH_PRIORITY:
            if len(payload) < frames.PRIORITY_SIZE:
                raise Violation(ErrorCode.FRAME_SIZE_ERROR, "HEADERS without the priority that they promise")
            if frames.long(payload) == number:
                raise Violation(ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself")
            payload = payload[frames.PRIORITY_SIZE :]
        if flags & END_HEADERS:
            self._block_complete(flags, number, payload)
        else:
            self._block = (flags, number, bytearray(payload))

    def _continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._block is None or self._block[1] != number:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._credit.spend(self._now)
        first_flags, _, block = self._block
        block += payload
        if len(block) > _BLOCK_AT_MOST:
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end")
        if flags & END_HEADERS:
            self._block = None
            self._block_complete(first_flags, number, bytes(block))

    def _block_complete(self, flags: int, number: int, block: bytes) -> None:
        streams = self._streams
        if not streams.is_idle(number):
            self._trailers(flags, number, block)
            return
        streams.note(number)
        head = self._blocks.known(block)
        if head is None:
            try:
                head = self._read_head(self._blocks.read(block))
            except Malformed:
                streams.drop(number, ErrorCode.PROTOCOL_ERROR)
                return
            except TooLarge:
                self._open(flags, number, self._limits.too_large)
                raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "a head that is far too large") from None
            self._blocks.remember(block, head)
        limit = self._limits.concurrent_streams
        if self.deaf:
            streams.ignore(number)
        elif limit is not None and len(streams) >= limit:
            streams.drop(number, ErrorCode.REFUSED_STREAM)
        else:
            self._open(flags, number, head)

    def _open(self, flags: int, number: int, head: Head) -> None:
        stream = self._make_stream(number)
        self._streams.open(stream)
        if flags & END_STREAM:
            stream.ended = True
        stream.begin(head)
        if stream.ended and number in self._streams:
            stream.data(b"")

    def _trailers(self, flags: int, number: int, block: bytes) -> None:
        """A second header block. What it says is nothing to us, but the table must stay that of the peer."""
        stream = self._streams.get(number)
        if stream is None and not self._streams.is_dropped(number):
            if self._streams.was_skipped(number):
                raise Violation(ErrorCode.PROTOCOL_ERROR, "a stream is opened that lies behind others")
            raise Violation(ErrorCode.STREAM_CLOSED, "HEADERS of a stream that is over")
        try:
            fields = self._blocks.read(block)
        except TooLarge:
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "trailers that are too large") from None
        if stream is None:
            return
        if stream.ended:
            self._streams.reset(stream, ErrorCode.STREAM_CLOSED)
        elif not flags & END_STREAM or any(name.startswith(b":") or name != name.lower() for name, _ in fields):
            self._streams.reset(stream, ErrorCode.PROTOCOL_ERROR)
        else:
            stream.ended = True
            stream.data(b"")

    def _rst_stream(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != frames.LONG_SIZE:
            raise Violation(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM of a wrong length")
        if number == 0 or self._streams.is_idle(number):
            raise Violation(ErrorCode.PROTOCOL_ERROR, "RST_STREAM of no stream")
        self._credit.spend(self._now)
        stream = self._streams.get(number)
        if stream is not None:
            self._streams.cancel(stream)

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "SETTINGS of a stream")
        if flags & ACK:
            if payload:
                raise Violation(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement that says something")
            return
        self._credit.spend(self._now)
        output = self._output
        before = output.first_window
        for name, value in frames.read_settings(payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                output.first_window = value
            elif name == frames.HEADER_TABLE_SIZE and value < frames.TABLE_SIZE:
                output.shrink_table()
        output.write(frames.frame(frames.SETTINGS, ACK, 0))
        if output.first_window != before:
            for stream in list(self._streams.all()):
                if output.widen_stream(stream, output.first_window - before):
                    self._streams.over(stream)

    def _window_update(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != frames.LONG_SIZE:
            raise Violation(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length")
        self._credit.spend(self._now)
        increment = frames.long(payload)
        if number == 0:
            if not increment:
                raise Violation(ErrorCode.PROTOCOL_ERROR, "a window that grows by nothing")
            for stream in self._output.widen(increment):
                self._streams.over(stream)
            return
        if self._streams.is_idle(number):
            raise Violation(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of no stream")
        found = self._streams.get(number)
        if found is None:
            return
        if not increment:
            self._streams.reset(found, ErrorCode.PROTOCOL_ERROR)
        elif found.send_window + increment > MAX_WINDOW:
            self._streams.reset(found, ErrorCode.FLOW_CONTROL_ERROR)
        elif self._output.widen_stream(found, increment):
            self._streams.over(found)

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != frames.PING_SIZE:
            raise Violation(ErrorCode.FRAME_SIZE_ERROR, "PING of a wrong length")
        if number:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "PING of a stream")
        if flags & ACK:
            self._ponged(payload)
            return
        self._credit.spend(self._now)
        if not self._watch.pinged(self._now, len(self._streams)):
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "too_many_pings")
        self._output.write(frames.frame(frames.PING, ACK, 0, payload))

    def _priority(self, flags: int, number: int, payload: bytes) -> None:
        if number == 0:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "PRIORITY of no stream")
        self._credit.spend(self._now)
        if len(payload) != frames.PRIORITY_SIZE:
            raise Violation(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of a wrong length")
        if frames.long(payload) == number:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself")

    def _push_promise(self, flags: int, number: int, payload: bytes) -> None:
        raise Violation(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE of a client")

    def _goaway(self, flags: int, number: int, payload: bytes) -> None:
        """The peer begins nothing new, takes its answers and closes."""
        if number:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "GOAWAY of a stream")
        self._credit.spend(self._now)
