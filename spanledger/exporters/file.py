"""Exporter `file`: records as JSON lines.

A file cannot replace a line: a redelivered or corrected record is a further line. Of the lines of one run the one with
the highest `version` counts.
"""

from __future__ import annotations

import asyncio
import glob
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from spanledger.errors import StoreError
from spanledger.exporters.base import WRITTEN, Exporter, WriteResult
from spanledger.exporters.lines import json_lines
from spanledger.model.records import Record
from spanledger.settings import Duration, Settings

_MEGABYTE = 1_000_000
_DAY = 86_400 * 10**9


class RotationSettings(Settings):
    """`rotation`: begin a new file when the old one is large."""

    max_megabytes: int = Field(default=100, ge=1)
    """Size at which the file is set aside under a name with the time."""
    max_backups: int = Field(default=100, ge=0)
    """Files set aside that are kept; 0 keeps all."""
    max_days: int = Field(default=0, ge=0)
    """Days that files set aside are kept; 0 keeps them whatever their age."""
    localtime: bool = False
    """Their names tell the local time, not UTC."""


class FileSettings(Settings):
    """Exporter `file`."""

    path: str = Field(min_length=1)
    """Where to write. Folders are made."""
    append: bool = True
    """Go on at the end of a file that is there; without, it is emptied at start."""
    fsync: bool = True
    """A batch counts as written when it would outlive a power cut."""
    rotation: RotationSettings | None = None
    """Left out: one file without bound."""
    format: Literal["json"] = "json"
    """JSON lines are all that there is: a record has no form in protobuf."""
    flush_interval: Duration = 1.0
    """Accepted; each batch is in the file before it counts as written."""
    create_directory: bool = True
    """Accepted; folders are always made."""


class FileExporter(Exporter):
    """Writes whole lines: a failed write is taken back."""

    name = "file"

    def __init__(self, settings: FileSettings) -> None:
        self.settings = settings
        self._path = Path(settings.path)
        self._file: int | None = None
        self._size = 0

    async def start(self) -> None:
        """Open the file. Raises `StoreError` when it cannot be written."""
        try:
            await asyncio.to_thread(self._open, truncate=not self.settings.append)
        except OSError as error:
            raise StoreError(f"file: cannot write {self._path}: {error.strerror}") from error

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """Append a line for each record."""
        lines, rejected = json_lines(records)
        try:
            await asyncio.to_thread(self._append, b"".join(lines))
        except OSError as error:
            return WriteResult(retry=f"cannot write {self._path}: {error.strerror}")
        return WriteResult(rejected=rejected) if rejected else WRITTEN

    async def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            await asyncio.to_thread(os.close, self._file)
            self._file = None

    def _open(self, *, truncate: bool) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | (os.O_TRUNC if truncate else 0)
        self._file = file = os.open(self._path, flags, 0o600)  # it holds what people wrote to a model
        self._size = os.fstat(file).st_size
        if self._size and os.pread(file, 1, self._size - 1) != b"\n":
            # A process died in the middle of a line; its batch comes again as a whole.
            self._size += os.write(file, b"\n")
        return file

    def _append(self, data: bytes) -> None:
        rotation = self.settings.rotation
        if rotation and self._size and self._size + len(data) > rotation.max_megabytes * _MEGABYTE:
            self._set_aside(rotation)
        file = self._open(truncate=False) if self._file is None else self._file
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            if self.settings.fsync:
                os.fsync(file)
        except OSError:
            os.ftruncate(file, self._size)
            raise
        self._size += len(data)

    def _set_aside(self, rotation: RotationSettings) -> None:
        path = self._path
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S", time.localtime() if rotation.localtime else time.gmtime())
        backup = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
        number = 1
        while backup.exists():
            number += 1
            backup = path.with_name(f"{path.stem}-{stamp}.{number}{path.suffix}")
        path.rename(backup)
        if self._file is not None:
            os.close(self._file)
            self._file = None
        pattern = f"{glob.escape(path.stem)}-????-??-??T??-??-??*{glob.escape(path.suffix)}"
        backups = sorted((found.stat().st_mtime_ns, len(found.name), found) for found in path.parent.glob(pattern))
        oldest = time.time_ns() - rotation.max_days * _DAY if rotation.max_days else 0
        too_many = len(backups) - rotation.max_backups if rotation.max_backups else 0
        for number, (written, _, old) in enumerate(backups):
            if number < too_many or written < oldest:
                old.unlink(missing_ok=True)
