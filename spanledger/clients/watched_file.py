"""A file that is read again when it changes. Kubernetes swaps mounted secrets by renaming a link, so the file is looked
at by its path each time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from spanledger.errors import ConfigError

_log = logging.getLogger(__name__)

_LARGEST: Final = 16 << 20
"""Bytes; a larger file is no list of keys."""


class WatchedFile:
    """Calls `use` with the text of a file, at the start and after every change."""

    def __init__(self, path: Path, use: Callable[[str], None], interval: float) -> None:
        """`use` raises `ValueError` for a text that cannot be used."""
        self._path = path
        self._use = use
        self._interval = interval
        self._seen: tuple[int, int, int] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises `ConfigError` when the file cannot be used."""
        try:
            self._read()
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self._path}: {_reason(error)}") from None
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look(self) -> bool:
        """Read the file if it changed; whether it was taken over. One that cannot be used leaves all as it was."""
        try:
            return self._read()
        except (OSError, ValueError) as error:
            _log.error("a changed file is not used", extra={"file": str(self._path), "reason": _reason(error)})
            return False

    def _read(self) -> bool:
        found = self._path.stat()
        state = (found.st_mtime_ns, found.st_size, found.st_ino)
        if state == self._seen:
            return False
        if found.st_size > _LARGEST:
            raise ValueError(f"is larger than {_LARGEST >> 20} MiB")
        self._seen = state
        self._use(self._path.read_text(encoding="utf-8"))
        return True

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            if self.look():
                _log.info("read again", extra={"file": str(self._path)})


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or "cannot be read"
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8"
    return str(error)
