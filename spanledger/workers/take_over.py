"""Logs that have no owner any more are delivered by whoever is there.

Each worker has a folder of its own, `worker-1`, `worker-2`, …, below the directory of the log; a process without
workers uses the directory itself. A folder is without owner when nobody holds its lock for a while: its worker cannot
start any more, or there are fewer workers than before. Its entries are mapped and written as if they had just come;
the folder stays, because deleting it could meet a worker that comes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from spanledger.errors import LogError, SpanledgerError
from spanledger.pipeline import Pipeline
from spanledger.pipeline.directory_lock import DirectoryLock

logger = logging.getLogger(__name__)

_INTERVAL: Final = 5.0
_OWNERLESS_AFTER: Final = 10.0
"""Seconds; a worker that died is back in its folder long before."""
_STOP_SECONDS: Final = 5.0
LOCK: Final = "lock"


def folder_of(directory: Path, number: int, workers: int) -> Path:
    """The log folder of a worker: its own or, while another one delivers what is in that, the next that would never be
    another worker's. Raises `LogError`."""
    place = number
    while is_locked(folder := directory / f"worker-{place}"):
        place += workers
    return folder


def is_locked(folder: Path) -> bool:
    """Whether a process uses a log folder now."""
    if not (folder / LOCK).exists():
        return False
    lock = DirectoryLock(folder)
    try:
        lock.acquire(0)
    except LogError:
        return True
    lock.release()
    return False


class TakeOver:
    """Looks for logs without owner below a directory, and delivers them one at a time."""

    def __init__(
        self,
        directory: Path,
        own: Path,
        new_pipeline: Callable[[Path], Pipeline],
        *,
        interval: float = _INTERVAL,
        after: float = _OWNERLESS_AFTER,
    ) -> None:
        """`own`: the folder of this process. `new_pipeline`: a pipeline over the log in a folder. Times in seconds."""
        self._directory = directory
        self._own = own
        self._new_pipeline = new_pipeline
        self._interval = interval
        self._after = after
        self._free_since: dict[Path, float] = {}
        self._done: set[Path] = set()
        """Delivered, and left alone since."""

    async def run(self) -> None:
        """Until cancelled; a log that is being delivered is closed then, and goes on elsewhere."""
        loop = asyncio.get_running_loop()
        while True:
            folders = await asyncio.to_thread(self._without_owner)
            now = loop.time()
            self._free_since = {folder: self._free_since.get(folder, now) for folder in folders}
            for folder, since in self._free_since.items():
                if now - since >= self._after:
                    await self._deliver(folder)
            await asyncio.sleep(self._interval)

    def _without_owner(self) -> list[Path]:
        found = [self._directory, *sorted(self._directory.glob("worker-*"))]
        logs = [folder for folder in found if folder != self._own and (folder / LOCK).exists()]
        free = []
        for folder in logs:
            if is_locked(folder):
                self._done.discard(folder)  # it has an owner, who may leave something in it
            elif folder not in self._done:
                free.append(folder)
        return free

    async def _deliver(self, folder: Path) -> None:
        pipeline = self._new_pipeline(folder)
        try:
            await pipeline.start()
        except LogError:
            return  # its owner came back, or another one was faster
        except SpanledgerError as error:
            logger.error("a log without owner cannot be delivered: %s", error, extra={"folder": str(folder)})
            return
        drained = False
        try:
            logger.info("delivering a log without owner", extra={"folder": str(folder)})
            drained = await _drained(pipeline)
        finally:
            await pipeline.stop(_STOP_SECONDS if drained else 0)
        if not drained:
            logger.error("a log without owner could not be delivered", extra={"folder": str(folder)})
            return
        self._done.add(folder)
        logger.info("a log without owner is delivered", extra={"folder": str(folder)})


async def _drained(pipeline: Pipeline) -> bool:
    """Wait until a pipeline has delivered everything; False when it broke."""
    failure = pipeline.failure
    drained = asyncio.ensure_future(pipeline.drained())
    try:
        await asyncio.wait({drained, failure}, return_when=asyncio.FIRST_COMPLETED)
        return drained.done()
    finally:
        drained.cancel()
