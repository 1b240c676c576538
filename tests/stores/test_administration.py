"""What every store must do alike as a whole: migrate, delete, forget."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from spanledger.errors import SchemaError
from spanledger.exporters.clickhouse.admin import ClickHouseAdmin
from spanledger.exporters.postgres.admin import PostgresAdmin
from spanledger.exporters.store import Deletion, RunFilter, StoreAdmin
from spanledger.model.ids import uuid8
from spanledger.model.records import Thread
from tests.exporters.records import PROJECT, as_json, make_run, make_score, priced
from tests.stores.ledger import StoreLedger, make_store_settings, open_ledger

DAY_NS = 86_400 * 1_000_000_000


@contextlib.asynccontextmanager
async def administrated(kind: str, settings: Any) -> AsyncIterator[StoreAdmin]:
    admin: StoreAdmin = ClickHouseAdmin(settings) if kind == "clickhouse" else PostgresAdmin(settings)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def opened(kind: str, settings: Any) -> AsyncIterator[StoreLedger]:
    ledger = open_ledger(kind, settings)
    await ledger.start()
    try:
        yield ledger
    finally:
        await ledger.close()


@pytest.fixture
async def admin(stored: StoreLedger) -> AsyncIterator[StoreAdmin]:
    async with administrated(stored.kind, stored.settings) as admin:
        yield admin


async def test_a_deleted_run_stays_deleted(stored: StoreLedger, admin: StoreAdmin) -> None:
    run, other = priced("1", input="secret"), priced("2")
    await stored.write(run, other, make_score(run, "thumb", "up"))

    assert await admin.delete(Deletion(PROJECT, run_id=run.run_id)) == 1

    await stored.write(run)
    await stored.write(msgspec.structs.replace(run, version=7))
    assert await stored.store.get_run(PROJECT, run.run_id) is None
    assert await stored.store.scores(PROJECT, run.run_id) == []
    assert [found["run_id"] for found in await stored.listed()] == [other.run_id]
    assert (await stored.store.totals(RunFilter(PROJECT))).cost == Decimal(2)


async def test_what_is_not_there_is_not_deleted(stored: StoreLedger, admin: StoreAdmin) -> None:
    run = make_run(user_id="ada")
    await stored.write(run)

    assert await admin.delete(Deletion("other", run_id=run.run_id)) == 0
    assert await admin.delete(Deletion(PROJECT, run_id=uuid8("another"))) == 0
    assert await admin.delete(Deletion(PROJECT, run_id="nonsense")) == 0
    assert await admin.delete(Deletion(PROJECT, user_id="bob")) == 0
    assert await admin.delete(Deletion("other")) == 0

    assert len(await stored.listed()) == 1


async def test_a_deleted_user_takes_runs_and_scores_along(stored: StoreLedger, admin: StoreAdmin) -> None:
    mine = [priced("1", user_id="ada", input=f"secret {number}") for number in range(5)]
    other = priced("2", user_id="bob")
    thread = Thread(
        project_id=PROJECT, thread_id=uuid8("t"), session_id="s", user_id="ada", started_at=mine[0].started_at
    )
    await stored.write(*mine, other, make_score(mine[0], "thumb", "up"), thread)

    assert await admin.delete(Deletion(PROJECT, user_id="ada")) == 5

    await stored.write(*mine)
    assert [found["run_id"] for found in await stored.listed()] == [other.run_id]
    assert await stored.store.scores(PROJECT, mine[0].run_id) == []
    assert await stored.store.get_run(PROJECT, mine[3].run_id) is None


async def test_a_deleted_project_leaves_others_alone(stored: StoreLedger, admin: StoreAdmin) -> None:
    runs = [make_run(), make_run(), make_run(project_id="other")]
    await stored.write(*runs)

    assert await admin.delete(Deletion(PROJECT)) == 2

    assert await stored.listed() == []
    assert await stored.store.get_run("other", runs[2].run_id) == as_json(runs[2])
    assert await stored.store.projects(0, 2**62) == ["other"]


async def test_a_project_may_keep_runs_and_contents_for_fewer_days(
    store_kind: str, request: pytest.FixtureRequest
) -> None:
    now = time.time_ns()
    keep = await make_store_settings(
        store_kind, request, retention={"short": {"runs_days": 10, "payloads_days": 2}, "silent": {"payloads_days": 2}}
    )
    ages = {"new": 0, "3 days": 3, "20 days": 20}
    async with opened(store_kind, keep) as ledger, administrated(store_kind, keep) as admin:
        batch = {
            (project, age): make_run(project_id=project, started_at=now - days * DAY_NS, input=age, name=age)
            for project in ("short", "silent", "other")
            for age, days in ages.items()
        }
        await ledger.write(*batch.values())

        await admin.expire(now)

        left = {}
        for (project, age), run in batch.items():
            found = await ledger.store.get_run(project, run.run_id)
            if found is not None:
                left[project, age] = found["input"]
        previews = {
            (project, run["name"]): run["input_preview"]
            for project in ("short", "silent", "other")
            for run in (await ledger.store.list_runs(RunFilter(project))).runs
        }
    assert left == {
        ("short", "new"): "new",
        ("short", "3 days"): None,
        ("silent", "new"): "new",
        ("silent", "3 days"): None,
        ("silent", "20 days"): None,
        ("other", "new"): "new",
        ("other", "3 days"): "3 days",
        ("other", "20 days"): "20 days",
    }
    assert previews == {key: text or "" for key, text in left.items()}


async def test_migrations_run_once_and_can_be_looked_at_before(store_kind: str, request: pytest.FixtureRequest) -> None:
    settings = await make_store_settings(store_kind, request, auto_migrate=False)
    with pytest.raises(SchemaError, match=r"lacks migration 1 .* run `spanledger migrate`"):
        async with opened(store_kind, settings):
            pass

    async with administrated(store_kind, settings) as admin:
        shown = await admin.pending()
        assert any("CREATE TABLE" in statement for statement in shown[0].statements)
        assert [done.revision for done in await admin.migrate()] == [todo.migration.revision for todo in shown]
        assert await admin.migrate() == []
        assert await admin.pending() == []

    async with opened(store_kind, settings) as ledger:
        run = make_run()
        await ledger.write(run)
        assert await ledger.store.get_run(PROJECT, run.run_id) == as_json(run)
