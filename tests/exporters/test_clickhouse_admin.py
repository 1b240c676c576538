"""Deletion and retention of single projects."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from spanledger.errors import StoreUnavailable
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.admin import ClickHouseAdmin
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.lock import locked
from spanledger.exporters.clickhouse.migrations import migrate
from spanledger.exporters.retention import ProjectRetention
from spanledger.exporters.schema import TABLES
from spanledger.exporters.store import Deletion, RunFilter
from spanledger.model.ids import thread_id
from spanledger.model.records import Thread
from tests.exporters.ledger import Ledger, make_settings, opened
from tests.exporters.records import PROJECT, make_run, make_score, recent

DAY = 86_400


@pytest.fixture
async def admin(ledger: Ledger) -> AsyncIterator[ClickHouseAdmin]:
    admin = ClickHouseAdmin(ledger.exporter.settings)
    await admin.start()
    yield admin
    await admin.close()


async def names(ledger: Ledger, project: str = PROJECT) -> list[str]:
    return sorted(run["name"] for run in (await ledger.store.list_runs(RunFilter(project))).runs)


async def rows_with(ledger: Ledger, text: str) -> dict[str, int]:
    """Rows of each table in which the text occurs anywhere."""
    found: dict[str, int] = {}
    for table in TABLES:
        ((count,),) = await ledger.query(
            f"SELECT count() FROM {{db}}.{table.name} WHERE position(toString(tuple(*)), '{text}') > 0"
        )
        found[table.name] = count
    return {name: count for name, count in found.items() if count}


def thread(session: str, user: str | None, **facts: Any) -> Thread:
    return Thread(
        project_id=PROJECT,
        thread_id=thread_id(PROJECT, session),
        session_id=session,
        user_id=user,
        started_at=recent(),
        **facts,
    )


async def test_a_deleted_run_leaves_no_content_behind(ledger: Ledger, admin: ClickHouseAdmin) -> None:
    run, other = make_run(name="gone", input="swordfish", started_at=recent(2)), make_run(name="stays")
    await ledger.write(run, other, make_score(run, "comment", None, comment="swordfish"))
    await ledger.write(msgspec.structs.replace(run, version=2, output="swordfish"))

    assert await admin.delete(Deletion(PROJECT, run_id=run.run_id)) == 1

    assert await names(ledger) == ["stays"]
    assert await ledger.store.get_run(PROJECT, run.run_id) is None
    assert await rows_with(ledger, "swordfish") == {}


async def test_a_deleted_run_stays_deleted_when_it_comes_again(ledger: Ledger, admin: ClickHouseAdmin) -> None:
    run = make_run(name="gone", input="swordfish")
    await ledger.write(run)
    await admin.delete(Deletion(PROJECT, run_id=run.run_id))

    await ledger.write(run)
    await ledger.write(msgspec.structs.replace(run, version=7))

    assert await names(ledger) == []
    assert (await ledger.store.totals(RunFilter(PROJECT))).runs == 0
    assert await admin.delete(Deletion(PROJECT, run_id=run.run_id)) == 0
    assert await rows_with(ledger, "swordfish") == {}


async def test_deleting_a_user_takes_the_runs_that_are_theirs_now(ledger: Ledger, admin: ClickHouseAdmin) -> None:
    theirs = make_run(name="theirs", user_id="ada", input="swordfish", started_at=recent(3))
    corrected = make_run(name="corrected", user_id="ada", started_at=recent(2))
    other = make_run(name="other", user_id="bob", started_at=recent(1))
    await ledger.write(theirs, corrected, other, thread("s1", "ada"), thread("s2", "bob"))
    await ledger.write(msgspec.structs.replace(corrected, user_id="bob", version=2))

    assert await admin.delete(Deletion(PROJECT, user_id="ada")) == 1

    assert await names(ledger) == ["corrected", "other"]
    assert await rows_with(ledger, "ada") == {}
    assert await rows_with(ledger, "swordfish") == {}
    assert await rows_with(ledger, "bob") == {"runs": 2, "threads": 1}


async def test_deleting_a_project_leaves_other_projects_alone(ledger: Ledger, admin: ClickHouseAdmin) -> None:
    mine, theirs = make_run(name="mine"), make_run(name="theirs", project_id="other")
    await ledger.write(mine, theirs, thread("s1", "ada"), make_score(mine, "thumb", True))

    assert await admin.delete(Deletion(PROJECT)) == 1

    assert await names(ledger) == []
    assert await names(ledger, "other") == ["theirs"]
    assert await rows_with(ledger, PROJECT) == {}


@pytest.mark.parametrize("run_id", ["not a uuid", "00000000-0000-8000-8000-0000000000ff", "' OR 1 = 1 --"])
async def test_deleting_what_is_not_there_deletes_nothing(ledger: Ledger, admin: ClickHouseAdmin, run_id: str) -> None:
    await ledger.write(make_run(name="stays"))

    assert await admin.delete(Deletion(PROJECT, run_id=run_id)) == 0
    assert await admin.delete(Deletion(PROJECT, user_id=run_id)) == 0
    assert await admin.delete(Deletion("' OR '1' = '1")) == 0

    assert await names(ledger) == ["stays"]


def test_a_deletion_is_of_one_thing() -> None:
    with pytest.raises(ValueError, match="of a run, of a user or of a project"):
        Deletion(PROJECT, run_id="1", user_id="2")


async def test_a_project_may_keep_contents_and_runs_for_less_time(ledger: Ledger) -> None:
    ages = {"new": recent(), "week": recent(8 * DAY), "quarter": recent(100 * DAY)}
    mine = {name: make_run(name=name, started_at=at, input="secret") for name, at in ages.items()}
    await ledger.write(*mine.values())
    await ledger.write(*(msgspec.structs.replace(run, project_id="other") for run in mine.values()))
    retention = {PROJECT: ProjectRetention(runs_days=90, payloads_days=7)}
    admin = ClickHouseAdmin(ledger.exporter.settings.model_copy(update={"retention": retention}))
    await admin.start()

    assert await admin.expire(recent()) > 0
    assert await admin.expire(recent()) == 0
    await admin.close()

    assert await names(ledger) == ["new", "week"]
    assert await names(ledger, "other") == ["new", "quarter", "week"]
    week = await ledger.store.get_run(PROJECT, mine["week"].run_id)
    new = await ledger.store.get_run(PROJECT, mine["new"].run_id)
    assert week is not None
    assert new is not None
    assert (week["input"], week["payload_expired"], new["input"]) == (None, True, "secret")
    page = await ledger.store.list_runs(RunFilter(PROJECT))
    assert [run["input_preview"] for run in page.runs] == ["secret", ""]


async def test_nothing_is_deleted_while_a_migration_may_copy_it(ledger: Ledger, admin: ClickHouseAdmin) -> None:
    await ledger.write(make_run(name="kept"))
    settings = ledger.exporter.settings

    with opened(settings) as connection, locked(connection, settings):
        with pytest.raises(StoreUnavailable, match=r"is being migrated by \S+ .*pid \d+: delete afterwards"):
            await admin.delete(Deletion(PROJECT))
        assert await names(ledger) == ["kept"]

    assert await admin.delete(Deletion(PROJECT)) == 1


async def test_a_deletion_that_a_migration_overtook_is_to_be_repeated(
    ledger: Ledger, admin: ClickHouseAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.write(make_run())

    def migrated(connection: Connection, settings: ClickHouseSettings, what: Deletion) -> None:
        connection.command(
            f"INSERT INTO {settings.database}.schema_migrations (revision, name, checksum) VALUES (999, 'later', '')"
        )

    monkeypatch.setattr("spanledger.exporters.clickhouse.deletions.note", migrated)
    with pytest.raises(StoreUnavailable, match="was migrated meanwhile: delete once more"):
        await admin.delete(Deletion(PROJECT))


async def test_who_waits_for_a_migration_is_told_who_is_at_it(engine: str) -> None:
    settings: ClickHouseSettings = make_settings(engine, timeout="100ms")
    with opened(settings) as holder, opened(settings) as other:
        holder.command(f"CREATE DATABASE {settings.database}")
        with locked(holder, settings), pytest.raises(StoreUnavailable, match=r"is being migrated by \S+ .*pid \d+"):
            migrate(other, settings)
        assert migrate(other, settings)


async def test_the_lock_of_a_dead_process_is_taken_over(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spanledger.exporters.clickhouse.lock.VOID_AFTER", 0)
    settings = make_settings(engine)
    with opened(settings) as connection:
        connection.command(f"CREATE DATABASE {settings.database}")
        connection.command(f"CREATE TABLE {settings.database}.schema_lock (holder String) ENGINE = TinyLog")

        assert migrate(connection, settings)


def test_the_lock_of_an_own_attempt_that_was_cut_off_holds_up_nobody(engine: str) -> None:
    settings = make_settings(engine, timeout="1s")
    with opened(settings) as connection, opened(settings) as cut:
        connection.command(f"CREATE DATABASE {settings.database}")
        with pytest.raises(StoreUnavailable, match="gone"), locked(cut, settings):  # noqa: PT012
            cut.command = _unreachable  # type: ignore[method-assign]
            with pytest.raises(StoreUnavailable, match="is being migrated by"), locked(connection, settings):
                pass
        with locked(connection, settings):
            pass


def _unreachable(*_: object, **__: object) -> None:
    raise StoreUnavailable("gone")


def test_the_lock_of_a_process_of_this_machine_that_was_killed_holds_up_nobody(engine: str) -> None:
    settings = make_settings(engine, timeout="1s")
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    with opened(settings) as connection:
        connection.command(f"CREATE DATABASE {settings.database}")
        with locked(connection, settings):
            ours = connection.query(
                "SELECT comment FROM system.tables WHERE database = {database:String} AND name = 'schema_lock'",
                {"database": settings.database},
            )[0][0]
        killed = f"{ours.rpartition(' ')[0]} {ended.pid}"
        connection.command(
            f"CREATE TABLE {settings.database}.schema_lock (holder String) ENGINE = TinyLog COMMENT '{killed}'"
        )
        with locked(connection, settings):
            pass
