"""Migrations that put another table in the place of one, while others write into it, and stopped half way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from spanledger.errors import StoreError
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.migrations import MIGRATIONS, Rebuild, migrate, statements
from tests.exporters.ledger import opened
from tests.exporters.records import PROJECT

REBUILDS = [migration for migration in MIGRATIONS if isinstance(migration, Rebuild)]
Hook = Callable[[str], None]


def upto(monkeypatch: pytest.MonkeyPatch, revision: int) -> None:
    """Be the version of the program that knows the migrations up to this one."""
    known = tuple(migration for migration in MIGRATIONS if migration.revision <= revision)
    monkeypatch.setattr("spanledger.exporters.clickhouse.migrations.MIGRATIONS", known)


def write(connection: Connection, database: str, *numbers: int, table: str = "runs") -> None:
    for number in numbers:
        connection.command(
            f"INSERT INTO {database}.{table} (project_id, run_id, trace_id, started_at, version) VALUES "
            f"('{PROJECT}', '{number:08d}-0000-8000-8000-000000000000', 't', '2026-11-02 03:04:05', {number})"
        )


def versions(connection: Connection, database: str) -> list[int]:
    rows = connection.query(f"SELECT version FROM {database}.runs FINAL ORDER BY version")
    return [version for (version,) in rows]


def tables(connection: Connection, database: str) -> set[str]:
    rows = connection.query(
        f"SELECT name FROM system.tables WHERE database = '{database}' AND startsWith(name, 'runs')"
    )
    return {name for (name,) in rows}


def columns(connection: Connection, database: str) -> set[str]:
    rows = connection.query(f"SELECT name FROM system.columns WHERE database = '{database}' AND table = 'runs'")
    return {name for (name,) in rows}


@contextmanager
def watched(connection: Connection, first: Hook, then: Hook) -> Iterator[None]:
    """Each statement is told before it runs and after."""
    command = connection.command

    def tell(sql: str, settings: Mapping[str, Any] | None = None) -> None:
        first(sql)
        command(sql, settings)
        then(sql)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "command", tell)
        yield


@pytest.mark.parametrize("migration", REBUILDS, ids=lambda migration: str(migration.revision))
def test_what_others_write_during_a_rebuild_is_kept(
    settings: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch, migration: Rebuild
) -> None:
    database = settings.database
    upto(monkeypatch, migration.revision - 1)
    with opened(settings) as connection:
        migrate(connection, settings)
        write(connection, database, 1, 2)
        upto(monkeypatch, migration.revision)

        def meddle(sql: str) -> None:
            if sql.startswith("EXCHANGE "):
                write(connection, database, 3)

        def late(sql: str) -> None:
            if sql.startswith("EXCHANGE "):
                write(connection, database, 4)
                write(connection, database, 5, table="runs_new")  # an insert that had begun before

        with watched(connection, meddle, late):
            migrate(connection, settings)
        assert versions(connection, database) == [1, 2, 3, 4, 5]
        assert tables(connection, database) == {"runs"}


@pytest.mark.parametrize("migration", REBUILDS, ids=lambda migration: str(migration.revision))
def test_a_rebuild_may_be_stopped_anywhere(
    settings: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch, migration: Rebuild
) -> None:
    database = settings.database
    upto(monkeypatch, migration.revision - 1)
    with opened(settings) as connection:
        migrate(connection, settings)
        write(connection, database, 1)
        steps = list(statements(migration, settings))
        for number in range(len(steps)):
            connection.command(f"DROP DATABASE {database}")
            upto(monkeypatch, migration.revision - 1)
            migrate(connection, settings)
            write(connection, database, 1)
            upto(monkeypatch, migration.revision)

            def die(sql: str, number: int = number) -> None:
                if sql == steps[number]:
                    raise StoreError("killed")

            with watched(connection, lambda sql: None, die), pytest.raises(StoreError, match="killed"):
                migrate(connection, settings)
            write(connection, database, 2)
            migrate(connection, settings)
            assert versions(connection, database) == [1, 2], steps[number]
            assert tables(connection, database) == {"runs"}
            assert migration.mark in columns(connection, database), steps[number]
