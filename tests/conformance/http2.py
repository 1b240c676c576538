"""A client that speaks HTTP/2 frame by frame, and so can break every rule of it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType

from hpack import Decoder, Encoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

from tests.receiver.servers import TRACE_SERVICE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CALL = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", TRACE_SERVICE),
    (":authority", "localhost"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]


def message(body: bytes, length: int | None = None, compressed: bool = False) -> bytes:
    """A gRPC message; `length` may lie."""
    return struct.pack(">BI", compressed, len(body) if length is None else length) + body


class Http2:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.encoder = Encoder()
        self.decoder = Decoder()
        self._buffer = b""

    def headers(
        self,
        stream: int,
        more: Iterable[tuple[str, str]] = (),
        *flags: str,
        replace: Mapping[str, str] = MappingProxyType({}),
    ) -> HeadersFrame:
        """The head of a call, END_HEADERS unless other flags are given."""
        fields = [(name, replace.get(name, value)) for name, value in CALL]
        frame = HeadersFrame(stream, self.encoder.encode([*fields, *more]))
        for flag in flags or ("END_HEADERS",):
            frame.flags.add(flag)
        return frame

    def call(
        self,
        stream: int,
        body: bytes,
        more: Iterable[tuple[str, str]] = (),
        *,
        replace: Mapping[str, str] = MappingProxyType({}),
    ) -> list[Frame]:
        """A whole call, its head with `more` fields and others in place of those that each has."""
        data = DataFrame(stream, body)
        data.flags.add("END_STREAM")
        return [self.headers(stream, more, replace=replace), data]

    async def send(self, frames: Iterable[Frame]) -> bool:
        """Whether the server still took it."""
        return await self.send_raw(b"".join(frame.serialize() for frame in frames))

    async def send_raw(self, data: bytes) -> bool:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            return False
        return not self._reader.at_eof()

    async def frames(self) -> AsyncIterator[Frame]:
        """What the server sends until it closes the connection."""
        while True:
            while len(self._buffer) >= 9:
                frame, length = Frame.parse_frame_header(memoryview(self._buffer[:9]))
                if len(self._buffer) < 9 + length:
                    break
                frame.parse_body(memoryview(self._buffer[9 : 9 + length]))
                self._buffer = self._buffer[9 + length :]
                yield frame
            data = b""
            with suppress(OSError):
                data = await self._reader.read(1 << 16)
            if not data:
                return
            self._buffer += data

    async def answer(self, stream: int) -> dict[str, str]:
        """Headers and trailers of a call that the server ends; `reset` or `goaway` with the code where it does so
        without any."""
        found: dict[str, str] = {}
        async for frame in self.frames():
            if isinstance(frame, HeadersFrame):
                fields = {str(name): str(value) for name, value in self.decoder.decode(frame.data)}
                if frame.stream_id == stream:
                    found |= fields
            if isinstance(frame, RstStreamFrame) and frame.stream_id == stream and "grpc-status" not in found:
                found["reset"] = str(frame.error_code)
            if isinstance(frame, GoAwayFrame):
                found["goaway"] = str(frame.error_code)
            if frame.stream_id == stream and ("END_STREAM" in frame.flags or isinstance(frame, RstStreamFrame)):
                return found
        return found | {"closed": "yes"}

    async def close(self) -> None:
        self._writer.close()

    async def closed(self) -> int | None:
        """Wait until the server closes the connection; the code of its GOAWAY."""
        code = None
        async for frame in self.frames():
            if isinstance(frame, GoAwayFrame):
                code = frame.error_code
        return code


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Http2]:
    """A connection whose beginning is in order."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        connection = Http2(reader, writer)
        await connection.send_raw(PREFACE + SettingsFrame(0).serialize())
        yield connection
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
