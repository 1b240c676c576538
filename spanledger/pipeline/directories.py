"""Which directories hold logs: the storage directory itself for a single process, one below it for each worker."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from spanledger.pipeline.cursor_file import NAME as CURSORS
from spanledger.pipeline.segment import SUFFIX

_WORKER: Final = "worker-"


def log_directories(directory: Path) -> list[Path]:
    """The logs in a storage directory: its own, then those of workers (`worker-<number>`) by number."""
    workers = [path for path in directory.glob(f"{_WORKER}*") if path.name.removeprefix(_WORKER).isdigit()]
    workers.sort(key=lambda path: int(path.name.removeprefix(_WORKER)))
    return [path for path in (directory, *workers) if _holds_log(path)]


def _holds_log(directory: Path) -> bool:
    return (directory / CURSORS).exists() or any(directory.glob(f"*{SUFFIX}"))
