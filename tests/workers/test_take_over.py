"""Logs without owner are delivered by another process, those with one are left alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from spanledger.pipeline import DurableLog, FileStorageSettings, Pipeline, PipelineSettings
from spanledger.workers.take_over import TakeOver, folder_of
from tests.pipeline.doubles import LedgerMapper, RecordingExporter, decode, opened, quick, request


@contextlib.asynccontextmanager
async def looking(root: Path, own: Path) -> AsyncIterator[RecordingExporter]:
    """A take-over that looks all the time; where its deliveries end up."""
    store = RecordingExporter()

    def new_pipeline(folder: Path) -> Pipeline:
        log = DurableLog(FileStorageSettings(directory=folder, group_commit=0, timeout=0))
        return Pipeline(log, decode, LedgerMapper, {"store": store}, PipelineSettings(delivery=quick()))

    looking = asyncio.create_task(TakeOver(root, own, new_pipeline, interval=0.01, after=0.02).run())
    try:
        yield store
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def leave(folder: Path, *lines: str) -> None:
    """What a worker leaves that dies before it has delivered."""
    async with opened(FileStorageSettings(directory=folder, group_commit=0)) as log:
        await log.register(["store"])
        for line in lines:
            await log.append(request(line))


async def test_the_log_of_a_worker_that_is_gone_is_delivered(tmp_path: Path) -> None:
    await leave(tmp_path / "worker-2", "span a", "span b")
    async with looking(tmp_path, tmp_path / "worker-1") as store:
        await store.until(lambda: {"a", "b"} <= store.outputs.keys())


async def test_the_log_from_before_there_were_workers_is_delivered(tmp_path: Path) -> None:
    await leave(tmp_path, "span a")
    async with looking(tmp_path, tmp_path / "worker-1") as store:
        await store.until(lambda: {"a"} <= store.outputs.keys())


async def test_a_log_in_use_is_left_to_its_owner(tmp_path: Path) -> None:
    await leave(tmp_path / "worker-3", "span c")
    await leave(tmp_path / "worker-2", "span b")
    async with (
        opened(FileStorageSettings(directory=tmp_path / "worker-2")),
        looking(tmp_path, tmp_path / "worker-1") as store,
    ):
        await store.until(lambda: {"c"} <= store.outputs.keys())
        assert store.outputs.keys() == {"c"}


async def test_what_was_delivered_is_not_delivered_again(tmp_path: Path) -> None:
    await leave(tmp_path / "worker-2", "span a")
    async with looking(tmp_path, tmp_path / "worker-1") as store:
        await store.until(lambda: "a" in store.outputs)
        await leave(tmp_path / "worker-3", "span b")
        await store.until(lambda: "b" in store.outputs)
        assert store.written_ids == ["a", "b"]


async def test_two_that_find_the_same_log_deliver_it_once(tmp_path: Path) -> None:
    for turn in range(5):
        lines = [f"span {turn}-{n}" for n in range(20)]
        await leave(tmp_path / f"worker-{turn + 3}", *lines)
        async with (
            looking(tmp_path, tmp_path / "worker-1") as one,
            looking(tmp_path, tmp_path / "worker-2") as other,
        ):
            wanted = {line.removeprefix("span ") for line in lines}
            finds = [
                asyncio.create_task(store.until(lambda: wanted <= one.outputs.keys() | other.outputs.keys()))  # noqa: B023
                for store in (one, other)
            ]
            await asyncio.wait(finds, return_when=asyncio.FIRST_COMPLETED)
            for find in finds:
                find.cancel()
        assert sorted(one.written_ids + other.written_ids) == sorted(wanted)


async def test_a_worker_whose_folder_is_taken_uses_another(tmp_path: Path) -> None:
    assert folder_of(tmp_path, 2, workers=3) == tmp_path / "worker-2"
    async with opened(FileStorageSettings(directory=tmp_path / "worker-2")):
        assert folder_of(tmp_path, 2, workers=3) == tmp_path / "worker-5"
    assert folder_of(tmp_path, 2, workers=3) == tmp_path / "worker-2"
