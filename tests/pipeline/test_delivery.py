"""Delivery to one exporter: batches, retries, dead letters, its start and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from spanledger.errors import SchemaError, StoreUnavailable
from spanledger.exporters.base import Deleted, WriteResult
from spanledger.pipeline import DeliverySettings, MemoryLog
from spanledger.pipeline.status import ExporterState
from tests.pipeline.doubles import (
    START_NS,
    FakeClock,
    RecordingExporter,
    letters,
    quick,
    request,
    running,
    send,
    turns,
)

AWAY = WriteResult(retry="connection refused")


def spans(*names: str) -> list[str]:
    return [f"span {name}" for name in names]


# Batches.


async def test_a_batch_waits_for_more_until_its_time_is_over(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    async with running(exporter, clock, delivery=DeliverySettings()) as pipeline:
        await send(pipeline, request("span a"))
        await clock.armed()
        await clock.advance(0.1)
        await send(pipeline, request("span b"))
        await clock.advance(0.09)
        assert exporter.writes == []
        await clock.advance(0.01)
        await exporter.until(lambda: bool(exporter.writes))
        assert exporter.written_ids == ["a", "b"]


async def test_a_full_batch_does_not_wait(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    delivery = DeliverySettings.model_validate({"batch": {"max_items": 3}})
    async with running(exporter, clock, delivery=delivery) as pipeline:
        await send(pipeline, request(*spans("a", "b")), request(*spans("c", "d")))
        await exporter.until(lambda: bool(exporter.stored))
        assert [ids for ids, _ in exporter.writes] == [["a", "b", "c"]]


async def test_a_batch_of_large_requests_does_not_wait(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    delivery = DeliverySettings.model_validate({"batch": {"max_bytes": 10_000}})
    async with running(exporter, clock, delivery=delivery) as pipeline:
        await send(pipeline, request("span " + "a" * 12_000))
        await exporter.until(lambda: bool(exporter.stored))


async def test_the_next_batch_fills_while_one_is_written(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    async with running(exporter, clock) as pipeline:
        exporter.gate.clear()
        await send(pipeline, request("span a"))
        await exporter.until(lambda: len(exporter.writes) == 1)
        await send(pipeline, request("span b"), request("span c"))
        await turns()
        exporter.gate.set()
        await pipeline.drained()
        assert [ids for ids, _ in exporter.writes] == [["a"], ["b", "c"]]


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_writes_at_once_are_as_many_as_the_exporter_allows(clock: FakeClock, concurrency: int) -> None:
    exporter = RecordingExporter(concurrency=concurrency)
    async with running(exporter, clock, delivery=quick(max_items=1)) as pipeline:
        exporter.gate.clear()
        await send(pipeline, request(*spans("a", "b", "c", "d", "e")))
        await exporter.until(lambda: exporter.at_once == concurrency)
        await turns()
        assert exporter.most_at_once == concurrency
        exporter.gate.set()
        await pipeline.drained()
        assert len(exporter.stored) == 5
        assert exporter.most_at_once == concurrency


async def test_the_cursor_waits_for_the_oldest_batch(clock: FakeClock) -> None:
    log = MemoryLog(clock=clock)
    exporter = RecordingExporter(concurrency=2)
    exporter.answers.append(AWAY)
    async with running(exporter, clock, log=log, delivery=quick(max_items=1)) as pipeline:
        await send(pipeline, request("span a"), request("span b"))
        await exporter.until(lambda: len(exporter.stored) == 1)
        await clock.armed()
        assert exporter.outputs == {"b": None}
        assert pipeline.status().exporters["store"].cursor == 0
        await clock.advance_to_next()
        await pipeline.drained()
        assert pipeline.status().exporters["store"].cursor == 2


# Retries.


async def test_a_retry_brings_the_same_records_and_the_same_token(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.answers.extend([AWAY, AWAY])
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request(*spans("a", "b")))
        await clock.armed()
        await send(pipeline, request("span c"))
        await clock.advance_to_next()
        await clock.advance_to_next()
        await pipeline.drained()
        first, second, third, fourth = exporter.writes
        assert first == second == third
        assert first[0] == ["a", "b"]
        assert fourth[0] == ["c"]
        assert pipeline.status().exporters["store"].retries == 2


async def test_waits_grow_to_their_bound_and_are_random(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("span a"))
        waits = [await clock.advance_to_next() for _ in range(60)]
    bounds = [min(0.5 * 2**n, 30.0) for n in range(60)]
    assert all(0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    late = waits[10:]
    assert max(late) > 20
    assert min(late) < 10
    assert len(set(late)) == len(late)


async def test_attempts_never_end_by_time_or_number(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("span a"))
        began = clock.now
        while clock.now - began < 24 * 3600:
            await clock.advance_to_next()
        exporter.away = None
        await clock.advance_to_next()
        await pipeline.drained()
        assert exporter.outputs == {"a": None}
        assert len(exporter.writes) > 4000


async def test_a_delay_that_the_store_asks_for_is_the_least(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.answers.extend(
        [WriteResult(retry="busy", retry_after=47.0), WriteResult(retry="busy", retry_after=float("nan"))]
    )
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("span a"))
        assert await clock.advance_to_next() == pytest.approx(47.0)
        assert await clock.advance_to_next() <= 1.0
        await pipeline.drained()


@pytest.mark.parametrize(
    "error",
    [StoreUnavailable("gone"), ConnectionResetError("reset"), TimeoutError(), MemoryError(), asyncio.CancelledError()],
)
async def test_an_exporter_that_raises_because_the_world_is_at_fault_is_tried_again(
    clock: FakeClock, error: BaseException
) -> None:
    log = MemoryLog(clock=clock)
    exporter = RecordingExporter()
    exporter.answers.append(error)
    async with running(exporter, clock, log=log) as pipeline:
        await send(pipeline, request(*spans("a", "b")))
        await clock.advance_to_next()
        await pipeline.drained()
        assert exporter.writes[0] == exporter.writes[1]
        assert await letters(log) == []


async def test_failures_are_logged_now_and_then(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    caplog.set_level("INFO")
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("span a"))
        while clock.now < 1100:
            await clock.advance_to_next()
        exporter.away = None
        await clock.advance_to_next()
        await pipeline.drained()
    messages = [record.getMessage() for record in caplog.records if record.name.endswith("attempts")]
    assert 2 <= len(messages) <= 6
    assert messages[0].startswith("exporter store failed; will write again in ")
    assert messages[0].endswith(": connection refused")
    assert messages[1].endswith("more like this since the last message)")
    assert messages[-1] == "exporter store works again"


# Dead letters.


async def test_what_a_store_rejects_goes_to_the_dead_letters_and_the_rest_is_written(clock: FakeClock) -> None:
    log = MemoryLog(clock=clock)
    exporter = RecordingExporter()
    exporter.reject = {"b": "started_at is beyond 2262"}
    async with running(exporter, clock, log=log) as pipeline:
        await send(pipeline, request(*spans("a", "b", "c")))
        await pipeline.drained()
        assert sorted(exporter.outputs) == ["a", "c"]
        assert await letters(log) == [("record", "store", "started_at is beyond 2262")]
        (stored,) = await log.dead_letters()
        assert stored.letter.project_id == "acme"
        assert b'"run_id":"b"' in stored.letter.content
        status = pipeline.status().exporters["store"]
        assert (status.written, status.dead) == (2, 1)


@pytest.mark.parametrize("poison", [["c"], ["a"], ["g"], ["a", "g"], list("abcdefg")])
async def test_a_batch_that_breaks_the_exporter_is_bisected(clock: FakeClock, poison: Sequence[str]) -> None:
    log = MemoryLog(clock=clock)
    exporter = RecordingExporter()
    exporter.break_on = frozenset(poison)
    async with running(exporter, clock, log=log) as pipeline:
        await send(pipeline, request(*spans(*"abcdefg")), request("span later"))
        await pipeline.drained()
        assert sorted(exporter.outputs) == sorted({*"abcdefg", "later"} - set(poison))
        assert await letters(log) == [("record", "store", f"KeyError: \"no column for ['{one}']\"") for one in poison]
        status = pipeline.status().exporters["store"]
        assert (status.written, status.dead) == (8 - len(poison), len(poison))


async def test_a_part_of_a_bisected_batch_is_retried_with_its_own_token(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.answers.extend([KeyError("broken"), AWAY])
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request(*spans("a", "b")))
        await clock.advance_to_next()
        await pipeline.drained()
        whole, first, again, second = exporter.writes
        assert (whole[0], first[0], second[0]) == (["a", "b"], ["a"], ["b"])
        assert first == again
        assert len({whole[1], first[1], second[1]}) == 3


# Start and end.


async def test_a_store_that_is_away_at_the_start_is_tried_again(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.start_errors.extend([StoreUnavailable("away"), ConnectionRefusedError()])
    async with running(exporter, clock) as pipeline:
        assert pipeline.status().exporters["store"].state is ExporterState.STARTING
        await send(pipeline, request("span a"))
        await clock.advance_to_next()
        assert exporter.writes == []
        await clock.advance_to_next()
        await pipeline.drained()
        assert exporter.starts == 3
        assert exporter.outputs == {"a": None}
        assert pipeline.status().exporters["store"].state is ExporterState.RUNNING


async def test_a_store_that_can_never_work_ends_the_start(clock: FakeClock) -> None:
    broken, fine = RecordingExporter(), RecordingExporter()
    broken.start_errors.append(SchemaError("the schema is of version 9, this program knows 3"))
    with pytest.raises(SchemaError, match="version 9"):
        async with running({"broken": broken, "fine": fine}, clock):
            pass
    assert (broken.closed, fine.closed) == (1, 1)


async def test_a_store_that_breaks_after_it_was_away_holds_nobody_up(clock: FakeClock) -> None:
    broken, fine = RecordingExporter(), RecordingExporter()
    broken.start_errors.extend([StoreUnavailable("away"), SchemaError("the schema is of version 9")])
    async with running({"broken": broken, "fine": fine}, clock) as pipeline:
        await clock.advance_to_next()
        await send(pipeline, request("span a"))
        await fine.until(lambda: bool(fine.stored))
        assert pipeline.status().exporters["broken"].last_error == "SchemaError: the schema is of version 9"
        assert await clock.advance_to_next() == 30
        await pipeline.drained()
        assert broken.outputs == {"a": None}


async def test_a_start_does_not_wait_for_a_store_that_does_not_answer(clock: FakeClock) -> None:
    class Silent(RecordingExporter):
        async def start(self) -> None:
            await self.gate.wait()

    exporter = Silent()
    exporter.gate.clear()
    advance = asyncio.create_task(clock.advance_to_next())
    async with running(exporter, clock) as pipeline:
        assert await advance == 5
        await send(pipeline, request("span a"))
        exporter.gate.set()
        await pipeline.drained()
        assert exporter.outputs == {"a": None}


async def test_the_status_tells_the_state_the_lag_and_the_age(clock: FakeClock) -> None:
    exporter = RecordingExporter()
    exporter.away = AWAY
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request(*spans("a", "b"), at_ns=START_NS), request("span c", at_ns=START_NS + 1))
        await clock.armed()
        clock.wall_ns += 90_000_000_000
        status = pipeline.status().exporters["store"]
        assert status.state is ExporterState.RETRYING
        assert (status.lag, status.cursor, status.in_flight) == (2, 0, 1)
        assert status.oldest_age == 90
        assert status.last_error == "connection refused"
        exporter.away = None
        await clock.advance_to_next()
        await pipeline.drained()
        status = pipeline.status().exporters["store"]
        assert status.state is ExporterState.RUNNING
        assert (status.lag, status.cursor, status.in_flight, status.buffered_bytes) == (0, 2, 0, 0)
        assert status.oldest_age == 0
        assert status.last_error is None


async def test_a_store_that_cannot_be_asked_for_deletions_is_told_as_being_retried(clock: FakeClock) -> None:
    class Forgetful(RecordingExporter):
        silent = True

        async def deleted(self, since_ns: int) -> Sequence[Deleted]:
            self._notify()
            if self.silent:
                raise StoreUnavailable("timed out")
            return ()

    exporter = Forgetful()
    async with running(exporter, clock) as pipeline:
        await send(pipeline, request("span a"))
        await exporter.until(lambda: bool(exporter.stored))
        await clock.armed()
        status = pipeline.status().exporters["store"]
        assert (status.state, status.last_error) == (ExporterState.RETRYING, "StoreUnavailable: timed out")
        exporter.silent = False
        await clock.advance_to_next()
        await pipeline.drained()
        status = pipeline.status().exporters["store"]
        assert (status.state, status.last_error, status.lag) == (ExporterState.RUNNING, None, 0)
