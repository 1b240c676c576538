"""Sums of usage in Postgres: equal to what the runs say, whatever came in which order."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from spanledger.exporters.base import WRITTEN
from spanledger.exporters.postgres import PostgresSettings
from spanledger.exporters.postgres.admin import PostgresAdmin
from spanledger.exporters.postgres.batch import prepare
from spanledger.exporters.postgres.connection import Pool
from spanledger.exporters.postgres.maintenance import turn_over
from spanledger.exporters.postgres.usage import sum_up
from spanledger.exporters.postgres.writer import write
from spanledger.exporters.store import Deletion
from spanledger.model.records import Usage
from tests.exporters.records import HOUR, PROJECT, make_run, priced, recent
from tests.stores.ledger import StoreLedger, open_ledger

DAY_NS = 24 * HOUR
FROM_RUNS = """
SELECT project_id, (to_timestamp(started_at / 1000000000) AT TIME ZONE 'UTC')::date AS day, type,
  left(coalesce(provider, ''), 200), left(coalesce(model, ''), 200), left(coalesce(user_id, ''), 200),
  count(*), count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE billable),
  count(*) FILTER (WHERE billable AND cost IS NULL),
  sum(input_tokens) FILTER (WHERE billable), sum(output_tokens) FILTER (WHERE billable),
  sum(cost) FILTER (WHERE billable) * 0.000000000001
FROM spanledger.runs GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
"""
DAILY = """
SELECT project_id, day, type, provider, model, user_id, runs, errors, billable_runs, unpriced_runs, input_tokens,
  output_tokens, cost
FROM spanledger.usage_daily ORDER BY 1, 2, 3, 4, 5, 6
"""


@pytest.fixture
async def ledger_(postgres_settings: PostgresSettings) -> AsyncIterator[StoreLedger]:
    ledger = open_ledger("postgres", postgres_settings)
    await ledger.start()
    yield ledger
    await ledger.close()


@pytest.fixture
async def pool(ledger_: StoreLedger) -> AsyncIterator[Pool]:
    pool = Pool(ledger_.settings, size=1, timeout=30)
    await pool.open()
    yield pool
    await pool.close()


async def fetch(pool: Pool, sql: str) -> list[tuple[Any, ...]]:
    async with pool.connection("test") as connection:
        return [tuple(row) for row in await connection.fetch(sql)]


async def summed(pool: Pool) -> list[tuple[Any, ...]]:
    """Sums by day, once all notes are worked off; checked against the runs."""
    async with pool.connection("test") as connection:
        while await sum_up(connection, pool.settings.schema_name):
            pass
    daily = await fetch(pool, DAILY)
    assert daily == await fetch(pool, FROM_RUNS)
    return daily


async def test_usage_is_summed_by_day_model_and_user(ledger_: StoreLedger, pool: Pool) -> None:
    at = recent()
    await ledger_.write(
        priced("0.5", started_at=at, user_id="ada"),
        priced("0.000000000001", started_at=at - 90 * 1_000_000_000, user_id="ada", usage=Usage(input_tokens=5)),
        make_run(started_at=at, user_id="bob", status="error"),
        make_run(started_at=at - 40 * HOUR, billable=True, model=None),
    )

    await summed(pool)

    by_user = await fetch(
        pool, "SELECT user_id, sum(runs), sum(cost) FROM spanledger.user_usage_daily GROUP BY 1 ORDER BY 1"
    )
    assert by_user == [("", 1, None), ("ada", 2, Decimal("0.500000000001")), ("bob", 1, None)]
    by_model = await fetch(
        pool, "SELECT model, sum(runs), sum(input_tokens) FROM spanledger.model_usage_daily GROUP BY 1 ORDER BY 1"
    )
    assert by_model == [("", 1, None), ("gpt-4o", 3, 15)]


async def test_sums_follow_corrections_late_runs_and_withdrawals(ledger_: StoreLedger, pool: Pool) -> None:
    at = recent()
    first, second = priced("1", started_at=at), priced("2", started_at=at)
    await ledger_.write(first, second)
    assert [row[-1] for row in await summed(pool)] == [Decimal(3)]

    await ledger_.write(msgspec.structs.replace(first, model="gpt-5", version=2))
    assert [(row[4], row[-1]) for row in await summed(pool)] == [("gpt-4o", 2), ("gpt-5", 1)]

    await ledger_.write(priced("4", started_at=at - 10))
    await ledger_.write(msgspec.structs.replace(second, started_at=at - 30 * HOUR, version=2))
    assert [(row[4], row[-1]) for row in await summed(pool)] == [("gpt-4o", 2), ("gpt-4o", 4), ("gpt-5", 1)]

    await ledger_.write(msgspec.structs.replace(first, version=3, withdrawn=True))
    assert [(row[4], row[-1]) for row in await summed(pool)] == [("gpt-4o", 2), ("gpt-4o", 4)]


async def test_a_redelivery_leaves_sums_as_they_are(ledger_: StoreLedger, pool: Pool) -> None:
    batch = [priced("0.1", started_at=recent(number * 7)) for number in range(50)]
    await ledger_.write(*batch)
    before = await summed(pool)

    await ledger_.write(*batch)

    assert await summed(pool) == before


async def test_a_run_that_is_not_committed_yet_is_not_forgotten(ledger_: StoreLedger, pool: Pool) -> None:
    """The sums are computed while a writer of the same minute has not committed."""
    at = recent()
    await ledger_.write(priced("1", started_at=at))
    late = Pool(ledger_.settings, size=1, timeout=30)
    await late.open()
    async with late.connection("test") as connection:
        transaction = connection.transaction()
        await transaction.start()
        batch, _ = prepare([priced("2", started_at=at)], [0])
        await write(connection, "spanledger", batch)
        await summed(pool)
        await transaction.commit()
    await late.close()

    assert [row[-1] for row in await summed(pool)] == [Decimal(3)]


WRITER = """
import asyncio, random, sys

from spanledger.exporters.base import WRITTEN
from spanledger.exporters.postgres import PostgresSettings
from spanledger.exporters.postgres.admin import PostgresAdmin
from spanledger.exporters.postgres.batch import prepare
from spanledger.exporters.postgres.connection import Pool
from spanledger.exporters.postgres.exporter import PostgresExporter
from spanledger.exporters.postgres.usage import sum_up
from spanledger.model.records import Cost, Run, Usage
from decimal import Decimal

number, endpoint, database, at = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
chance = random.Random(number)

def run(index, version):
    ids = f"00000000-0000-8000-8000-{index:012x}"
    # What a version says follows from run and version alone, as in the mapping.
    facts = random.Random(index * 1000 + version)
    return Run(
        project_id=f"p{index % 3}", run_id=ids, type="llm", name=f"v{version}", version=version,
        model=facts.choice(["a", "b", None]), user_id=facts.choice(["ada", "bob"]), billable=True,
        started_at=at - facts.choice([0, 0, 0, 61, 100_000]) * 1_000_000_000,
        input=f"v{version}", usage=Usage(input_tokens=facts.randrange(100)),
        cost=Cost(total=facts.choice([None, Decimal(facts.randrange(10**12)).scaleb(-12)]), source="priced"),
        withdrawn=facts.random() < 0.1,
    )

async def main():
    settings = PostgresSettings(endpoint=endpoint, database=database, runs_ttl_days=0, payloads_ttl_days=0,
                                maintenance_interval=0.02)
    exporter = PostgresExporter(settings)
    await exporter.start()
    wanted = [(index, version) for index in range(300) for version in range(1, 4)]
    chance.shuffle(wanted)
    async def batches(mine):
        for begin in range(0, len(mine), 50):
            result = await exporter.write([run(*each) for each in mine[begin : begin + 50]], "")
            assert result.retry is None and not result.rejected, result
    await asyncio.gather(batches(wanted[::2]), batches(wanted[1::2]), batches(wanted[:200]))
    await exporter.close()

asyncio.run(main())
"""


async def test_four_processes_write_the_same_runs_without_deadlock_or_lost_update(
    ledger_: StoreLedger, pool: Pool
) -> None:
    """Each writes three versions of 300 runs in an order of its own, two batches at a time, while all sum up usage."""
    settings = ledger_.settings
    writers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, str(number), settings.endpoint, settings.database, str(recent())),
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for number in range(4)
    ]
    for writer in writers:
        _, said = await writer.communicate()
        assert writer.returncode == 0, said.decode()

    keys = await fetch(pool, "SELECT count(*), min(version), max(version), min(state) FROM spanledger.run_keys")
    assert keys == [(300, 3, 3, 0)]
    rows = await fetch(
        pool,
        "SELECT count(*), count(DISTINCT run_id), min(name), "
        "(SELECT count(*) FROM spanledger.run_keys WHERE state = 0), "
        "(SELECT count(*) FROM spanledger.run_payloads WHERE input = '\"v3\"'), "
        "(SELECT count(*) FROM spanledger.run_payloads) FROM spanledger.runs",
    )
    ((runs, ids, name, live, payloads, all_payloads),) = rows
    assert runs == ids == live == payloads == all_payloads > 200
    assert name == "v3"
    await summed(pool)
    deadlocks = await fetch(pool, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == [(0,)]


async def test_deleted_runs_are_taken_out_of_the_sums(ledger_: StoreLedger, pool: Pool) -> None:
    runs = [priced("1", user_id="ada"), priced("2", user_id="bob"), priced("4", user_id="bob")]
    await ledger_.write(*runs)
    await summed(pool)

    admin = PostgresAdmin(ledger_.settings)
    await admin.start()
    await admin.delete(Deletion(PROJECT, run_id=runs[1].run_id))
    await admin.delete(Deletion(PROJECT, user_id="ada"))
    await admin.close()

    assert [(row[5], row[-1]) for row in await summed(pool)] == [("bob", Decimal(4))]


async def test_sums_by_day_outlive_the_runs(ledger_: StoreLedger, pool: Pool) -> None:
    now = time.time_ns()
    old = priced("1", started_at=now - 100 * DAY_NS)
    await ledger_.write(old, priced("2", started_at=now))
    daily = await summed(pool)
    keeping = ledger_.settings.model_copy(update={"runs_ttl_days": 40, "payloads_ttl_days": 30})

    async with pool.connection("test") as connection:
        await turn_over(connection, keeping, now)
        await sum_up(connection, "spanledger")

    assert len(await ledger_.listed()) == 1
    assert await fetch(pool, DAILY) == daily
    again = open_ledger("postgres", keeping)
    await again.start()
    assert await again.write(old) == WRITTEN
    async with pool.connection("test") as connection:
        await sum_up(connection, "spanledger")
    assert await fetch(pool, DAILY) == daily
    await again.close()
