"""The files of the log in one directory: segments of entries, cursors, dead letters. Synchronous; `DurableLog` gives it
a thread.

A log of one's own has to prove what a database brings: that a torn end is cut, that damage costs only what it hit, that
no order of crashes loses a cursor. It is worth it. Measured with `benchmarks/log.py` on two shared cores, CPU per kB
for append, sync, cursors and deletion in groups of 20: docs/delivery.md has the figures, SQLite's beside them.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spanledger.errors import LogError
from spanledger.model.distribution import Distribution
from spanledger.pipeline.base import Entry
from spanledger.pipeline.cursor_file import CursorFile
from spanledger.pipeline.dead_letters import DeadLetter, letter_of_entry
from spanledger.pipeline.framing import Damage, Head, described
from spanledger.pipeline.letter_box import LetterBox, damaged_directory
from spanledger.pipeline.reserve import new_salt
from spanledger.pipeline.segment import SUFFIX, Segment, salt_of, sync_directory
from spanledger.pipeline.settings import FileStorageSettings, WarmUpSettings

logger = logging.getLogger(__name__)

_OLD_LOG: Final = "log.db"
"""The log of the first, unreleased versions, in SQLite."""
_COMMIT_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds."""
_ROOM_SHARE: Final = 4
_ROOM_SECONDS: Final = 0.25
"""How much of the free room of the disk may be filled, and for how long, before the next look at it."""
_SEGMENTS: Final = 8
"""A log has room for so many segments at least, so that it gives room back in steps that are small beside its bound."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a log holds when it is opened."""

    bytes: int
    last_seq: int
    last_received_ns: int
    oldest_waiting_ns: int | None
    """When the oldest entry was received that some exporter has not written."""
    dead_letters: int
    damaged: int
    """Entries, and stretches between entries, that could not be read back."""
    torn_bytes: int
    """What a crash in the middle of a commit had left at the end, cut off now. Nobody was told that it is safe."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """An entry, or a stretch between entries, that cannot be read back."""

    segment: Segment
    stretch: Damage
    letter: DeadLetter | None
    """None for a stretch."""


class NoRoom(LogError):
    """The disk has less room than must stay free."""


def is_full(error: Exception) -> bool:
    """Whether there was no room on the disk."""
    return isinstance(error, NoRoom) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT))


class LogFile:
    """What one thread writes. The directory must be locked by the caller."""

    def __init__(self, settings: FileStorageSettings) -> None:
        self._directory = settings.directory
        self._settings = settings
        self._segment_bytes = max(min(settings.segment_bytes, settings.max_bytes // _SEGMENTS), 1)
        self._cursors = CursorFile(settings.directory)
        self._salt = b""
        self.dead_letters = LetterBox(settings.directory, settings.dead_letters_max_bytes)
        self.commit_seconds = Distribution(_COMMIT_BOUNDS)
        """How long appends took, with their sync."""
        self.segments: tuple[Segment, ...] = ()
        """In order. Another thread may take them as they are."""
        self._room = 0
        self._room_until = -math.inf
        self.head = 0
        """Entries up to this place are gone, even if a file still holds them."""

    # Opening.

    def open(self, now_ns: int) -> Content:
        """Open or create. Damage is put among the dead letters, which carry `now_ns`. Raises `LogError`."""
        try:
            return self._open(now_ns)
        except OSError as error:
            self.close()
            raise LogError(f"cannot open the log in {self._directory}: {error}") from error
        except BaseException:
            self.close()
            raise

    def _open(self, now_ns: int) -> Content:
        if (self._directory / _OLD_LOG).exists():
            raise LogError(
                f"{self._directory / _OLD_LOG} is the log of an older spanledger, which this one cannot read; deliver "
                "what it holds with the older one, or move it away"
            )
        paths = sorted(path for path in self._directory.glob(f"*{SUFFIX}") if path.stem.isdigit())
        salts = (salt_of(path) for path in reversed(paths))
        self._salt = self._cursors.read() or next(filter(None, salts), None) or new_salt()
        damaged: list[Damaged] = []
        torn = last_seq = last_received_ns = 0
        segments: list[Segment] = []
        for path in paths:
            segment = Segment(path, self._salt)
            recovered = segment.recover(is_last=path == paths[-1])
            torn += recovered.torn
            last_seq = max(last_seq, segment.last_seq)
            last_received_ns = max(last_received_ns, segment.last_received_ns)
            damaged += [Damaged(segment, stretch, None) for stretch in recovered.damages]
            damaged += [
                Damaged(segment, Damage(head.at, head.end), letter_of_damaged(head, body, reason))
                for head, body, reason in recovered.bad
            ]
            segments.append(segment)
        self._cursors.open(self._salt)
        letters = 0
        try:
            self.dead_letters.open()
            self.quarantine(damaged, now_ns)
            letters = self.dead_letters.count()
        except (LogError, OSError) as error:  # a full disk; what is damaged is met again when it is read
            logger.warning("the dead letters of %s cannot be written yet: %s", self._directory, error)
        needed = {id(one.segment) for one in damaged if one.stretch.at not in one.segment.skip}
        for segment in segments:
            if not segment.entries and id(segment) not in needed:
                segment.delete()  # its process was killed before the first append, or all of it was put aside
        self.segments = tuple(segment for segment in segments if segment.entries or id(segment) in needed)
        self.trim(keep_warm_up=True)
        if self._used > self._settings.max_bytes:  # files hold what had given way to other entries before
            self.trim(keep_warm_up=False)
        return Content(
            self._used,
            max(last_seq, *self._cursors.cursors.values(), 0),
            last_received_ns,
            next((ns for segment in self.segments if (ns := segment.received_after(self.floor)) is not None), None),
            letters,
            len(damaged),
            torn,
        )

    def close(self) -> None:
        """Close; pending work must have ended."""
        if self.segments:
            self.segments[-1].seal()
        self._cursors.close()
        self.dead_letters.close()

    # Entries.

    def append(self, entries: Sequence[Entry]) -> None:
        """Append entries and sync them. Raises `OSError`, and `NoRoom` before the disk is full to the last byte;
        nothing was kept then."""
        began = time.perf_counter()
        self._leave_room(sum(entry.size for entry in entries), began)
        active = self.segments[-1] if self.segments and self.segments[-1].writable else None
        if active is not None and active.end >= self._segment_bytes:
            active.seal()
            active = None
        if active is None:
            active = Segment.create(self._directory, entries[0].seq, self._salt, self._segment_bytes)
            try:
                active.append(entries)
            except OSError:
                active.abandon()
                active.delete()
                raise
            self.segments = (*self.segments, active)
        else:
            active.append(entries)
        self.commit_seconds.add(time.perf_counter() - began)

    def _leave_room(self, size: int, now: float) -> None:
        """Look whether the disk has room for so many bytes; not every time, because a look costs as much as a small
        append without its sync. Raises `NoRoom`."""
        at_least = self._settings.min_free_bytes
        if not at_least or (size <= self._room and now < self._room_until):
            self._room -= size
            return
        disk = os.statvfs(self._directory)
        free = disk.f_bavail * disk.f_frsize - at_least
        if free < size:
            self._room = 0
            raise NoRoom(f"the disk of {self._directory} has less than {at_least + size} bytes free")
        self._room = free // _ROOM_SHARE
        self._room_until = now + _ROOM_SECONDS

    def trim(self, *, keep_warm_up: bool) -> int:
        """Delete what every cursor passed; the bytes freed."""
        _, freed = self._delete_through(self.warm_up_start(self.floor) if keep_warm_up else self.floor)
        return freed

    def roll(self) -> bool:
        """Where every cursor has passed all entries, let the next one begin another file; whether that is so."""
        newest = self.segments[-1] if self.segments else None
        if newest is None or self.floor < newest.last_seq:
            return False
        newest.seal()
        return True

    @property
    def floor(self) -> int:
        """Place that every exporter has passed."""
        return min(self._cursors.cursors.values(), default=0)

    def drop_oldest(self, size: int, through: int) -> tuple[int, int]:
        """Delete the oldest entries up to a place, and further until `size` bytes are free: (entries, bytes)."""
        wanted = self._place(self.head) + size
        for segment in self.segments if size else ():
            through = max(through, segment.seq_at(wanted))
            wanted -= segment.bytes
            if wanted <= 0:
                break
        return self._delete_through(through)

    def warm_up_start(self, before: int) -> int:
        """Place after which the entries up to `before` lie within the bounds of the warm-up. For any thread."""
        return warm_up_start(self.segments, self._settings.warm_up, self.head, before)

    def quarantine(self, damaged: Sequence[Damaged], at_ns: int) -> int:
        """Put damage among the dead letters, and stretches that are no entries in a folder; how many of them were new.
        Raises `OSError`, `LogError`."""
        fresh = [one for one in damaged if one.segment.path.exists()]
        letters = [one.letter or self._put_aside(one.segment, one.stretch) for one in fresh]
        if letters:
            self.dead_letters.add(letters, at_ns)
        for one, letter in zip(fresh, letters, strict=True):
            one.segment.skip.add(one.stretch.at)
            logger.error("the log in %s is damaged: %s", self._directory, letter.reason)
        return len(letters)

    # Cursors.

    def register(self, names: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
        """(cursors of these exporters, cursors of others, which are forgotten now). Raises `OSError`."""
        known = dict(self._cursors.cursors)
        slowest = min(known.values(), default=0)
        cursors = {name: known.pop(name, slowest) for name in names}
        self._cursors.save(cursors)
        return cursors, known

    def save_cursors(self, cursors: Mapping[str, int]) -> None:
        """Set cursors. Raises `OSError`."""
        self._cursors.save({**self._cursors.cursors, **cursors})

    def _delete_through(self, last: int) -> tuple[int, int]:
        """(entries, bytes) that go. Files go whole, but for the newest with entries: it tells the next start which
        places and times were used."""
        if last <= self.head:
            return 0, 0
        entries = freed = 0
        kept: list[Segment] = []
        for segment in self.segments:
            before, after = segment.place_after(self.head), segment.place_after(last)
            entries, freed = entries + after.entries - before.entries, freed + after.bytes - before.bytes
            if segment.last_seq > last or segment is self.segments[-1]:
                kept.append(segment)
            else:
                segment.delete()
        self.head = last
        self.segments = tuple(kept)
        return entries, freed

    @property
    def _used(self) -> int:
        return sum(segment.bytes for segment in self.segments) - self._place(self.head)

    def _place(self, seq: int) -> int:
        """Bytes of entries up to and including `seq` in the files that are left."""
        return sum(segment.place_after(seq).bytes for segment in self.segments)

    def _put_aside(self, segment: Segment, stretch: Damage) -> DeadLetter:
        directory = damaged_directory(self._directory)
        kept = directory / f"{segment.path.stem}-{stretch.at}"
        with segment.path.open("rb") as source, open(kept, "wb", opener=_private) as target:
            source.seek(stretch.at)
            target.write(source.read(stretch.end - stretch.at))
            target.flush()
            os.fsync(target.fileno())
        sync_directory(directory)
        reason = f"{stretch.end - stretch.at} bytes of {segment.path.name} are no entries any more; kept in {kept}"
        name = f"{segment.path.name}:{stretch.at}"
        return letter_of_entry("log", "", segment.first_seq, "log/bytes", name.encode(), reason, name=name)


def letter_of_damaged(head: Head, body: bytes, reason: str) -> DeadLetter:
    """An entry whose body was damaged."""
    signal, encoding, project, _, _ = described(head)
    return letter_of_entry("log", project, head.seq, f"{signal}/{encoding}", body, reason)


def warm_up_start(segments: Sequence[Segment], bounds: WarmUpSettings, head: int, before: int) -> int:
    """Place after which the entries up to `before` lie within the bounds. Age counts back from the newest of them and
    not from now, so that a long outage does not cost the mapping its memory."""
    start = before
    entries = size = 0
    oldest_ns: int | None = None

    def fits(first_seq: int, first_ns: int) -> bool:
        return (
            entries <= bounds.max_entries
            and size <= bounds.max_bytes
            and first_ns >= (oldest_ns or 0)
            and first_seq > head
        )

    for segment in reversed(segments):
        for block in segment.blocks(before):
            if oldest_ns is None and block.last_received_ns is not None:
                oldest_ns = block.last_received_ns - round(bounds.max_age * 1e9)
            if oldest_ns is not None and block.whole:
                entries, size = entries + block.entries, size + block.bytes
                if fits(block.first_seq, block.first_received_ns):
                    start = block.first_seq - 1
                    continue
                entries, size = entries - block.entries, size - block.bytes
            for entry in reversed(segment.heads_of(block)):
                if entry.seq > before:
                    continue
                if oldest_ns is None:
                    oldest_ns = entry.received_ns - round(bounds.max_age * 1e9)
                entries, size = entries + 1, size + entry.size
                if not fits(entry.seq, entry.received_ns):
                    return start
                start = entry.seq - 1
    return start


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
