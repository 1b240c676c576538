"""Long outages and clocks that are set back, with a clock turned by hand."""

from __future__ import annotations

from pathlib import Path

from spanledger.exporters.base import WriteResult
from spanledger.pipeline import DurableLog, FileStorageSettings
from tests.pipeline.doubles import START_NS, FakeClock, RecordingExporter, request, running, send

HOUR_NS = 3_600_000_000_000


def log_in(folder: Path, clock: FakeClock) -> DurableLog:
    return DurableLog(FileStorageSettings(directory=folder, group_commit=0), clock)


async def test_the_store_is_down_for_ten_minutes(tmp_path: Path) -> None:
    clock, store = FakeClock(), RecordingExporter()
    store.away = WriteResult(retry="away")
    async with running(store, clock, log=log_in(tmp_path, clock)) as pipeline:
        for minute in range(10):
            await send(pipeline, request(f"span {minute}", at_ns=clock.wall_ns))
            await clock.advance(60)
        assert not store.stored
        store.away = None
        while len(store.stored) < 10:
            await clock.advance_to_next()
        assert sorted(store.outputs) == sorted(map(str, range(10)))
        assert pipeline.status().exporters["store"].dead == 0


async def test_the_clock_steps_back_while_facts_follow_each_other(tmp_path: Path) -> None:
    """The versions of a run come from the time: the later fact must win all the same."""
    clock, store = FakeClock(), RecordingExporter()
    async with running(store, clock, log=log_in(tmp_path, clock), grace=30) as pipeline:
        await send(pipeline, request("span a", at_ns=START_NS))
        for step in range(1, 4):
            clock.wall_ns = START_NS - step * HOUR_NS
            await send(pipeline, request(f"fact a {step}", at_ns=clock.wall_ns))
        await store.until(lambda: store.outputs.get("a") == "3")


async def test_the_clock_steps_back_between_two_starts(tmp_path: Path) -> None:
    clock, store = FakeClock(), RecordingExporter()
    for step in range(4):
        clock.wall_ns = START_NS - step * HOUR_NS
        async with running(store, clock, log=log_in(tmp_path, clock), grace=30) as pipeline:
            lines = ["span a"] if step == 0 else []
            await send(pipeline, request(*lines, f"fact a {step}", at_ns=clock.wall_ns))
            await store.until(lambda step=step: store.outputs.get("a") == str(step))  # type: ignore[misc]
