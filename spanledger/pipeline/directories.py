"""Which directories hold logs: one for a single process, one below it for each worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from spanledger.pipeline.cursor_file import NAME as CURSORS
from spanledger.pipeline.directory_lock import holder
from spanledger.pipeline.segment import SUFFIX

_WORKER: Final = "worker-"


def worker_directory(directory: Path, worker: int) -> Path:
    """Where the worker of that number has its log."""
    return directory / f"{_WORKER}{worker}"


def log_directories(directory: Path) -> list[Path]:
    """The logs in a storage directory: its own, then those of workers by number."""
    return [path for path in (directory, *_workers(directory)) if _holds_log(path)]


def orphaned(directory: Path) -> list[Path]:
    """Logs that no living process has open. One of them is taken over by opening it: its lock decides who is first."""
    return [path for path in log_directories(directory) if holder(path) is None]


def _workers(directory: Path) -> Iterator[Path]:
    found = [path for path in directory.glob(f"{_WORKER}*") if path.name.removeprefix(_WORKER).isdigit()]
    yield from sorted(found, key=lambda path: int(path.name.removeprefix(_WORKER)))


def _holds_log(directory: Path) -> bool:
    return (directory / CURSORS).exists() or any(directory.glob(f"*{SUFFIX}"))
