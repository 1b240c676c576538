"""A gRPC message that comes in pieces, compressed or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from spanledger.errors import PayloadError, PayloadTooLarge
from spanledger.receiver.compression import BodyReader

PREFIX_SIZE: Final = 5
"""Bytes before a message: whether it is compressed, and its length."""
COMPRESSIONS: Final = frozenset(("gzip", "deflate", "zstd", "snappy"))
"""Those of the Collector's clients (config/configcompression); `identity` is always taken."""
_FED: Final = 64 * 1024
"""Compressed bytes that are undone together."""


class UnknownCompression(PayloadError):
    """Nobody here can undo it. The answer names those that we can."""


class NotCompressed(PayloadError):
    """What comes is not in the promised compression."""


def length_of(prefix: bytes | bytearray, max_size: int) -> int:
    """Of the message behind a prefix, as it is sent. Raises `PayloadTooLarge`."""
    length = int.from_bytes(prefix[1:PREFIX_SIZE], "big")
    if length > max_size:
        raise PayloadTooLarge(f"a message of {length} bytes is larger than max_recv_msg_size_mib allows: {max_size}")
    return length


class Message:
    """Collects one."""

    __slots__ = ("_buffer", "_encoding", "_hold", "_max_size", "_reader", "body", "length", "received")

    def __init__(self, encoding: str, max_size: int, hold: Callable[[int], None]) -> None:
        """`hold` is told how many bytes a compressed message takes, whenever they become more; what it raises ends the
        reading."""
        self._encoding = encoding
        self._max_size = max_size
        self._hold = hold
        self._buffer = bytearray()
        """What has come; from its prefix on only the message, and if that is compressed, what was not undone yet."""
        self._reader: BodyReader | None = None
        self.length = -1
        """Bytes of the message as it is sent; -1 until its prefix is there."""
        self.received = 0
        """Bytes of it that have come."""
        self.body: bytes | None = None
        """The whole message, decompressed."""

    def feed(self, payload: bytes) -> None:
        """The next bytes; what is behind the message counts for nothing. Raises `PayloadTooLarge`,
        `UnknownCompression` and `NotCompressed`."""
        buffer = self._buffer
        buffer += payload
        self.received += len(payload)
        if self.length < 0:
            if len(buffer) < PREFIX_SIZE:
                return
            self.length = length_of(buffer, self._max_size)
            if buffer[0]:
                self._reader = self._decompressing()
            del buffer[:PREFIX_SIZE]
            self.received -= PREFIX_SIZE
        if self.received > self.length:
            del buffer[self.length - self.received :]
            self.received = self.length
        complete = self.received == self.length
        if self._reader is None:
            if complete:
                self.body = bytes(buffer)
        elif complete or len(buffer) >= _FED:
            self._undo(self._reader, complete)

    def _decompressing(self) -> BodyReader:
        if self._encoding == "identity":
            raise NotCompressed("a message is said to be compressed, and grpc-encoding does not say how")
        if self._encoding not in COMPRESSIONS:
            raise UnknownCompression(f"grpc-encoding {self._encoding[:64]!r} is not known here")
        return BodyReader(self._encoding, self._max_size, self._max_size, COMPRESSIONS, self._hold, sniff=False)

    def _undo(self, reader: BodyReader, last: bool) -> None:
        try:
            reader.feed(bytes(self._buffer))
            self._buffer.clear()
            if last:
                self.body = reader.finish()
        except PayloadTooLarge:
            raise
        except PayloadError as problem:
            raise NotCompressed(str(problem)) from None
