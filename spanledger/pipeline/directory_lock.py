"""One process per log directory."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from spanledger.errors import LogError

NAME: Final = "lock"
_POLL_SECONDS: Final = 0.05


class DirectoryLock:
    """An advisory lock on `<directory>/lock`. The kernel drops it when its holder dies, however it dies."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._descriptor: int | None = None

    def acquire(self, timeout: float) -> None:
        """Take the lock within `timeout` seconds. Raises `LogError` naming the process that holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(_POLL_SECONDS)
                    continue
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                os.close(descriptor)
                raise LogError(
                    f"the log in {self._path.parent} is in use by process {holder or 'unknown'}; stop it, or give this "
                    "one a directory of its own"
                ) from None
            except OSError as error:
                os.close(descriptor)
                raise LogError(f"cannot lock {self._path}: {error.strerror}") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; nothing when not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(directory: Path) -> str | None:
    """The process that has the log in a directory open, as its id, or `unknown`; None when nobody has."""
    try:
        descriptor = os.open(directory / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # A shared lock, for no longer than it takes to ask: one who opens the log meanwhile tries again.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return None
