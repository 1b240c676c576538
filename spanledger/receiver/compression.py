"""Content encodings of request bodies, undone while the bytes arrive and cut off at a size.

A few kilobytes can unfold to gigabytes, so every step is given the room that is left and stops one byte over it.
gzip uses isal when it is installed (extra `fast`; 2 to 3 times zlib's speed), else zlib.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

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
"""Members of a gzip body, frames of a zstd body. Empty ones cost 20 and 9 bytes to send and a decoder each to read;
block-wise writers (BGZF) make one of 64 KiB."""


class Codec(Protocol):
    """One content encoding, fed piece by piece."""

    def decompress(self, data: bytes, room: int) -> Iterator[bytes]:
        """What `data` unfolds to, in parts. May stop early once it has produced more than `room` bytes."""

    def finished(self) -> bool:
        """Whether the stream came to its proper end."""


class BodyReader:
    """Collects a request body: counts what arrives, decompresses it, and raises at either limit.

    gzip is recognised by its first bytes where the sender (or a proxy) lost the header. Raises `PayloadError` for an
    unknown encoding and for bytes that are not in the promised one, `PayloadTooLarge` over a limit.
    """

    def __init__(
        self,
        content_encoding: str,
        max_received: int,
        max_decompressed: int,
        allowed: frozenset[str],
        hold: Callable[[int], None] = lambda size: None,
    ) -> None:
        """`hold` is told how many bytes the body takes, whenever they become more; what it raises ends the reading."""
        self._encoding = content_encoding.strip().lower() or "identity"
        make = _CODECS.get(self._encoding)
        if self._encoding != "identity" and (make is None or _ALIASES.get(self._encoding) not in allowed):
            supported = ", ".join(sorted(allowed | {"identity"}))
            raise PayloadError(f"unsupported Content-Encoding: {self._encoding[:64]!r}, supported are {supported}")
        self._codec = make() if make is not None else None
        self._sniff = self._codec is None and "gzip" in allowed
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
        if self._sniff:
            data = b"".join((*self._parts, data))
            self._parts.clear()
            self._size = 0
            if len(data) >= len(GZIP_MAGIC):
                self._sniff = False
                if data.startswith(GZIP_MAGIC):
                    self._encoding, self._codec = "gzip", _CODECS["gzip"]()
        if self._codec is None:
            self._keep(data)
            return
        try:
            for part in self._codec.decompress(data, self._max_decompressed - self._size):
                self._keep(part)
        except (zlib.error, _gzip_zlib.error, zstandard.ZstdError) as problem:
            raise PayloadError(f"the body is not valid {self._encoding}: {problem}") from None

    def finish(self) -> bytes:
        """The whole body, decompressed."""
        if self._codec is not None and self._received and not self._codec.finished():
            raise PayloadError(f"the body is not valid {self._encoding}: it ends too early")
        return b"".join(self._parts)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_decompressed:
            raise PayloadTooLarge(f"the decompressed request body is larger than {self._max_decompressed} bytes")
        if data:
            self._hold(self._size)
            self._parts.append(data)


class _Gzip:
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


class _Deflate:
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


class _Zstd:
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


_CODECS: Final[dict[str, Callable[[], Codec]]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "zlib": _Deflate,
    "zstd": _Zstd,
}
_ALIASES: Final = {name: name.removeprefix("x-") for name in _CODECS}
COMPRESSIONS: Final = frozenset(_ALIASES.values())
"""Every content encoding that can be allowed; `identity` always is."""
