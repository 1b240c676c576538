"""How an entry lies in a segment of the log: head, description, body.

::

    magic  description bytes  body bytes  seq  received_ns  crc of the body  crc of all before and the description
    4 s    u32                u32         u64  i64          u32              u32          little-endian, 36 bytes
    description: signal NUL encoding NUL project, UTF-8; where pipelines fork, encoding @ road
    body: as received, uncompressed

Two checksums, because they answer two questions: with a good head the place, the size and the project of an entry are
known even where its body is damaged, and the next entry is found without a search. Both start from the *salt* of the
log, which no sender knows: bytes that somebody put into a body never pass for an entry of another project when a search
for the next good head runs through them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from spanledger.model.received import Encoding, Signal
from spanledger.pipeline.base import ENTRY_OVERHEAD, Entry

try:
    from isal.isal_zlib import crc32  # the same polynomial as zlib's, 0.03 instead of 0.39 µs per kB
except ImportError:
    from zlib import crc32

__all__ = [
    "HEAD_BYTES",
    "Damage",
    "Found",
    "Head",
    "Window",
    "crc32",
    "described",
    "entry_of",
    "frame",
    "heads",
    "is_torn",
]

_MAGIC: Final = b"\x89SLe"
_HEAD: Final = struct.Struct("<4sIIQqI")
_CRC: Final = struct.Struct("<I")
HEAD_BYTES: Final = _HEAD.size + _CRC.size
_MAX_DESCRIPTION: Final = 65_536
_CONTEXT: Final = b"\x1f"
"""Stands before the context of an entry, in which no such byte is: it is JSON."""
_WINDOW_BYTES: Final = 32 * 1024
"""Heads of small entries share a reading; those of large ones cost one each, of no more than this."""


class Head(NamedTuple):
    """What is known of an entry without its body."""

    at: int
    """Where the head begins in the file."""
    seq: int
    received_ns: int
    description: bytes
    body_at: int
    body_bytes: int
    body_crc: int

    @property
    def end(self) -> int:
        """Where the next head begins."""
        return self.body_at + self.body_bytes

    @property
    def size(self) -> int:
        """`Entry.size`."""
        _, mark, rest = self.description.partition(_CONTEXT)
        context_bytes = rest.index(b"\0") if mark else 0
        return self.body_bytes + context_bytes + ENTRY_OVERHEAD


class Damage(NamedTuple):
    """Bytes between two good heads, or behind the last one, that are no entries any more."""

    at: int
    end: int


Found: TypeAlias = Head | Damage


def frame(entry: Entry, seed: int) -> bytes:
    """Head and description; the body follows them in the file."""
    # What a version without contexts takes for an unknown road it buries: nothing goes out under another's headers.
    context = f"{_CONTEXT.decode()}{entry.context}" if entry.context else ""
    road = f"@{entry.road}{context}" if entry.road or context else ""
    description = f"{entry.signal}\0{entry.encoding}{road}\0{entry.project_id}".encode("utf-8", "surrogatepass")
    head = _HEAD.pack(_MAGIC, len(description), len(entry.body), entry.seq, entry.received_ns, crc32(entry.body, seed))
    return b"".join((head, _CRC.pack(crc32(description, crc32(head, seed))), description))


def entry_of(head: Head, body: bytes, seed: int) -> Entry:
    """Raises `ValueError` for a body that is not the one written, and for a kind that this version does not know."""
    if crc32(body, seed) != head.body_crc:
        raise ValueError("checksum mismatch: the entry was damaged on disk")
    signal, encoding, project, road, context = described(head)
    try:
        return Entry(head.seq, head.received_ns, project, Signal(signal), Encoding(encoding), body, road, context)
    except ValueError as error:
        raise ValueError(f"the entry cannot be read back: {error}") from error


def described(head: Head) -> tuple[str, str, str, str, str]:
    """(signal, encoding, project, road, context)."""
    signal, _, rest = head.description.decode("utf-8", "surrogatepass").partition("\0")
    form, _, project = rest.partition("\0")
    encoding, _, way = form.partition("@")
    road, _, context = way.partition(_CONTEXT.decode())
    return signal, encoding, project, road, context


class Window:
    """Reads a file in pieces, for eyes that go forward."""

    def __init__(self, descriptor: int, end: int, window: int = _WINDOW_BYTES) -> None:
        self._descriptor = descriptor
        self.end = end
        self._window = window
        self._at = 0
        self._bytes = b""

    def get(self, at: int, size: int) -> bytes:
        """The bytes from `at`, fewer than `size` only at the end."""
        size = min(size, self.end - at)
        if size <= 0:
            return b""
        start = at - self._at
        if start < 0 or start + size > len(self._bytes):
            self._at, start = at, 0
            self._bytes = _read(self._descriptor, at, max(min(self._window, self.end - at), size))
        return self._bytes[start : start + size]


def heads(window: Window, at: int, end: int, seed: int) -> Iterator[Found]:
    """The entries from `at` to `end`, which are both where a head begins or should. What lies between is skipped and
    told as damage, and so are entries that reach beyond the end."""
    damaged_from: int | None = None
    while at < end:
        head = _head(window, at, end, seed)
        if head is None:
            if damaged_from is None:
                damaged_from = at
            at = _next_magic(window, at + 1, end)
            continue
        if damaged_from is not None:
            yield Damage(damaged_from, at)
            damaged_from = None
        yield head
        at = head.end
    if damaged_from is not None:
        yield Damage(damaged_from, end)


def is_torn(window: Window, damage: Damage, seed: int) -> bool:
    """Whether the last bytes of a file are the beginning of an entry that was never finished, or room that was never
    written: what a crash in the middle of a commit leaves, and nobody was told that it is safe."""
    raw = window.get(damage.at, min(HEAD_BYTES, damage.end - damage.at))
    if len(raw) < HEAD_BYTES:
        return _MAGIC.startswith(raw[:4]) or not any(raw)
    if raw[:4] == _MAGIC and damage.at + HEAD_BYTES + _HEAD.unpack_from(raw)[1] > damage.end:
        return True
    if _fields(window, damage.at, damage.end, seed) is not None:
        return True  # a good head whose body does not fit; `heads` took it otherwise
    return not any(window.get(damage.at, damage.end - damage.at))


def _head(window: Window, at: int, end: int, seed: int) -> Head | None:
    head = _fields(window, at, end, seed)
    return head if head is not None and head.end <= end else None


def _fields(window: Window, at: int, end: int, seed: int) -> Head | None:
    raw = window.get(at, HEAD_BYTES)
    if len(raw) < HEAD_BYTES or raw[:4] != _MAGIC:
        return None
    _, description_bytes, body_bytes, seq, received_ns, body_crc = _HEAD.unpack_from(raw)
    if description_bytes > _MAX_DESCRIPTION or at + HEAD_BYTES + description_bytes > end:
        return None
    description = window.get(at + HEAD_BYTES, description_bytes)
    (crc,) = _CRC.unpack_from(raw, _HEAD.size)
    if crc != crc32(description, crc32(raw[: _HEAD.size], seed)):
        return None
    body_at = at + HEAD_BYTES + description_bytes
    return Head(at, seq, received_ns, description, body_at, body_bytes, body_crc)


def _next_magic(window: Window, at: int, end: int) -> int:
    while at < end:
        piece = window.get(at, _WINDOW_BYTES)
        found = piece.find(_MAGIC)
        if found >= 0:
            return at + found
        if len(piece) < len(_MAGIC):
            break
        at += len(piece) - len(_MAGIC) + 1
    return end


def _read(descriptor: int, at: int, size: int) -> bytes:
    read = os.pread(descriptor, size, at)
    if len(read) == size or not read:
        return read
    parts = [read]  # a signal, or a file system that gives less than it has
    while read and (left := size - sum(map(len, parts))) > 0:
        read = os.pread(descriptor, left, at + size - left)
        parts.append(read)
    return b"".join(parts)
