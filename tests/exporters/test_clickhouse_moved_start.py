"""Runs whose start moves when more of them is known: events that arrive in any order, parts that come one by one."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from spanledger.exporters.clickhouse import ClickHouseSettings, query
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.clickhouse.migrations import MIGRATIONS, migrate
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.store import RunFilter
from spanledger.model.records import Run
from tests.exporters.ledger import Ledger, opened
from tests.exporters.records import HOUR, PROJECT, make_run, priced

DAY = 24 * HOUR
WEEK = 7 * DAY
MONDAY = 1_780_272_000 * 10**9
"""2026-06-01T00:00:00Z, a Monday: an hour, a day, a week and a month begin."""
FAR = 9_214_646_400_000_000_000


@pytest.fixture(params=[1, HOUR, DAY, 6 * DAY])
async def moved(ledger: Ledger, request: pytest.FixtureRequest) -> tuple[Ledger, Run, Run]:
    """A run whose start moved backwards over the boundary, and in the other order of arrival."""
    first = priced("1", span_id="a1", started_at=MONDAY + 5, input="question")
    second = priced("2", span_id="a1", started_at=MONDAY - request.param, version=2, input="question")
    await ledger.write(first)
    await ledger.write(second)
    return ledger, first, second


async def test_a_start_that_moves_counts_once(moved: tuple[Ledger, Run, Run]) -> None:
    ledger, _, second = moved

    totals = await ledger.store.totals(RunFilter(PROJECT))

    assert (totals.runs, totals.billable_runs, totals.cost) == (1, 1, Decimal(2))
    whole = RunFilter(PROJECT, started_from=second.started_at, started_to=MONDAY + HOUR)
    assert await ledger.store.totals(whole) == totals


async def test_it_counts_where_its_winner_starts(moved: tuple[Ledger, Run, Run]) -> None:
    ledger, _, second = moved

    before = RunFilter(PROJECT, started_from=second.started_at, started_to=MONDAY)
    after = RunFilter(PROJECT, started_from=MONDAY, started_to=MONDAY + HOUR)

    assert (await ledger.store.totals(before)).runs == 1
    assert (await ledger.store.totals(after)).runs == 0
    assert [run["version"] for run in (await ledger.store.list_runs(before)).runs] == [2]
    assert (await ledger.store.list_runs(after)).runs == []
    assert [run.version async for page in ledger.store.scan(RunFilter(PROJECT)) for run in page] == [2]


async def test_it_counts_once_after_a_merge_and_when_it_comes_again(moved: tuple[Ledger, Run, Run]) -> None:
    ledger, first, _ = moved
    await ledger.command("OPTIMIZE TABLE {db}.runs FINAL")
    await ledger.write(first)

    assert (await ledger.store.totals(RunFilter(PROJECT))).cost == 2
    run = await ledger.store.get_run(PROJECT, first.run_id)
    assert run is not None
    assert (run["cost"]["total"], run["input"]) == ("2", "question")


async def test_a_trace_that_is_learned_later_is_not_part_of_the_key(ledger: Ledger) -> None:
    run_id = "00000000-0000-8000-8000-000000000001"
    first = msgspec.structs.replace(make_run(started_at=MONDAY), run_id=run_id, span_id=None, trace_id=None)
    await ledger.write(first)
    await ledger.write(msgspec.structs.replace(first, trace_id="b" * 32, version=2))

    assert (await ledger.store.totals(RunFilter(PROJECT))).runs == 1
    assert [run["version"] for run in await ledger.store.trace(PROJECT, "b" * 32)] == [2]
    assert (await ledger.store.totals(RunFilter(PROJECT, trace_id="b" * 32))).runs == 1


async def test_the_partition_of_a_time_is_known(ledger: Ledger) -> None:
    times = [0, 4 * DAY - 1, 4 * DAY, MONDAY - 1, MONDAY, MONDAY + WEEK, 1_798_675_200 * 10**9, FAR]
    times += [year * 365 * DAY + day * DAY for year in range(1, 292, 7) for day in (0, 8)]

    rows = await ledger.query(
        f"SELECT toString(toYearWeek(fromUnixTimestamp64Nano(arrayJoin({times}::Array(Int64)), 'UTC'), 3))"
    )

    assert [week for (week,) in rows] == [query.week(at) for at in times]
    assert [query.begin_of(week) for (week,) in rows] == [query.week_begin(at) for at in times]


async def test_a_ledger_with_the_old_key_is_rebuilt(
    settings: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = "00000000-0000-8000-8000-000000000001"
    with opened(settings) as connection, monkeypatch.context() as older:
        older.setattr("spanledger.exporters.clickhouse.migrations.MIGRATIONS", MIGRATIONS[:2])
        migrate(connection, settings)
        for at, version in ((MONDAY, 1), (MONDAY - 1, 2), (FAR, 1)):
            connection.command(
                f"INSERT INTO {settings.database}.runs (project_id, run_id, span_id, trace_id, started_at, version) "
                f"SELECT '{PROJECT}', '{run_id if at != FAR else '00000000-0000-8000-8000-000000000002'}', 'a', 't', "
                f"fromUnixTimestamp64Nano(toInt64({at})), {version}"
            )
    exporter, store = ClickHouseExporter(settings), ClickHouseStore(settings)
    await exporter.start()
    await store.start()

    totals = await store.totals(RunFilter(PROJECT))
    trace = await store.trace(PROJECT, "t")

    await store.close()
    await exporter.close()
    assert totals.runs == 2
    assert (trace[0]["run_id"], trace[0]["version"]) == (run_id, 2)
