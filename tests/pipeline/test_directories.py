from __future__ import annotations

import os
from pathlib import Path

from spanledger.pipeline import FileStorageSettings
from spanledger.pipeline.directories import log_directories
from spanledger.pipeline.directory_lock import holder
from tests.pipeline.doubles import bodies, opened, request


async def leave_log(directory: Path, body: str) -> None:
    async with opened(FileStorageSettings(directory=directory, group_commit=0)) as log:
        await log.append(request(body))


async def test_the_logs_of_workers_are_found_by_number(tmp_path: Path) -> None:
    for worker in (10, 2):
        await leave_log(tmp_path / f"worker-{worker}", "span a")
    (tmp_path / "worker-x").mkdir()
    (tmp_path / "supervisor").mkdir()
    assert log_directories(tmp_path) == [tmp_path / "worker-2", tmp_path / "worker-10"]
    await leave_log(tmp_path, "span a")
    assert log_directories(tmp_path)[0] == tmp_path


async def test_a_log_that_its_process_left_is_taken_over_by_opening_it(tmp_path: Path) -> None:
    await leave_log(tmp_path, "span left")
    assert holder(tmp_path) is None
    async with opened(FileStorageSettings(directory=tmp_path)) as log:
        assert holder(tmp_path) == str(os.getpid())
        assert await bodies(log) == ["span left"]
    assert holder(tmp_path) is None
