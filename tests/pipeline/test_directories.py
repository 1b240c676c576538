from __future__ import annotations

import os
from pathlib import Path

from spanledger.pipeline import FileStorageSettings
from spanledger.pipeline.directories import log_directories, orphaned, worker_directory
from spanledger.pipeline.directory_lock import holder
from tests.pipeline.doubles import bodies, opened, request


async def leave_log(directory: Path, body: str) -> None:
    async with opened(FileStorageSettings(directory=directory, group_commit=0)) as log:
        await log.append(request(body))


async def test_each_worker_has_a_log_of_its_own(tmp_path: Path) -> None:
    for worker in (10, 2):
        await leave_log(worker_directory(tmp_path, worker), "span a")
    (tmp_path / "worker-x").mkdir()
    assert log_directories(tmp_path) == [tmp_path / "worker-2", tmp_path / "worker-10"]
    await leave_log(tmp_path, "span a")
    assert log_directories(tmp_path)[0] == tmp_path


async def test_a_log_is_orphaned_when_nobody_holds_it(tmp_path: Path) -> None:
    held, left = worker_directory(tmp_path, 0), worker_directory(tmp_path, 1)
    await leave_log(left, "span left")
    async with opened(FileStorageSettings(directory=held)):
        assert holder(held) == str(os.getpid())
        assert orphaned(tmp_path) == [left]
        async with opened(FileStorageSettings(directory=left)) as log:
            assert orphaned(tmp_path) == []
            assert await bodies(log) == ["span left"]
    assert orphaned(tmp_path) == [held, left]
