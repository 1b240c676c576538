"""The embedded engine (chDB) and its rules, all measured in the storage research (§3.4).

One folder is one engine in one process: a second process is refused, a second folder in the same process too. The
engine does not survive a fork. The driver hands every insert to it through a temporary file, so these files go to a
private folder which is emptied when the engine opens.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from spanledger.errors import StoreError, StoreInUse

LOCK_FILE: Final = "spanledger.lock"
TEMPORARY_FOLDER: Final = "spanledger-tmp"
_MIB: Final = 1024 * 1024

_guard = threading.Lock()
_engine: _Engine | None = None


class _Engine:
    """The one open folder of this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users = 0
        self.pid = os.getpid()
        self.temporary_before = tempfile.tempdir
        self.lock = _lock(path)

    def use_private_temporary_folder(self) -> None:
        folder = self.path / TEMPORARY_FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        # The driver asks tempfile for a name and has no parameter for the place.
        tempfile.tempdir = str(folder)

    def close(self) -> None:
        tempfile.tempdir = self.temporary_before
        os.close(self.lock)


@contextlib.contextmanager
def opening(path: str) -> Iterator[Path]:
    """Around opening one connection: takes the folder for this process, gives it back if the block fails. Every
    success must be followed by `release`. Raises `StoreError`."""
    global _engine
    try:
        folder = Path(path).resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder of the embedded store cannot be used: {error.strerror}: {path}") from error
    with _guard:
        engine = _engine
        if engine is not None:
            check_process(engine.pid)
            if engine.path != folder:
                raise StoreError(
                    f"this process holds the embedded store {engine.path} already and can hold no second one ({folder})"
                )
        else:
            engine = _Engine(folder)
        try:
            yield folder
            if engine.users == 0:
                engine.use_private_temporary_folder()
        except BaseException:
            if engine.users == 0:
                engine.close()
            raise
        engine.users += 1
        _engine = engine


def release() -> None:
    """A connection was closed. The folder is free for other processes after the last one."""
    global _engine
    with _guard:
        if _engine is not None:
            _engine.users -= 1
            if _engine.users == 0:
                _engine.close()
                _engine = None


def check_process(pid: int) -> None:
    """Raise in a process that was forked after `pid` opened the engine: there every statement would hang."""
    if os.getpid() != pid:
        raise StoreError("the embedded store was opened before this process was forked; start processes with spawn")


def options(memory_limit_mib: int, mark_cache_mib: int, background_threads: int) -> dict[str, Any]:
    """Engine options; the first connection of a process sets them."""
    return {
        "max_server_memory_usage": memory_limit_mib * _MIB,
        "mark_cache_size": mark_cache_mib * _MIB,
        "background_pool_size": background_threads,
    }


def require_chdb() -> None:
    """Raise `StoreError` when the package of the engine is missing."""
    try:
        import chdb  # noqa: F401
    except ModuleNotFoundError as error:
        raise StoreError(
            "the embedded store needs the package chdb: pip install 'spanledger[embedded]', "
            "or give the endpoint of a ClickHouse server"
        ) from error


def _lock(folder: Path) -> int:
    # The engine has its own lock, but says only "Error initializing EmbeddedServer" when it is taken.
    lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(lock, 32).decode("ascii", "replace").strip()
        os.close(lock)
        raise StoreInUse(
            f"another process{f' (pid {holder})' if holder else ''} holds the embedded store {folder}; "
            "one process can use it at a time"
        ) from error
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock
