"""How far each exporter is, on disk: two slots that are written in turn.

A slot is overwritten in place, so that a full disk keeps nobody from noting what was delivered: that is what makes
room. Whatever happens in the middle of a write, the other slot holds what was noted before; a cursor that stands too
low means only that some records are written again.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from spanledger.errors import LogError
from spanledger.pipeline.directory_lock import DirectoryLock
from spanledger.pipeline.framing import crc32
from spanledger.pipeline.segment import sync_directory

NAME: Final = "cursors"
_HEAD: Final = struct.Struct("<8sIQI")
"""Magic, version, generation, bytes of the text."""
_MAGIC: Final = b"SPLGCUR\0"
_VERSION: Final = 1
_CRC_BYTES: Final = 4
_SLOT_BYTES: Final = 4096


class _Slot(NamedTuple):
    generation: int
    salt: bytes
    cursors: dict[str, int]


class CursorFile:
    """Cursors by exporter, and the salt of the log."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / NAME
        self._descriptor: int | None = None
        self._slot_bytes = _SLOT_BYTES
        self._generation = 0
        self._salt = b""
        self.cursors: dict[str, int] = {}
        """As noted on disk."""

    def read(self) -> bytes | None:
        """Know what is noted; the salt of the log, None when there is nothing to read. Raises `OSError`, `LogError`."""
        newest = newest_slot(self._path)
        if newest is None:
            return None
        self._generation, self._salt, self.cursors = newest
        return self._salt

    def open(self, salt: bytes) -> None:
        """Make ready for `save`. Raises `OSError`."""
        self._salt = salt
        size = self._path.stat().st_size if self._path.exists() else 0
        if size < 2 * _SLOT_BYTES or size % 2 or newest_slot(self._path) is None:
            self._replace(_SLOT_BYTES)
        else:
            self._slot_bytes = size // 2
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def save(self, cursors: Mapping[str, int]) -> None:
        """Note all cursors. Raises `OSError`; the cursors noted before are still there then."""
        known, self.cursors = self.cursors, dict(cursors)
        try:
            raw = self._slot(self._generation + 1)
            if len(raw) > self._slot_bytes:
                self._replace(2 * len(raw))
                return
            if self._descriptor is None:
                raise OSError("the cursors are not open")
            at = (self._generation + 1) % 2 * self._slot_bytes
            if os.pwrite(self._descriptor, raw, at) < len(raw):
                raise OSError(f"{self._path} was written only in part")
            os.fdatasync(self._descriptor)
            self._generation += 1
        except OSError:
            self.cursors = known
            raise

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _replace(self, slot_bytes: int) -> None:
        """A new file with room for that many bytes in each slot."""
        self.close()
        self._slot_bytes = slot_bytes
        self._generation += 1
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, bytes(2 * slot_bytes), 0)
            os.pwrite(descriptor, self._slot(self._generation), self._generation % 2 * slot_bytes)
            os.fsync(descriptor)
            os.replace(fresh, self._path)
            sync_directory(self._directory)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _slot(self, generation: int) -> bytes:
        text = json.dumps({"salt": self._salt.hex(), "cursors": self.cursors}).encode("ascii")
        raw = _HEAD.pack(_MAGIC, _VERSION, generation, len(text)) + text
        return raw + crc32(raw).to_bytes(_CRC_BYTES, "little")


def move_cursors(directory: Path, cursors: Mapping[str, int], timeout: float) -> None:
    """Set cursors of a log that no process uses. Raises `LogError`, `OSError`."""
    lock = DirectoryLock(directory)
    lock.acquire(timeout)
    file = CursorFile(directory)
    try:
        salt = file.read()
        if salt is None:
            raise LogError(f"{directory} has no cursors")
        file.open(salt)
        file.save({**file.cursors, **cursors})
    finally:
        file.close()
        lock.release()


def newest_slot(path: Path) -> _Slot | None:
    """The slot that was written last, of those that are whole. Raises `LogError` for a format of the future."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    half = len(raw) // 2
    slots = [slot for part in (raw[:half], raw[half:]) if (slot := _parse(part, path)) is not None]
    return max(slots, default=None, key=lambda slot: slot.generation)


def _parse(raw: bytes, path: Path) -> _Slot | None:
    if len(raw) < _HEAD.size + _CRC_BYTES:
        return None
    magic, version, generation, size = _HEAD.unpack_from(raw)
    end = _HEAD.size + size
    if magic != _MAGIC or crc32(raw[:end]) != int.from_bytes(raw[end : end + _CRC_BYTES], "little"):
        return None
    if version > _VERSION:
        raise LogError(f"{path} was written by a newer spanledger (format {version}, known is {_VERSION})")
    content = json.loads(raw[_HEAD.size : end])
    return _Slot(generation, bytes.fromhex(content["salt"]), content["cursors"])
