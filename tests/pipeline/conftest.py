from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spanledger.pipeline import DurableLog, FileStorageSettings, Log, MemoryLog, MemoryLogSettings
from tests.pipeline.doubles import FakeClock, NewLog


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def on_disk(tmp_path: Path) -> FileStorageSettings:
    """A log that commits as soon as the disk can, so that only tests of groups have to turn the clock for it."""
    return FileStorageSettings(directory=tmp_path / "log", group_commit=0, timeout=0)


@pytest.fixture(params=["durable", "memory"])
async def new_log(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[NewLog]:
    logs: list[Log] = []

    def make(**settings: object) -> Log:
        log: Log
        if request.param == "memory":
            log = MemoryLog(MemoryLogSettings.model_validate(settings), clock)
        else:
            directory = tmp_path / "log"
            log = DurableLog(
                FileStorageSettings.model_validate({"directory": directory, "group_commit": 0, **settings}), clock
            )
        logs.append(log)
        return log

    yield make
    for log in logs:
        await log.close()
