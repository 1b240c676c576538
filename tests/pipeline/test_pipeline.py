"""Several exporters, restarts, the end: what was accepted is written by each of them, once."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from spanledger.errors import ConfigError, LogError, Overloaded
from spanledger.exporters.base import WriteResult
from spanledger.pipeline import (
    DeliverySettings,
    DurableLog,
    FileStorageSettings,
    MemoryLog,
    Pipeline,
    PipelineSettings,
    create_log,
)
from tests.pipeline.doubles import (
    FakeClock,
    LedgerMapper,
    RecordingExporter,
    decode,
    letters,
    quick,
    request,
    running,
    send,
    turns,
)

AWAY = WriteResult(retry="connection refused")


# Several exporters.


async def test_a_dead_exporter_delays_nobody(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    alive, dead = RecordingExporter(), RecordingExporter()
    dead.away = AWAY
    async with running({"alive": alive, "dead": dead}, clock, log=DurableLog(on_disk, clock)) as pipeline:
        for n in range(50):
            await send(pipeline, request(f"span {n}"))
        await alive.until(lambda: len(alive.stored) == 50)
        assert dead.stored == {}
        assert pipeline.status().exporters["dead"].lag == 50


async def test_an_exporter_that_fell_behind_catches_up_from_the_log(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    alive, dead = RecordingExporter(), RecordingExporter()
    dead.away = AWAY
    small = DeliverySettings.model_validate({"batch": {"flush_timeout": 0}, "buffer_bytes": 2_000})
    mappers: list[LedgerMapper] = []

    def new_mapper() -> LedgerMapper:
        mappers.append(LedgerMapper())
        return mappers[-1]

    async with running(
        {"alive": alive, "dead": dead},
        clock,
        log=DurableLog(on_disk, clock),
        delivery=small,
        new_mapper=new_mapper,
    ) as pipeline:
        for n in range(100):
            await send(pipeline, request(f"span {n}"))
        await alive.until(lambda: len(alive.stored) == 100)
        status = pipeline.status().exporters["dead"]
        assert status.catching_up
        assert status.buffered_bytes < 3_000, "a dead store does not fill the memory"
        assert len(mappers) == 1, "it gets a mapper when it takes something again"
        dead.away = None
        await clock.advance(60)
        await send(pipeline, *(request(f"fact {n} late") for n in range(100)))
        await pipeline.drained()
        assert dead.outputs == alive.outputs == {str(n): "late" for n in range(100)}
        assert dead.stored == alive.stored, "versions included"
        assert not pipeline.status().exporters["dead"].catching_up
        mapped = pipeline.status().mapped_entries
        await send(pipeline, request("span after"))
        await pipeline.drained()
        assert pipeline.status().mapped_entries == mapped + 1, "both are fed together again"


async def test_slow_exporters_alone_hold_the_mapping_back(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    small = DeliverySettings.model_validate({"batch": {"flush_timeout": 0}, "buffer_bytes": 2_000})
    async with running(exporter, clock, delivery=small) as pipeline:
        for n in range(100):
            await send(pipeline, request(f"span {n}"))
        await turns()
        status = pipeline.status()
        assert status.mapped_entries < 10
        assert status.accepted_requests == 100
        assert not status.exporters["store"].catching_up
        exporter.away = None
        await clock.advance(60)
        await pipeline.drained()
        assert len(exporter.stored) == 100
        assert pipeline.status().mapped_entries == 100, "nothing was mapped twice"


async def test_an_exporter_can_have_settings_of_its_own(clock: FakeClock) -> None:
    one, other = RecordingExporter(), RecordingExporter()
    pipeline = Pipeline(
        MemoryLog(clock=clock),
        decode,
        LedgerMapper,
        {"one": one, "other": other},
        PipelineSettings(delivery=quick()),
        delivery={"one": quick(max_items=1)},
        clock=clock,
    )
    await pipeline.start()
    await send(pipeline, request("span a", "span b"))
    await pipeline.drained()
    assert [ids for ids, _ in one.writes] == [["a"], ["b"]]
    assert [ids for ids, _ in other.writes] == [["a", "b"]]
    await pipeline.stop(0)


def test_a_pipeline_needs_an_exporter(clock: FakeClock) -> None:
    with pytest.raises(ConfigError, match="at least one exporter"):
        Pipeline(MemoryLog(clock=clock), decode, LedgerMapper, {})


# Restarts.


async def test_what_was_not_delivered_is_delivered_after_a_restart(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, *(request(f"span {n}", f"fact {n} hello") for n in range(20)))
    assert exporter.stored == {}
    exporter.away = None
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await pipeline.drained()
        assert exporter.outputs == {str(n): "hello" for n in range(20)}
        assert exporter.written_ids[-20:] == [str(n) for n in range(20)], "in the original order"


async def test_what_was_delivered_is_not_written_again_after_a_restart(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    exporter = RecordingExporter()
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("span a"))
        await pipeline.drained()
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("span b"))
        await pipeline.drained()
    assert exporter.written_ids == ["a", "b"]


async def test_a_crash_between_write_and_cursor_changes_nothing_in_the_store(
    on_disk: FileStorageSettings, tmp_path: Path, clock: FakeClock
) -> None:
    crashed = on_disk.model_copy(update={"directory": tmp_path / "crashed"})
    exporter = RecordingExporter()
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("span a", "span b", "fact a hello"))
        await pipeline.drained()
        exporter.on_stored = lambda: shutil.copytree(on_disk.directory, crashed.directory)
        await send(pipeline, request("fact b late", "span c"))
        await pipeline.drained()
    stored, writes = dict(exporter.stored), list(exporter.writes)
    exporter.on_stored = lambda: None
    async with running(exporter, clock, log=DurableLog(crashed, clock)) as pipeline:
        await pipeline.drained()
    assert exporter.writes[len(writes) :] == writes[-1:], "the same batch under the same token"
    assert exporter.stored == stored


async def test_exporters_that_stopped_at_different_places_end_equal(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    fast, slow = RecordingExporter(), RecordingExporter()
    slow.away = AWAY
    async with running({"fast": fast, "slow": slow}, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("span a"), request("span b"))
        await fast.until(lambda: len(fast.stored) == 2)
        while pipeline.status().exporters["fast"].lag:
            await turns()
    slow.away = None
    async with running({"fast": fast, "slow": slow}, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("fact a late"))
        await pipeline.drained()
    assert fast.written_ids == ["a", "b", "a"]
    assert slow.stored == fast.stored


async def test_an_exporter_far_behind_does_not_hold_up_a_restart(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    settings = FileStorageSettings.model_validate({**on_disk.model_dump(), "warm_up": {"max_entries": 5}})
    fast, dead = RecordingExporter(), RecordingExporter()
    dead.away = AWAY
    both = {"fast": fast, "dead": dead}
    async with running(both, clock, log=DurableLog(settings, clock)) as pipeline:
        await send(pipeline, *(request(f"span {n}") for n in range(50)))
        await fast.until(lambda: len(fast.stored) == 50)
        while pipeline.status().exporters["fast"].lag:
            await turns()
    async with running(both, clock, log=DurableLog(settings, clock)) as pipeline:
        assert pipeline.status().exporters["dead"].catching_up
        assert not pipeline.status().exporters["fast"].catching_up
        await send(pipeline, request("span new"))
        await fast.until(lambda: "new" in fast.outputs)
        dead.away = None
        await clock.advance(60)
        await pipeline.drained()
        assert dead.stored == fast.stored


async def test_a_renamed_exporter_gets_what_the_old_one_missed(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    async with running({"old": exporter}, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("span a"))
    exporter.away = None
    async with running({"new": exporter}, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await pipeline.drained()
    assert exporter.outputs == {"a": None}


async def test_an_exporter_that_was_taken_out_and_put_in_again_ends_with_the_same_records(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    """What it had before comes again, in the versions that it had."""
    steady, returning, slow = RecordingExporter(), RecordingExporter(), RecordingExporter()
    slow.away = AWAY
    together = {"steady": steady, "returning": returning, "slow": slow}
    for names, line in (("steady returning slow", "span"), ("steady slow", "fact"), ("steady returning slow", "fact")):
        exporters = {name: together[name] for name in names.split()}
        async with running(exporters, clock, log=DurableLog(on_disk, clock)) as pipeline:
            for n in range(10):
                await send(pipeline, request(f"{line} {n} {names.replace(' ', '-')}"))
            fed = [one for name, one in exporters.items() if name != "slow"]
            for one in fed:
                await one.until(lambda one=one, last=pipeline: one.stored and steady.stored == one.stored)  # type: ignore[misc]
            await turns()
    slow.away = None
    async with running(together, clock, log=DurableLog(on_disk, clock), grace=30):
        await slow.until(lambda: len(slow.stored) == 10)
    assert returning.stored == steady.stored == slow.stored
    assert len(steady.outputs) == 10


async def test_bad_items_are_dead_once_however_often_they_are_replayed(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    for _ in range(3):
        log = DurableLog(on_disk, clock)
        async with running(exporter, clock, log=log) as pipeline:
            if not log.last_seq:
                await send(pipeline, request("span poison", "span a"))
            await exporter.until(lambda: exporter.at_once == 0 and bool(exporter.writes))
            exporter.writes.clear()
            assert len(await letters(log)) == 1


# The end.


async def test_a_graceful_stop_writes_everything_at_once(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    exporter = RecordingExporter()
    slow_batches = DeliverySettings.model_validate({"batch": {"flush_timeout": "1h"}})
    log = DurableLog(on_disk, clock)
    async with running(exporter, clock, log=log, delivery=slow_batches) as pipeline:
        await send(pipeline, *(request(f"span {n}") for n in range(20)))
        assert exporter.writes == []
        assert await pipeline.stop(30)
        assert len(exporter.stored) == 20
        assert exporter.closed == 1
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        assert pipeline.status().exporters["store"].lag == 0


async def test_a_stop_ends_with_its_grace_and_keeps_the_rest(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.gate.clear()
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("span a"))
        await exporter.until(lambda: bool(exporter.writes))
        stop = asyncio.create_task(pipeline.stop(30))
        await clock.armed()
        await clock.advance(29.9)
        assert not stop.done()
        await clock.advance(0.1)
        assert not await stop
        assert exporter.closed == 1
    exporter.gate.set()
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await pipeline.drained()
        assert exporter.outputs == {"a": None}


async def test_a_stop_tries_a_failing_store_once_more_at_once(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("span a"))
        for _ in range(10):
            await clock.advance_to_next()
        await clock.armed()
        exporter.away = None
        assert await pipeline.stop(30)
        assert exporter.outputs == {"a": None}


async def test_a_stop_waits_as_long_as_the_store_asked_for(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.answers.append(WriteResult(retry="busy", retry_after=20))
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("span a"))
        await clock.armed()
        stop = asyncio.create_task(pipeline.stop(30))
        await clock.armed(2)
        await clock.advance(19)
        assert len(exporter.writes) == 1
        await clock.advance(1)
        assert await stop
        assert exporter.outputs == {"a": None}


async def test_nothing_is_accepted_before_the_start_and_after_the_stop(clock: FakeClock) -> None:
    pipeline = Pipeline(MemoryLog(clock=clock), decode, LedgerMapper, {"store": RecordingExporter()}, clock=clock)
    with pytest.raises(Overloaded, match="starting or stopping") as refusal:
        await send(pipeline, request("span a"))
    assert refusal.value.retry_after == 2
    await pipeline.start()
    await pipeline.stop(0)
    with pytest.raises(Overloaded, match="starting or stopping"):
        await send(pipeline, request("span a"))


async def test_requests_that_wait_for_the_log_are_answered_by_a_stop(clock: FakeClock, tmp_path: Path) -> None:
    """The group commit is still open when the stop comes."""
    exporter = RecordingExporter()
    log = DurableLog(FileStorageSettings(directory=tmp_path), clock)
    async with running(exporter, clock, log=log) as pipeline:
        waiting = asyncio.create_task(send(pipeline, request("span a")))
        await clock.armed()
        stop = asyncio.create_task(pipeline.stop(30))
        await clock.armed(2)
        await clock.advance(0.002)
        await waiting
        assert await stop
        assert exporter.outputs == {"a": None}


async def test_an_exporter_that_does_not_close_cleanly_spoils_nothing(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(RecordingExporter):
        async def close(self) -> None:
            raise RuntimeError("already closed")

    log = MemoryLog(clock=clock)
    async with running({"broken": Broken(), "fine": (fine := RecordingExporter())}, clock, log=log) as pipeline:
        assert await pipeline.stop(1)
    assert fine.closed == 1
    assert "exporter broken did not close cleanly" in caplog.text
    with pytest.raises(LogError):
        await log.append(request("span a"))


async def test_cursors_that_cannot_be_noted_are_noted_later(clock: FakeClock) -> None:
    class Stubborn(MemoryLog):
        failures = 2

        async def save_cursors(self, cursors: object) -> None:
            if self.failures:
                self.failures -= 1
                raise LogError("the disk is full")
            await super().save_cursors(cursors)  # type: ignore[arg-type]

    exporter = RecordingExporter()
    async with running(exporter, clock, log=Stubborn(clock=clock)) as pipeline:
        await send(pipeline, request("span a"))
        assert await clock.advance_to_next() == 1
        assert await clock.advance_to_next() == 1
        await pipeline.drained()


async def test_counts_of_the_whole_road(clock: FakeClock) -> None:
    async with running(RecordingExporter(), clock) as pipeline:
        await send(pipeline, request("span a", "span b", "span poison"), request("fact a hello"))
        await pipeline.drained()
        status = pipeline.status()
        assert (status.accepted_requests, status.accepted_items) == (2, 4)
        assert (status.mapped_entries, status.mapped_records, status.unmappable_items) == (2, 3, 1)
        assert (status.log.entries_appended, status.log.dead_letters) == (2, 1)
        assert status.exporters["store"].batches >= 1


def test_the_log_is_as_durable_as_the_settings_ask_for(tmp_path: Path) -> None:
    on_disk = PipelineSettings(log=FileStorageSettings(directory=tmp_path))
    assert isinstance(create_log(on_disk), DurableLog)
    assert isinstance(create_log(PipelineSettings.model_validate({"durability": "memory"})), MemoryLog)


async def test_cursors_are_noted_for_a_small_part_of_the_time(clock: FakeClock) -> None:
    """Each time costs a sync."""

    class SlowToNote(MemoryLog):
        noted: ClassVar[list[int]] = []

        async def save_cursors(self, cursors: Mapping[str, int]) -> None:
            await super().save_cursors(cursors)
            self.noted.append(cursors["store"])
            clock.now += 0.01

    store = RecordingExporter()
    async with running(store, clock, log=SlowToNote(clock=clock), grace=30) as pipeline:
        for n in range(10):
            await send(pipeline, request(f"span {n}"))
            await store.until(lambda n=n: len(store.stored) > n)  # type: ignore[misc]
            await turns()
        assert SlowToNote.noted == [1]
        await clock.advance(0.2)
        assert SlowToNote.noted == [1, 10]
        await send(pipeline, request("span 10"))
    assert SlowToNote.noted[-1] == 11, "a stop does not wait"
