"""Content encodings of request bodies, undone while the bytes arrive and cut off at a size.

A few kilobytes can unfold to gigabytes, so every step is given the room that is left and stops one byte over it.
gzip uses isal when it is installed (extra `fast`; 2 to 3 times zlib's speed), else zlib.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Final

import cramjam
import lz4.frame
import zstandard

from spanledger.errors import PayloadError, PayloadTooLarge

_gzip_zlib: Any
try:
    from isal import isal_zlib as _gzip_zlib
except ImportError:
    _gzip_zlib = zlib

GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_WINDOW: Final = 1 << 26
"""A decoder must hold the window. The widest that OTLP senders use is 32 MiB (Go's zstd at its best level)."""
_ZSTD_STEP: Final = 256
"""Bytes fed at once: a zstd block of 4 bytes can unfold to 128 KiB, and its decoder takes no output limit."""

_MEMBERS_AT_MOST: Final = 10_000
"""Members of a gzip body, frames of a zstd or lz4 body, chunks of a snappy body. Empty ones cost few bytes to send and
a decoder each to read; block-wise writers (BGZF, snappy) make one of 64 KiB."""


_SNAPPY_IDENTIFIER: Final = b"\xff\x06\x00\x00sNaPpY"
"""How snappy's framing format begins."""
_SNAPPY_CHUNK: Final = 1 << 17
"""Bytes; a chunk of the framing format unfolds to 64 KiB at most, and those that hold nothing need not be large."""
_SNAPPY_LENGTH: Final = 5
"""Bytes in which a snappy block says to how many bytes it unfolds."""


class Codec(ABC):
    """One content encoding, fed piece by piece."""

    announced = 0
    """Bytes that the whole unfolds to by its own words, where it says so."""

    @abstractmethod
    def decompress(self, data: bytes, room: int) -> Iterator[bytes]:
        """What `data` unfolds to, in parts. May stop early once it has produced more than `room` bytes."""

    @abstractmethod
    def finished(self) -> bool:
        """Whether the stream came to its proper end."""

    def rest(self) -> bytes:
        """What can only be told once everything has come."""
        return b""


class BodyReader:
    """Collects a request body: counts what arrives, decompresses it, and raises at either limit.

    gzip is recognised by its first bytes: proxies lose the header, and undo the compression and keep it. Raises
    `PayloadError` for an unknown encoding and for bytes that are not in the promised one, `PayloadTooLarge` over a
    limit.
    """

    def __init__(
        self,
        content_encoding: str,
        max_received: int,
        max_decompressed: int,
        allowed: frozenset[str],
        hold: Callable[[int], None] = lambda size: None,
        *,
        sniff: bool = True,
    ) -> None:
        """`hold` is told how many bytes the body takes, whenever they become more; what it raises ends the reading.
        Without `sniff` the encoding is believed."""
        self._encoding = content_encoding.strip().lower() or "identity"
        make = _CODECS.get(self._encoding)
        if self._encoding != "identity" and (make is None or _ALIASES.get(self._encoding) not in allowed):
            supported = ", ".join(sorted(allowed | {"identity"}))
            raise PayloadError(f"unsupported Content-Encoding: {self._encoding[:64]!r}, supported are {supported}")
        self._codec = make() if make is not None else None
        self._sniff = sniff and "gzip" in allowed and _ALIASES.get(self._encoding, "gzip") == "gzip"
        self._hold = hold
        self._max_received = max_received
        self._max_decompressed = max_decompressed
        self._received = 0
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body as it arrived."""
        if not data:
            return
        self._received += len(data)
        if self._received > self._max_received:
            raise PayloadTooLarge(f"the request body is larger than {self._max_received} bytes")
        self._hold(self._received)
        if self._sniff:
            data = b"".join((*self._parts, data))
            self._parts.clear()
            self._size = 0
            if len(data) < len(GZIP_MAGIC):
                self._keep(data)
                return
            self._sniff = False
            self._codec = None
            if data.startswith(GZIP_MAGIC):
                self._encoding, self._codec = "gzip", _CODECS["gzip"]()
        if self._codec is None:
            self._keep(data)
            return
        try:
            for part in self._codec.decompress(data, self._max_decompressed - self._size):
                self._keep(part)
            if self._codec.announced > self._max_decompressed:
                raise self._too_large()
        except _BROKEN as problem:
            raise PayloadError(f"the body is not valid {self._encoding}: {problem}") from None

    def finish(self) -> bytes:
        """The whole body, decompressed."""
        if not self._sniff and self._codec is not None and self._received:
            if not self._codec.finished():
                raise PayloadError(f"the body is not valid {self._encoding}: it ends too early")
            try:
                self._keep(self._codec.rest())
            except _BROKEN as problem:
                raise PayloadError(f"the body is not valid {self._encoding}: {problem}") from None
        return b"".join(self._parts)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_decompressed:
            raise self._too_large()
        if data:
            self._hold(self._size)
            self._parts.append(data)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"the decompressed request body is larger than {self._max_decompressed} bytes")


class _Gzip(Codec):
    """One gzip member after the other (RFC 1952 section 2.2)."""

    def __init__(self) -> None:
        self._member: Any = None
        self._members = 0

    def decompress(self, data: bytes, room: int) -> Iterator[bytes]:
        while data and room >= 0:
            if self._member is None:
                if not data.startswith(GZIP_MAGIC[: len(data)]):  # isal would wait for more
                    raise zlib.error("it does not start like gzip")
                self._members += 1
                if self._members > _MEMBERS_AT_MOST:
                    raise zlib.error("it has too many members")
                self._member = _gzip_zlib.decompressobj(wbits=31)
            part = self._member.decompress(data, room + 1)
            room -= len(part)
            yield part
            if self._member.eof:
                data = self._member.unused_data
                self._member = None
            else:
                data = self._member.unconsumed_tail
                if not part and not data:
                    break

    def finished(self) -> bool:
        return self._member is None


class _Deflate(Codec):
    """A zlib stream (RFC 1950), which is what HTTP calls deflate, or the bare one (RFC 1951) that some send."""

    def __init__(self) -> None:
        self._head = b""
        self._stream: Any = None

    def decompress(self, data: bytes, room: int) -> Iterator[bytes]:
        if self._stream is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return
            has_header = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        yield self._stream.decompress(data, room + 1)

    def finished(self) -> bool:
        return self._stream is not None and bool(self._stream.eof)


class _Zstd(Codec):
    """zstd frames, one after the other (RFC 8878)."""

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame: Any = None
        self._frames = 0

    def decompress(self, data: bytes, room: int) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_STEP):
            step = data[at : at + _ZSTD_STEP]
            while step and room >= 0:
                if self._frame is None:
                    self._frames += 1
                    if self._frames > _MEMBERS_AT_MOST:
                        raise zstandard.ZstdError("it has too many frames")
                    self._frame = self._decompressor.decompressobj()
                part = self._frame.decompress(step)
                room -= len(part)
                yield part
                step = b""
                if self._frame.eof:
                    step = self._frame.unused_data
                    self._frame = None
            if room < 0:
                break

    def finished(self) -> bool:
        return self._frame is None


class _Lz4(Codec):
    """LZ4 frames, one after the other."""

    def __init__(self) -> None:
        self._frame: Any = None
        self._frames = 0

    def decompress(self, data: bytes, room: int) -> Iterator[bytes]:
        while data and room >= 0:
            if self._frame is None:
                self._frames += 1
                if self._frames > _MEMBERS_AT_MOST:
                    raise zlib.error("it has too many frames")
                self._frame = lz4.frame.LZ4FrameDecompressor()
            while room >= 0:
                try:
                    part = self._frame.decompress(data, max_length=room + 1)
                except RuntimeError as problem:
                    raise zlib.error(str(problem)) from None
                data = b""
                room -= len(part)
                yield part
                if self._frame.eof:
                    data = self._frame.unused_data or b""
                    self._frame = None
                    break
                if self._frame.needs_input:
                    return

    def finished(self) -> bool:
        return self._frame is None


class _Snappy(Codec):
    """One snappy block, or snappy's framing format: senders call both snappy, and the first bytes tell which it is.

    A block says at its beginning to how many bytes it unfolds, and can only be undone as a whole.
    """

    def __init__(self) -> None:
        self._waiting = b""
        self._framed: bool | None = None
        self._parts: list[bytes] = []
        self._count = 0

    def decompress(self, data: bytes, room: int) -> Iterator[bytes]:
        if self._framed is None:
            self._waiting += data
            if _SNAPPY_IDENTIFIER.startswith(self._waiting):
                return
            self._framed = self._waiting.startswith(_SNAPPY_IDENTIFIER)
            data, self._waiting = self._waiting, b""
        if self._framed:
            yield from self._chunks(data, room)
            return
        self._parts.append(data)
        if not self.announced:
            head = b"".join(self._parts)
            if len(head) >= _SNAPPY_LENGTH:
                self.announced = cramjam.snappy.decompress_raw_len(head)

    def finished(self) -> bool:
        return not self._waiting or self._waiting == _SNAPPY_IDENTIFIER

    def rest(self) -> bytes:
        return bytes(cramjam.snappy.decompress_raw(b"".join(self._parts))) if self._parts else b""

    def _chunks(self, data: bytes, room: int) -> Iterator[bytes]:
        """Undone one by one, with their checksums: the decoder knows no bound for its output."""
        data = self._waiting + data
        at = 0
        while room >= 0 and at + 4 <= len(data):
            end = at + 4 + int.from_bytes(data[at + 1 : at + 4], "little")
            if end - at > _SNAPPY_CHUNK:
                raise zlib.error("a chunk is too large")
            if end > len(data):
                break
            self._count += 1
            if self._count > _MEMBERS_AT_MOST:
                raise zlib.error("it has too many chunks")
            part = bytes(cramjam.snappy.decompress(_SNAPPY_IDENTIFIER + data[at:end]))
            room -= len(part)
            yield part
            at = end
        self._waiting = data[at:]


_BROKEN: Final = (zlib.error, _gzip_zlib.error, zstandard.ZstdError, cramjam.DecompressionError)
_CODECS: Final[dict[str, Callable[[], Codec]]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "zlib": _Deflate,
    "zstd": _Zstd,
    "snappy": _Snappy,
    "x-snappy-framed": _Snappy,
    "lz4": _Lz4,
}
_ALIASES: Final = {name: "gzip" if name == "x-gzip" else name for name in _CODECS}
COMPRESSIONS: Final = frozenset(_ALIASES.values())
"""Every content encoding that can be allowed; `identity` always is."""
