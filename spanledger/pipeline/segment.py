"""One file of the log: written by one process from its beginning to its end, then only read, then deleted.

A segment is *sealed* when it is full: an index of its entries follows them, so that a start after a long outage reads a
few kB of each file. The last one of a process that was killed has none; its entries are read through once.
"""

from __future__ import annotations

import contextlib
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from spanledger.errors import LogError
from spanledger.pipeline.base import Entry
from spanledger.pipeline.framing import HEAD_BYTES, Damage, Found, Head, Window, crc32, entry_of, frame, heads, is_torn
from spanledger.pipeline.marks import MARK_BYTES, Marks
from spanledger.pipeline.reserve import RESERVE_BYTES, SMALL_GROUP, fill, has_fill, used

SUFFIX: Final = ".segment"
_MAGIC: Final = b"SPLGSEG\0"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sI16sI")
"""Magic, version, salt, crc."""
_FOOTER: Final = struct.Struct("<QqQQQIII4s")
"""Last seq, its time, entries, bytes, end of the entries, marks, crc of the marks, crc of the footer so far, magic."""
_FOOTER_MAGIC: Final = b"\x89SLi"
_INDEX_MAGIC: Final = b"\x89SLx"
"""Stands where the entries end and the index begins, so that an index which was never finished is no damage."""
_IOV_MAX: Final = 1000


class Place(NamedTuple):
    """How much lies before some entry in its segment."""

    entries: int
    bytes: int


class Block(NamedTuple):
    """Entries between two marks."""

    mark: int
    first_seq: int
    first_received_ns: int
    last_received_ns: int | None
    """Where it is known without reading the file."""
    entries: int
    bytes: int
    whole: bool
    """Whether all of them lie before the place that was asked for."""


class Recovered(NamedTuple):
    """What reading a segment through has found besides its entries."""

    damages: Sequence[Damage]
    bad: Sequence[tuple[Head, bytes, str]]
    """Entries whose body is damaged, the body, and what is wrong."""
    torn: int
    """Bytes at the end that a crash left behind."""


class Segment:
    """A file of entries. One thread writes and may look things up, others look things up; nothing that they see shrinks
    but by the file's deletion, which reads as if it were empty."""

    def __init__(self, path: Path, salt: bytes) -> None:
        self.path = path
        self.first_seq = int(path.stem)
        """No entry has a lower one."""
        self.salt = salt
        self.seed = crc32(salt)
        self.end = _HEADER.size
        """Where the committed entries end."""
        self.last_seq = 0
        self.last_received_ns = 0
        self.entries = 0
        self.bytes = 0
        """Of all entries, as the log counts them."""
        self.skip: set[int] = set()
        """Where damage begins, or a damaged entry, that was told before."""
        self._marks = Marks()
        self._descriptor: int | None = None
        self._reserved = 0
        """Where the room ends that is written ahead."""
        self._reserve_until = 0

    # Writing.

    @classmethod
    def create(cls, directory: Path, first_seq: int, salt: bytes, size: int) -> Segment:
        """A new file, whose name is on disk, for about so many bytes. Raises `OSError`; there is no file then."""
        segment = cls(directory / f"{first_seq:020}{SUFFIX}", salt)
        segment._reserve_until = size
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(segment.path, flags, 0o600)
        try:
            fields = _HEADER.pack(_MAGIC, _VERSION, salt, 0)[:-4]
            _write(descriptor, [fields, struct.pack("<I", crc32(fields))], 0)
            os.fsync(descriptor)
            sync_directory(directory)
        except BaseException:
            os.close(descriptor)
            segment.path.unlink(missing_ok=True)
            raise
        segment._descriptor = descriptor
        return segment

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries and sync them. Raises `OSError`; nothing of them is in the file then, or `writable` is no
        longer true."""
        descriptor = self._descriptor
        if descriptor is None:
            raise OSError("the segment is closed for writing")
        parts: list[bytes] = []
        found: list[Head] = []
        at = self.end
        for entry in entries:
            head = frame(entry, self.seed)
            parts += (head, entry.body)
            description = head[HEAD_BYTES:] if entry.context else b""  # of those without, nobody asks for it
            end = at + len(head)
            found.append(Head(at, entry.seq, entry.received_ns, description, end, len(entry.body), 0))
            at = found[-1].end
        if at > self._reserved:
            self._reserve(descriptor, at, at - self.end)
        try:
            _write(descriptor, parts, self.end)
        except OSError:
            try:
                os.ftruncate(descriptor, self.end)  # no half entry stays
            except OSError:
                self.abandon()
            raise
        try:
            os.fdatasync(descriptor)
        except OSError:
            # What the kernel could not write it may have marked as written: a second sync would lie (Linux before and
            # after 4.13, see fsync(2)). Nothing more is written to this file.
            self.abandon()
            raise
        for one in found:
            self._count(one)
        self.end = at

    def _reserve(self, descriptor: int, at: int, group: int) -> None:
        """Write room ahead from a place, where groups are small. Without any an append makes the file longer."""
        size = min(RESERVE_BYTES, self._reserve_until - at)
        if group > SMALL_GROUP or size <= 0:
            return
        try:
            _write(descriptor, [fill(self.salt, at, size)], at)
        except OSError:  # the disk is about to be full; the append may still fit
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self.end)
        else:
            self._reserved = at + size

    @property
    def writable(self) -> bool:
        """Whether more may be appended."""
        return self._descriptor is not None

    def seal(self) -> None:
        """Add the index, close for writing. Without room for it the next start reads the file through."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        raw = self._marks.to_bytes()
        fields = (self.last_seq, self.last_received_ns, self.entries, self.bytes, self.end, len(self._marks.seqs))
        footer = _FOOTER.pack(*fields, crc32(raw, self.seed), 0, _FOOTER_MAGIC)
        footer = _FOOTER.pack(*fields, crc32(raw, self.seed), crc32(footer, self.seed), _FOOTER_MAGIC)
        try:
            _write(descriptor, [_INDEX_MAGIC, raw, footer], self.end)
            os.ftruncate(descriptor, self.end + len(_INDEX_MAGIC) + len(raw) + len(footer))
            os.fdatasync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self.end)
        finally:
            os.close(descriptor)

    def abandon(self) -> None:
        """Close for writing after an error that leaves the end of the file unknown. What was committed stays."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self.end)
            os.close(descriptor)

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)

    # Opening.

    def recover(self, *, is_last: bool) -> Recovered:
        """Know the entries of an existing file: from its index, or by reading it through. Of the last segment an
        unfinished entry is cut off. Raises `OSError`, `LogError`."""
        with self._opened(os.O_RDWR if is_last else os.O_RDONLY) as descriptor:
            size = os.fstat(descriptor).st_size
            self._read_header(descriptor)
            if self._read_footer(descriptor, size):
                return Recovered((), (), 0)
            return self._read_through(descriptor, size, is_last=is_last)

    def _read_header(self, descriptor: int) -> None:
        raw = os.pread(descriptor, _HEADER.size, 0)
        if len(raw) < _HEADER.size or crc32(raw[:-4]) != struct.unpack("<I", raw[-4:])[0]:
            return  # the salt is known from elsewhere
        magic, version, salt, _ = _HEADER.unpack(raw)
        if magic == _MAGIC and version > _VERSION:
            raise LogError(f"{self.path} was written by a newer spanledger (format {version}, known is {_VERSION})")
        self.salt, self.seed = salt, crc32(salt)

    def _read_footer(self, descriptor: int, size: int) -> bool:
        raw = os.pread(descriptor, _FOOTER.size, max(size - _FOOTER.size, 0))
        if len(raw) < _FOOTER.size or raw[-4:] != _FOOTER_MAGIC:
            return False
        *fields, marks_crc, crc, _ = _FOOTER.unpack(raw)
        last_seq, last_received_ns, entries, size_of_entries, end, count = fields
        if crc32(_FOOTER.pack(*fields, marks_crc, 0, _FOOTER_MAGIC), self.seed) != crc:
            return False
        end_of_index = end + len(_INDEX_MAGIC) + count * MARK_BYTES
        marks = os.pread(descriptor, count * MARK_BYTES, end + len(_INDEX_MAGIC))
        if end_of_index + _FOOTER.size != size or crc32(marks, self.seed) != marks_crc:
            return False
        self.last_seq, self.last_received_ns = last_seq, last_received_ns
        self.entries, self.bytes = entries, size_of_entries
        self.end, self._marks = end, Marks.from_bytes(marks, count)
        return True

    def _read_through(self, descriptor: int, size: int, *, is_last: bool) -> Recovered:
        window = Window(descriptor, size, 1024 * 1024)
        damages: list[Damage] = []
        bad: list[tuple[Head, bytes, str]] = []
        unsynced: list[Found] = []
        torn = 0
        end = self.end
        for found in heads(window, _HEADER.size, size, self.seed):
            if isinstance(found, Head):
                body = window.get(found.body_at, found.body_bytes)
                try:
                    entry_of(found, body, self.seed)
                except ValueError as error:
                    if has_fill(self.salt, found.body_at, body):
                        unsynced.append(found)
                        continue
                    bad.append((found, body, str(error)))
                self._leave_out(unsynced)
                unsynced = []
                self._count(found)
                end = found.end
                continue
            data = window.get(found.at, found.end - found.at)
            written = Damage(found.at, found.at + used(self.salt, found.at, data))
            if has_fill(self.salt, found.at, data[: written.end - written.at]):
                unsynced.append(found)
            elif found.end < size:
                damages.append(found)
            elif not data.startswith(_INDEX_MAGIC) and written.at != written.end:
                if is_torn(window, written, self.seed):
                    torn += written.end - written.at
                    continue
                damages.append(written)
                end = written.end
                # How many entries stood here is unknown; their places are not given again.
                self.last_seq = max(self.last_seq, self.first_seq) + len(data) // HEAD_BYTES
        torn += sum(one.end - one.at for one in unsynced)
        if is_last:
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)  # what a killed process wrote and did not sync must not vanish after it was delivered
        self.end = end
        return Recovered(damages, bad, torn)

    def _leave_out(self, unsynced: Sequence[Found]) -> None:
        """Pass over what a crash left half written, though something whole comes after it."""
        for found in unsynced:
            self.skip.add(found.at)
            if isinstance(found, Head):
                self._count(found)

    # Looking up.

    @contextlib.contextmanager
    def reading(self, window: int = 0) -> Iterator[Window]:
        """The file up to its committed end; it reads as if it were empty once it is deleted."""
        try:
            with self._opened(os.O_RDONLY) as descriptor:
                yield Window(descriptor, self.end, window) if window else Window(descriptor, self.end)
        except FileNotFoundError:
            yield Window(-1, 0)

    def after(self, window: Window, seq: int) -> Iterator[Found]:
        """Entries with a higher seq, in order, with the damage between them that was not told before."""
        if seq >= self.last_seq:
            return
        at = self._marks.offsets[self._mark(seq)] if self.first_seq <= seq and self._marks.seqs else _HEADER.size
        for found in heads(window, at, min(self.end, window.end), self.seed):
            if isinstance(found, Damage):
                if found.at not in self.skip:
                    yield found
            elif found.seq > seq and found.at not in self.skip:
                yield found

    def place_after(self, seq: int) -> Place:
        """How much lies up to and including `seq`."""
        if seq >= self.last_seq:
            return Place(self.entries, self.bytes)
        if seq < self.first_seq or not self._marks.seqs:
            return Place(0, 0)
        mark = self._mark(seq)
        entries, size = self._marks.entries[mark], self._marks.bytes[mark]
        for head in self._between(mark):
            if head.seq > seq:
                break
            entries, size = entries + 1, size + head.size
        return Place(entries, size)

    def bytes_before(self, seq: int) -> int:
        """About as `place_after`, too few by at most the bytes between two marks, and without a look at the file."""
        if seq >= self.last_seq:
            return self.bytes
        if seq < self.first_seq or not self._marks.seqs:
            return 0
        return self._marks.bytes[self._mark(seq)]

    def received_after(self, seq: int) -> int | None:
        """When the first entry behind `seq` was received; None when there is none."""
        if seq >= self.last_seq or not self._marks.seqs:
            return None
        heads_there = (head for at in range(self._mark(seq), len(self._marks.seqs)) for head in self._between(at))
        return next((head.received_ns for head in heads_there if head.seq > seq), None)

    def seq_at(self, size: int) -> int:
        """The first entry with which as many bytes are reached, from the beginning of the segment; else the last."""
        mark = max(bisect_right(self._marks.bytes, size) - 1, 0)
        if not self._marks.seqs:
            return self.last_seq
        reached = self._marks.bytes[mark]
        for head in self._between(mark):
            reached += head.size
            if reached >= size:
                return head.seq
        return self.last_seq

    def blocks(self, seq: int) -> Iterator[Block]:
        """The entries up to and including `seq` in blocks, from the last to the first."""
        marks = self._marks
        for at in range(bisect_right(marks.seqs, seq) - 1, -1, -1):
            if at + 1 < len(marks.seqs):
                whole, last_received_ns = marks.seqs[at + 1] <= seq + 1, None
                entries, size = marks.entries[at + 1], marks.bytes[at + 1]
            else:
                whole, last_received_ns = self.last_seq <= seq, self.last_received_ns if self.last_seq <= seq else None
                entries, size = self.entries, self.bytes
            yield Block(
                at,
                *(marks.seqs[at], marks.times[at], last_received_ns),
                *(entries - marks.entries[at], size - marks.bytes[at], whole),
            )

    def heads_of(self, block: Block) -> list[Head]:
        """The entries of a block, in order."""
        return self._between(block.mark)

    def _mark(self, seq: int) -> int:
        return max(bisect_right(self._marks.seqs, seq) - 1, 0)

    def _between(self, mark: int) -> list[Head]:
        """Entries from a mark to the next one."""
        offsets = self._marks.offsets
        end = offsets[mark + 1] if mark + 1 < len(offsets) else self.end
        with self.reading() as window:
            found = heads(window, offsets[mark], min(end, window.end), self.seed)
            return [head for head in found if isinstance(head, Head)]

    def _count(self, head: Head) -> None:
        self._marks.add(head, self.entries, self.bytes)
        self.entries += 1
        self.bytes += head.size
        self.last_received_ns = head.received_ns
        self.last_seq = head.seq

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        descriptor = os.open(self.path, flags | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def salt_of(path: Path) -> bytes | None:
    """The salt in a segment's header; None when that is damaged."""
    try:
        with path.open("rb") as file:
            raw = file.read(_HEADER.size)
    except OSError:
        return None
    if len(raw) < _HEADER.size or crc32(raw[:-4]) != struct.unpack("<I", raw[-4:])[0]:
        return None
    return bytes(_HEADER.unpack(raw)[2])


def sync_directory(directory: Path) -> None:
    """Put the names in a directory on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, parts: Sequence[bytes], at: int) -> None:
    for first in range(0, len(parts), _IOV_MAX):
        some = parts[first : first + _IOV_MAX]
        size = sum(map(len, some))
        written = os.pwritev(descriptor, some, at)
        if written < size:  # a disk that is about to be full; the next attempt says so
            whole = memoryview(b"".join(some))
            while written < size:
                written += os.pwrite(descriptor, whole[written:], at + written)
        at += size
