"""The mapping stage: order, hand-off, bad items, warm-up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from spanledger.errors import LogError
from spanledger.model.received import Decoded, Encoding, Item, Signal
from spanledger.model.records import Record
from spanledger.pipeline import DeliverySettings, DurableLog, FileStorageSettings, MemoryLog
from spanledger.pipeline.base import Chunk
from spanledger.pipeline.settings import WarmUpSettings
from tests.pipeline.doubles import (
    START_NS,
    FakeClock,
    LedgerMapper,
    RecordingExporter,
    decode,
    letters,
    request,
    running,
    send,
    turns,
)


class CountingDecode:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, signal: Signal, encoding: Encoding, body: bytes) -> Decoded:
        self.calls += 1
        return decode(signal, encoding, body)


class NotingMapper(LedgerMapper):
    """Notes every call."""

    calls: list[tuple[str, int, int]]

    def __init__(self) -> None:
        super().__init__()
        self.calls = []

    def add(self, project_id: str, items: Sequence[Item], now_ns: int) -> list[Record]:
        self.calls.append((project_id, len(items), now_ns - START_NS))
        return super().add(project_id, items, now_ns)


async def test_records_arrive_in_the_order_of_the_log(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    async with running(exporter, clock) as pipeline:
        await asyncio.gather(*(pipeline.intake.accept(request(f"span {n}")) for n in range(200)))
        await pipeline.drained()
        assert exporter.written_ids == [str(n) for n in range(200)]


async def test_the_mapper_is_given_project_items_and_the_time_of_receipt(clock: FakeClock) -> None:
    mapper = NotingMapper()
    async with running(RecordingExporter(), clock, new_mapper=lambda: mapper) as pipeline:
        await send(
            pipeline,
            request("span a", "span b", project="one", at_ns=START_NS + 7),
            request("span c", project="two", at_ns=START_NS),
        )
        await pipeline.drained()
    assert mapper.calls == [("one", 2, 7), ("two", 1, 1_007)]


class ThreadMapper(LedgerMapper):
    """Notes the thread of every call."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def add(self, project_id: str, items: Sequence[Item], now_ns: int) -> list[Record]:
        self.threads.append(threading.get_ident())
        return super().add(project_id, items, now_ns)


async def test_a_large_request_is_mapped_beside_the_event_loop(clock: FakeClock) -> None:
    mapper, exporter = ThreadMapper(), RecordingExporter()
    async with running(exporter, clock, new_mapper=lambda: mapper) as pipeline:
        await send(pipeline, request("span a"), request("span b", "fact b " + "x" * 600_000), request("span c"))
        await pipeline.drained()
    assert [thread == threading.get_ident() for thread in mapper.threads] == [True, False, True]
    assert list(exporter.outputs) == ["a", "b", "c"]


async def test_late_facts_write_a_run_again(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("span a"))
        await pipeline.drained()
        assert exporter.outputs == {"a": None}
        await send(pipeline, request("fact a hello"))
        await pipeline.drained()
        assert exporter.outputs == {"a": "hello"}


@pytest.mark.parametrize(("handoff_bytes", "decoded_again"), [(12, 0), (0, 3)])
async def test_items_that_are_never_handed_over_are_decoded_again(
    clock: FakeClock, handoff_bytes: int, decoded_again: int
) -> None:
    exporter, again = RecordingExporter(), CountingDecode()
    async with running(exporter, clock, decode=again, handoff_bytes=handoff_bytes) as pipeline:
        await asyncio.gather(*(pipeline.intake.accept(request(f"span {name}")) for name in "abc"))
        await pipeline.drained()
    assert exporter.written_ids == ["a", "b", "c"]
    assert again.calls == decoded_again


async def test_a_sender_waits_while_the_mapping_is_at_work_on_a_full_hand_off(clock: FakeClock) -> None:
    mapper = LedgerMapper()
    async with running(RecordingExporter(), clock, new_mapper=lambda: mapper, handoff_bytes=12) as pipeline:

        async def known_when_answered(name: str) -> set[str]:
            await pipeline.intake.accept(request(f"span {name}"))
            return mapper.known

        # The log in memory answers without a turn of the event loop, so nothing is mapped before the first two are in.
        answers = await asyncio.gather(*map(known_when_answered, "ab"))
        assert answers == [set(), set()]
        assert "a" in await known_when_answered("c")


async def test_no_sender_waits_for_a_mapping_that_waits_for_a_store(clock: FakeClock) -> None:
    exporter, again = RecordingExporter(), CountingDecode()
    exporter.gate.clear()
    one_at_a_time = DeliverySettings.model_validate({"batch": {"flush_timeout": 0}, "buffer_bytes": 1})
    async with running(exporter, clock, decode=again, delivery=one_at_a_time, handoff_bytes=12) as pipeline:
        for name in "abcde":
            await pipeline.intake.accept(request(f"span {name}"))
        exporter.gate.set()
        await pipeline.drained()
    assert exporter.written_ids == ["a", "b", "c", "d", "e"]
    assert again.calls > 0  # beyond the hand-off they were in the log alone


class StuckMapper(LedgerMapper):
    """Stops at the first large request until told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()

    def add(self, project_id: str, items: Sequence[Item], now_ns: int) -> list[Record]:
        if len(items) > 1:
            self.may_go_on.wait()
        return super().add(project_id, items, now_ns)


async def test_a_sender_waits_for_the_mapping_no_longer_than_a_second(clock: FakeClock) -> None:
    mapper, exporter = StuckMapper(), RecordingExporter()
    large = request("span a", "fact a " + "x" * 600_000)
    async with running(exporter, clock, new_mapper=lambda: mapper, handoff_bytes=len(large.body)) as pipeline:
        await pipeline.intake.accept(large)
        await turns()  # the mapping takes it over, and stands still beside the event loop
        await pipeline.intake.accept(request("span b", "fact b " + "x" * 600_000))
        waiting = asyncio.create_task(pipeline.intake.accept(request("span c")))
        await clock.armed()
        assert clock.delays == [1.0]
        await clock.advance(1)
        await waiting
        mapper.may_go_on.set()
        await pipeline.drained()
        assert list(exporter.outputs) == ["a", "b", "c"]


async def test_an_item_that_cannot_be_mapped_costs_only_itself(clock: FakeClock) -> None:
    log, exporter = MemoryLog(clock=clock), RecordingExporter()
    async with running(exporter, clock, log=log) as pipeline:
        await send(
            pipeline,
            request("span a", "span b", "span poison", "fact b hello", "span c", "span poison", "span d"),
            request("span e"),
        )
        await pipeline.drained()
        assert exporter.outputs == {"a": None, "b": "hello", "c": None, "d": None, "e": None}
        reason = "ValueError: poison cannot be mapped"
        assert await letters(log) == [("item", "mapping", reason), ("item", "mapping", reason)]
        first, second = await log.dead_letters()
        assert first.letter.project_id == "acme"
        assert b'"span_id":"poison"' in first.letter.content
        assert first.letter.key != second.letter.key
        assert pipeline.status().unmappable_items == 2


class Confused(LedgerMapper):
    """Breaks on every item, good or not, once it has seen the span `trap`; and on `oil` together with `water`."""

    trapped = False

    def add(self, project_id: str, items: Sequence[Item], now_ns: int) -> list[Record]:
        if self.trapped:
            raise RuntimeError("confused")
        records = super().add(project_id, items, now_ns)
        self.trapped = "trap" in self.known
        if {"oil", "water"} <= self.known:
            raise RuntimeError("these do not mix")
        return records


async def test_a_broken_memory_does_not_keep_good_items_from_being_mapped(clock: FakeClock) -> None:
    log, exporter = MemoryLog(clock=clock), RecordingExporter()
    async with running(exporter, clock, log=log, new_mapper=Confused) as pipeline:
        await send(pipeline, request("span a"), request("span trap"))
        await send(pipeline, request("span b", "span poison", "fact b hello", "fact a late"))
        await pipeline.drained()
        assert exporter.outputs == {"a": None, "trap": None, "b": "hello"}
        assert await letters(log) == [
            ("item", "mapping", "ValueError: poison cannot be mapped"),
            *[("item", "mapping", "RuntimeError: confused")] * 2,
        ], "facts that make no run of their own"


async def test_items_that_break_the_mapper_only_together_are_all_mapped(clock: FakeClock) -> None:
    log, exporter = MemoryLog(clock=clock), RecordingExporter()
    async with running(exporter, clock, log=log, new_mapper=Confused) as pipeline:
        await send(pipeline, request("span oil", "span water"))
        await pipeline.drained()
        assert exporter.outputs == {"oil": None, "water": None}
        assert await letters(log) == []


async def test_a_request_that_cannot_be_decoded_any_more_is_kept(clock: FakeClock) -> None:
    log, exporter = MemoryLog(clock=clock), RecordingExporter()
    async with running(exporter, clock, log=log, handoff_bytes=0) as pipeline:
        await send(pipeline, request("span a"), request("garbage"), request("span b"))
        await pipeline.drained()
        assert exporter.outputs == {"a": None, "b": None}
        assert await letters(log) == [
            ("entry", "mapping", "accepted once, but cannot be decoded any more: PayloadError: garbage")
        ]
        (stored,) = await log.dead_letters()
        assert stored.letter.content == b"garbage"


async def test_requests_without_records_move_the_cursor(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("fact a early"), request())
        await pipeline.drained()
        assert exporter.writes == []
        assert pipeline.status().exporters["store"].cursor == 2


async def test_facts_meet_their_span_across_a_restart(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    exporter = RecordingExporter()
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("span a"), request("fact b early"))
        await pipeline.drained()
    writes = len(exporter.writes)
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("fact a late"), request("span b"))
        await pipeline.drained()
    assert exporter.outputs == {"a": "late", "b": "early"}
    assert [one for ids, _ in exporter.writes[writes:] for one in ids] == ["a", "b"], (
        "the warm-up itself writes nothing"
    )


async def test_without_a_warm_up_late_facts_are_lost_on_a_restart(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    settings = on_disk.model_copy(update={"warm_up": WarmUpSettings(max_entries=0)})
    exporter = RecordingExporter()
    for line in ("span a", "fact a late"):
        async with running(exporter, clock, log=DurableLog(settings, clock)) as pipeline:
            await send(pipeline, request(line))
            await pipeline.drained()
    assert exporter.outputs == {"a": None}


async def test_a_bad_entry_does_not_stop_the_warm_up(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    exporter = RecordingExporter()
    async with running(exporter, clock, log=DurableLog(on_disk, clock)) as pipeline:
        await send(pipeline, request("garbage"), request("span poison", "span a"))
        await pipeline.drained()
    log = DurableLog(on_disk, clock)
    async with running(exporter, clock, log=log) as pipeline:
        await send(pipeline, request("fact a late"))
        await pipeline.drained()
        assert exporter.outputs == {"a": "late"}
        assert len(await letters(log)) == 1


async def test_a_log_that_cannot_be_read_is_read_later(clock: FakeClock) -> None:
    class Unreadable(MemoryLog):
        failures = 2

        async def read(self, after: int, until: int, max_bytes: int) -> Chunk:
            if self.failures:
                self.failures -= 1
                raise LogError("the disk does not answer")
            return await super().read(after, until, max_bytes)

    exporter = RecordingExporter()
    async with running(exporter, clock, log=Unreadable(clock=clock), handoff_bytes=0) as pipeline:
        await send(pipeline, request("span a"))
        assert await clock.advance_to_next() == 1
        assert await clock.advance_to_next() == 1
        await pipeline.drained()
        assert exporter.outputs == {"a": None}
