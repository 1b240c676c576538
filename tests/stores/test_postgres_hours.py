"""Sums by hour in Postgres: equal to what the rows say at any moment, whatever came in which order."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from spanledger.exporters.conditions import All, Compare, Not, Op
from spanledger.exporters.postgres import PostgresSettings, migrations
from spanledger.exporters.postgres.admin import PostgresAdmin
from spanledger.exporters.postgres.connection import Pool
from spanledger.exporters.postgres.erase import expire_runs
from spanledger.exporters.postgres.hours import bin_of, middle_of, quantiles, roll_up
from spanledger.exporters.postgres.migrations import MIGRATIONS
from spanledger.exporters.postgres.reader import PostgresStore
from spanledger.exporters.postgres.usage import sum_up
from spanledger.exporters.store import By, Deletion, Grouping, GroupSort, RunFilter
from spanledger.model.records import Run, Usage
from tests.exporters.records import HOUR, PROJECT, make_run, priced, recent
from tests.stores.ledger import StoreLedger, open_ledger

DAY = 24 * HOUR


@pytest.fixture
async def ledger(postgres_settings: PostgresSettings) -> AsyncIterator[StoreLedger]:
    ledger = open_ledger("postgres", postgres_settings)
    ledger.store = PostgresStore(postgres_settings, exact_until=0)
    await ledger.start()
    yield ledger
    await ledger.close()


@pytest.fixture
async def pool(ledger: StoreLedger) -> AsyncIterator[Pool]:
    pool = Pool(ledger.settings, size=1, timeout=30)
    await pool.open()
    yield pool
    await pool.close()


async def summed(pool: Pool, now_ns: int | None = None) -> None:
    """Work off all notes."""
    async with pool.connection("test") as connection:
        while await sum_up(connection, pool.settings.schema_name):
            pass
        while await roll_up(connection, pool.settings.schema_name, now_ns or recent(0) + DAY):
            pass


async def hours_of(pool: Pool) -> tuple[int, int]:
    """(Runs in sums, hours without)."""
    async with pool.connection("test") as connection:
        runs = await connection.fetchval("SELECT coalesce(sum(runs), 0)::bigint FROM spanledger.usage_hours")
        return runs, await connection.fetchval("SELECT count(DISTINCT hour) FROM spanledger.usage_stale")


def _some(chance: random.Random, count: int, at: int) -> list[Run]:
    return [
        priced(
            chance.choice(["0.5", "0.000000000001"]),
            type=chance.choice(["llm", "tool"]),
            name=chance.choice(["a", "b"]),
            model=chance.choice([None, "m1", "m2"]),
            status=chance.choice(["success", "error"]),
            billable=chance.choice([True, False]),
            usage=chance.choice([None, Usage(input_tokens=chance.randrange(9)), Usage(output_tokens=2)]),
            duration_ns=chance.choice([None, 0, chance.randrange(10**12)]),
            ttft_ns=chance.choice([None, chance.randrange(10**9)]),
            started_at=at - chance.randrange(3 * DAY),
        )
        for _ in range(count)
    ]


GROUPINGS = (
    Grouping(people=False),
    Grouping(By.MODEL, people=False),
    Grouping(By.NAME, DAY, people=False, with_type=True),
    Grouping(By.STATUS, HOUR, sort=GroupSort.COST, descending=True, limit=7, people=False),
    Grouping(By.TYPE, sort=GroupSort.LAST, descending=True, contains="L", people=False),
)


def _filters(chance: random.Random, at: int) -> list[RunFilter]:
    start = at - chance.randrange(2 * DAY)
    return [
        RunFilter(PROJECT),
        RunFilter(PROJECT, types=("llm",), billable=True),
        RunFilter(PROJECT, started_from=start, started_to=start + chance.randrange(1, DAY)),
        RunFilter(PROJECT, models=("m1",), statuses=("error",), started_from=start // HOUR * HOUR),
        RunFilter(PROJECT, where=Not(Compare("model", Op.EQ, "m1"))),
    ]


def _from_rows(filter_: RunFilter) -> RunFilter:
    """The same runs, asked for by what sums by hour do not know."""
    every = Compare("run_id", Op.EXISTS)
    return dataclasses.replace(filter_, where=every if filter_.where is None else All((filter_.where, every)))


async def test_sums_are_those_of_the_rows_at_every_moment(ledger: StoreLedger, pool: Pool) -> None:
    chance = random.Random(4)
    at = recent(0)
    stored: list[Run] = []
    for round_ in range(4):
        again = chance.sample(stored, min(20, len(stored)))
        moved = [replace(run, version=run.version + 1, started_at=run.started_at - 2 * HOUR) for run in again[:10]]
        gone = [replace(run, version=run.version + 1, withdrawn=True) for run in again[10:13]]
        new = _some(chance, 60, at)
        await ledger.write(*new, *moved, *gone, *again[13:])
        stored += new
        for filter_ in _filters(chance, at):
            assert await ledger.store.totals(filter_) == await ledger.store.totals(_from_rows(filter_))
            for grouping in GROUPINGS:
                found = await ledger.store.groups(filter_, grouping)
                assert found == await ledger.store.groups(_from_rows(filter_), grouping), (filter_, grouping)
        if round_ % 2 == 0:
            await summed(pool, at - DAY if round_ else None)
    assert (await hours_of(pool))[0] > 0


async def test_quantiles_are_near_those_of_the_rows(ledger: StoreLedger, pool: Pool) -> None:
    chance = random.Random(5)
    await ledger.write(*_some(chance, 300, recent(0)))
    await summed(pool)
    await ledger.write(*_some(chance, 20, recent(0)))
    grouping = Grouping(By.TYPE, people=False, latency=True)

    by_hour = await ledger.store.groups(RunFilter(PROJECT), grouping)

    by_row = await ledger.store.groups(_from_rows(RunFilter(PROJECT)), grouping)
    assert len(by_hour) == len(by_row) == 2
    for found, expected in zip(by_hour, by_row, strict=True):
        assert found.duration_ns == pytest.approx(expected.duration_ns, rel=0.017)
        assert found.ttft_ns == pytest.approx(expected.ttft_ns, rel=0.017)


async def test_quantiles_of_few_runs_are_exact(ledger: StoreLedger, pool: Pool) -> None:
    await ledger.write(
        *(make_run(duration_ns=number, started_at=recent(DAY / 1e9)) for number in (10_000_001, 20_000_003))
    )
    await summed(pool)
    store = PostgresStore(ledger.settings)
    await store.start()

    (found,) = await store.groups(RunFilter(PROJECT), Grouping(latency=True, people=False))

    await store.close()
    assert found.duration_ns[0] == 15_000_002


async def test_a_bin_is_the_same_in_the_database_and_near_what_it_holds(pool: Pool) -> None:
    chance = random.Random(6)
    edges = [value + off for power in range(63) for value in (1 << power,) for off in (-1, 0, 1)]
    values = [*range(200), *edges, 2**63 - 1, *(chance.randrange(2 ** chance.randrange(1, 64)) for _ in range(500))]
    async with pool.connection("test") as connection:
        rows = await connection.fetch(
            f"SELECT each, {bin_of('each')} AS bin FROM unnest($1::bigint[]) AS each ORDER BY each", values
        )

    bins = [row["bin"] for row in rows]
    assert bins == sorted(bins)
    for row in rows:
        assert middle_of(row["bin"]) == pytest.approx(row["each"], rel=0.016), row["each"]


def test_quantiles_of_a_histogram_are_interpolated() -> None:
    assert quantiles([(10, 1), (20, 1)]) == pytest.approx([15, 19, 19.5, 19.9])
    assert quantiles([(7, 1000)]) == [7, 7, 7, 7]
    assert quantiles([]) == [None] * 4


async def test_hours_that_are_not_over_are_not_summed_up(ledger: StoreLedger, pool: Pool) -> None:
    at = recent(0)
    await ledger.write(make_run(started_at=at))

    await summed(pool, at + HOUR)

    assert await hours_of(pool) == (0, 1)


async def test_sums_go_with_the_runs(ledger: StoreLedger, pool: Pool) -> None:
    at = recent(0) // HOUR * HOUR
    await ledger.write(
        *(
            make_run(started_at=at - number * 1200 * 10**9, user_id="ada" if number % 2 else "bob")
            for number in range(12)
        )
    )
    await summed(pool)
    admin = PostgresAdmin(ledger.settings)
    await admin.start()

    await admin.delete(Deletion(PROJECT, user_id="ada"))
    assert (await ledger.store.totals(RunFilter(PROJECT))).runs == 6
    async with pool.connection("test") as connection:
        await expire_runs(connection, "spanledger", PROJECT, at - 2 * HOUR - 1)
    left = await ledger.store.totals(_from_rows(RunFilter(PROJECT)))
    assert await ledger.store.totals(RunFilter(PROJECT)) == left
    assert left.runs < 6
    await admin.delete(Deletion(PROJECT))
    await admin.close()

    assert (await hours_of(pool))[0] == 0
    assert (await ledger.store.totals(RunFilter(PROJECT))).runs == 0


async def test_an_older_ledger_is_summed_up_after_the_migration(
    postgres_settings: PostgresSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = [migration for migration in MIGRATIONS if migration.revision < 6]
    pool = Pool(postgres_settings, size=1, timeout=30)
    await pool.open()
    async with pool.connection("test") as connection:
        with monkeypatch.context() as before:
            before.setattr(migrations, "MIGRATIONS", older)
            await migrations.migrate(connection, pool)
        await connection.execute(
            "INSERT INTO spanledger.runs (project_id, run_id, type, name, span_name, span_kind, dialects, status, "
            "started_at, finish_reasons, billable, inherited, tags, metadata, source, input_preview, output_preview, "
            "payload_group, version) VALUES ('default', gen_random_uuid(), 'llm', 'a', 'a', '', '{}', 'success', $1, "
            "'{}', true, '{}', '{}', '{}', 'otlp', '', '', '', 1)",
            recent(DAY / 1e9),
        )
        await migrations.migrate(connection, pool)

    await summed(pool)

    assert await hours_of(pool) == (1, 0)
    await pool.close()
