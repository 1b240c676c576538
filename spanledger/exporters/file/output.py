"""A file that only grows: whole writes, or nothing of them; set aside when it is large."""

from __future__ import annotations

import glob
import os
import struct
import time
from pathlib import Path
from typing import Final

import zstandard

from spanledger.exporters.file.settings import FileSettings, RotationSettings

_MEGABYTE: Final = 1_000_000
_DAY: Final = 86_400 * 10**9
_LENGTH: Final = struct.Struct(">I")
"""Before each message, as the Collector's exporter writes it."""


class Output:
    """One file. Its methods block, and one is called at a time."""

    def __init__(self, path: Path, settings: FileSettings) -> None:
        self.path = path
        self._settings = settings
        self._file: int | None = None
        self._size = 0

    def open(self, *, truncate: bool = False) -> int:
        """Open the file, unless it is. What a process left unfinished when it died comes again as a whole: a line is
        ended, a message cut off. Raises `OSError`."""
        if self._file is not None:
            return self._file
        self.path.parent.mkdir(int(self._settings.directory_permissions, 8), parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | (os.O_TRUNC if truncate else 0)
        self._file = file = os.open(self.path, flags, 0o600)  # it holds what people wrote to a model
        self._size = size = os.fstat(file).st_size
        if self._settings.framed:
            self._size = _whole(file, size)
            if self._size < size:
                os.ftruncate(file, self._size)
        elif size and os.pread(file, 1, size - 1) != b"\n":
            self._size += os.write(file, b"\n")
        return file

    def append(self, data: bytes) -> int:
        """Write lines, or one message, in the form of the settings; the place where it begins, for `take_back`. Raises
        `OSError`, with nothing written."""
        data = self._formed(data)
        rotation = self._settings.rotation
        file = self.open()
        if rotation and self._size and self._size + len(data) > rotation.max_megabytes * _MEGABYTE:
            self._set_aside(rotation)
            file = self.open()
        began = self._size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            if self._settings.fsync:
                os.fsync(file)
        except OSError:
            os.ftruncate(file, began)
            raise
        self._size += len(data)
        return began

    def take_back(self, began: int) -> None:
        """Undo the last write. Raises `OSError`."""
        os.ftruncate(self.open(), began)
        self._size = began

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _formed(self, data: bytes) -> bytes:
        settings = self._settings
        if settings.compression == "zstd":
            data = zstandard.ZstdCompressor(level=settings.compression_params.level or 3).compress(data)
        return _LENGTH.pack(len(data)) + data if settings.framed else data

    def _set_aside(self, rotation: RotationSettings) -> None:
        path = self.path
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S", time.localtime() if rotation.localtime else time.gmtime())
        backup = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
        number = 1
        while backup.exists():
            number += 1
            backup = path.with_name(f"{path.stem}-{stamp}.{number}{path.suffix}")
        path.rename(backup)
        self.close()
        pattern = f"{glob.escape(path.stem)}-????-??-??T??-??-??*{glob.escape(path.suffix)}"
        backups = sorted((found.stat().st_mtime_ns, len(found.name), found) for found in path.parent.glob(pattern))
        oldest = time.time_ns() - rotation.max_days * _DAY if rotation.max_days else 0
        too_many = len(backups) - rotation.max_backups if rotation.max_backups else 0
        for number, (written, _, old) in enumerate(backups):
            if number < too_many or written < oldest:
                old.unlink(missing_ok=True)


def _whole(file: int, size: int) -> int:
    """Where the last whole message ends."""
    at = 0
    while at + _LENGTH.size <= size:
        (length,) = _LENGTH.unpack(os.pread(file, _LENGTH.size, at))
        if at + _LENGTH.size + length > size:
            break
        at += _LENGTH.size + length
    return at
