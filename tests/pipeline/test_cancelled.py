"""Who starts or stops a pipeline may be cancelled. The log has no owner then, and nothing works on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from spanledger.pipeline import DurableLog, FileStorageSettings, Pipeline, PipelineSettings
from tests.pipeline.doubles import LedgerMapper, RecordingExporter, decode, opened, quick, request


def pipeline_over(folder: Path, store: RecordingExporter) -> Pipeline:
    log = DurableLog(FileStorageSettings(directory=folder, group_commit=0, timeout=0))
    return Pipeline(log, decode, LedgerMapper, {"store": store}, PipelineSettings(delivery=quick()))


async def cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stop_that_is_cancelled_ends_all_the_same(tmp_path: Path) -> None:
    store = RecordingExporter()
    store.gate.clear()
    pipeline = pipeline_over(tmp_path, store)
    await pipeline.start()
    await pipeline.intake.accept(request("span a"))
    await store.until(lambda: bool(store.writes))
    stop: asyncio.Task[object] = asyncio.create_task(pipeline.stop(3600))
    await asyncio.sleep(0)  # it waits for the write

    await cancelled(stop)

    assert store.closed == 1
    async with opened(FileStorageSettings(directory=tmp_path, timeout=0)):
        pass


async def test_a_start_that_is_cancelled_leaves_the_log_to_others(tmp_path: Path) -> None:
    for steps in range(6):
        store = RecordingExporter()
        start: asyncio.Task[object] = asyncio.create_task(pipeline_over(tmp_path, store).start())
        for _ in range(steps):
            await asyncio.sleep(0)
        await cancelled(start)

        async with opened(FileStorageSettings(directory=tmp_path, timeout=0)):
            pass
