"""The migrations of a ClickHouse ledger.

What a migration does follows from the schema as of its revision, so it stays the same for ever. ClickHouse has no
transactional DDL: each statement can be repeated, and a migration that stopped half way is run again from its
beginning, a rebuild that exchanged its tables from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from spanledger.exporters import migrations as common
from spanledger.exporters.clickhouse import ddl
from spanledger.exporters.clickhouse.cluster import on_cluster
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.faults import AlreadyThere, SchemaMissing
from spanledger.exporters.clickhouse.lock import locked
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import Tables, identifier
from spanledger.exporters.clickhouse.views import VIEWS, create_view
from spanledger.exporters.migrations import Migration
from spanledger.exporters.schema import RUNS, TABLES

FSYNC: Final = "fsync_after_insert = 1, fsync_part_directory = 1"


@dataclass(frozen=True, slots=True)
class Rebuild(Migration):
    """A migration that puts another table in the place of one. Replicas of the version before write all the while."""

    table: str
    mark: str
    """A column that only the new table has: where the table has it, the two were exchanged."""
    catch_up: tuple[str, ...]
    """What comes before the last statement. Not part of the checksum: the tables hold the same."""


MIGRATIONS: Final[Sequence[Migration]] = (
    Migration(
        1, "create the ledger", tuple(ddl.create_table(table, 1, ddl.FIRST_LAYOUTS[table.name]) for table in TABLES)
    ),
    Migration(2, "keep what a price depends on", tuple(ddl.add_columns(2))),
    # Numbers of migrations and revisions of the schema part here: not every migration adds columns.
    Rebuild(
        3,
        "take the hour out of the key of runs",
        tuple(ddl.rebuild(RUNS, 2, ddl.SECOND_LAYOUT)),
        table=RUNS.name,
        mark="trace_key",
        catch_up=tuple(ddl.catch_up(RUNS, 2)),
    ),
    Migration(4, "views for people", tuple(create_view(name) for name in VIEWS)),
    Migration(5, "note what was deleted", (ddl.create_deletions_table(),)),
    Rebuild(
        6,
        "find runs by their prompt, and read what lists show in one piece",
        (*ddl.add_columns(3), *ddl.rebuild(RUNS, 3, ddl.LAYOUTS["runs"], ddl.IN_PIECES)),
        table=RUNS.name,
        mark="summary",
        catch_up=tuple(ddl.catch_up(RUNS, 3)),
    ),
)


def pending(connection: Connection, settings: ClickHouseSettings) -> list[Migration]:
    """What the database has not seen. Raises `SchemaError`; see `spanledger.exporters.migrations.pending`."""
    return common.pending(MIGRATIONS, _applied(connection, settings.database), f"database {settings.database}")


def revision(connection: Connection, settings: ClickHouseSettings) -> int:
    """Of the newest migration that the database has seen; 0 before the first."""
    return max(_applied(connection, settings.database), default=0)


def statements(migration: Migration, settings: ClickHouseSettings) -> Iterator[str]:
    """The statements as they will run."""
    texts = migration.statements
    if isinstance(migration, Rebuild):
        texts = (*texts[:-1], *migration.catch_up, texts[-1])
    for statement in texts:
        yield from _as_set(statement, settings)


def _as_set(statement: str, settings: ClickHouseSettings) -> Iterator[str]:
    forms = [statement] if settings.cluster is None else on_cluster(statement, settings.cluster)
    for form in forms:
        yield _fill(form, settings)


def migrate(connection: Connection, settings: ClickHouseSettings) -> list[Migration]:
    """Bring the database up to date and in line with the settings. Returns what was applied.

    Raises `SchemaError` as `pending` does, and when something is pending but `auto_migrate` is off; `StoreUnavailable`
    while another process migrates.
    """
    todo = pending(connection, settings)
    if not settings.auto_migrate:
        common.require_none(todo, f"database {settings.database}")
        return []
    if todo:
        on = Tables.of(settings).on_cluster
        connection.command(f"CREATE DATABASE IF NOT EXISTS {identifier(settings.database)}{on}")
        with locked(connection, settings) as touch:
            todo = pending(connection, settings)  # another process may have been faster
            if todo:
                for statement in _as_set(ddl.create_migrations_table(), settings):
                    connection.command(statement)
            for migration in todo:
                for statement in _left(connection, settings, migration):
                    touch()
                    connection.command(statement)
                _note(connection, settings, migration)
    _follow_settings(connection, settings)
    return todo


def _left(connection: Connection, settings: ClickHouseSettings, migration: Migration) -> list[str]:
    """What of a migration is to be done: all of it, unless a process died in a rebuild after the exchange. To exchange
    once more would bring the old table back."""
    whole = list(statements(migration, settings))
    if not isinstance(migration, Rebuild) or not _has_column(connection, settings, migration.table, migration.mark):
        return whole
    exchange = next(at for at, statement in enumerate(whole) if statement.startswith("EXCHANGE "))
    attach = next(statement for statement in whole if statement.startswith("ATTACH "))
    try:
        connection.command(attach)
    except AlreadyThere:
        pass
    except SchemaMissing:  # gone already
        return []
    return whole[exchange + 1 :]


def _has_column(connection: Connection, settings: ClickHouseSettings, table: str, column: str) -> bool:
    part = f"{table}_local" if settings.cluster is not None else table
    found = connection.query(
        "SELECT 1 FROM system.columns WHERE database = {database:String} AND table = {table:String} "
        "AND name = {column:String}",
        {"database": settings.database, "table": part, "column": column},
    )
    return bool(found)


def _note(connection: Connection, settings: ClickHouseSettings, migration: Migration) -> None:
    connection.insert(
        f"{identifier(settings.database)}.{identifier(common.TABLE)}",
        ["revision", "name", "checksum"],
        ["UInt32", "String", "String"],
        [[migration.revision], [migration.name], [migration.checksum]],
        {"insert_deduplication_token": f"migration {migration.revision} {migration.checksum}"},
    )


def _applied(connection: Connection, database: str) -> dict[int, str]:
    exists = connection.query(
        "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": database, "table": common.TABLE},
    )
    if not exists:
        return {}
    rows = connection.query(f"SELECT revision, checksum FROM {identifier(database)}.{identifier(common.TABLE)} FINAL")
    return dict(rows)


def _fill(statement: str, settings: ClickHouseSettings) -> str:
    extra = f", {FSYNC}" if fsync(settings) else ""
    return statement.replace("{database}", identifier(settings.database)).replace("{settings}", extra)


def fsync(settings: ClickHouseSettings) -> bool:
    """Whether tables are made to sync what is inserted."""
    # Only for the embedded engine: a server's durability is its operator's choice, often replicas instead.
    return settings.embedded_path is not None and settings.embedded.fsync


def _follow_settings(connection: Connection, settings: ClickHouseSettings) -> None:
    """Bring what may change between starts in line: retention, and whether inserts are synced."""
    rows = connection.query(
        "SELECT name, extract(engine_full, 'TTL .*toIntervalDay\\\\((\\\\d+)\\\\)'), "
        "position(engine_full, 'fsync_after_insert = 1') > 0 FROM system.tables WHERE database = {database:String} "
        "AND engine LIKE '%MergeTree'",
        {"database": settings.database},
    )
    current = {name.removesuffix("_local"): (int(days or 0), bool(synced)) for name, days, synced in rows}
    tables = Tables.of(settings)
    for table in TABLES:
        days, synced = current[table.name]
        wanted = settings.payloads_ttl_days if table.name == "run_payloads" else settings.runs_ttl_days
        if days != wanted:
            change = f"MODIFY TTL {ddl.ttl_expression(table.name, wanted)}" if wanted else "REMOVE TTL"
            connection.command(f"{tables.alter(table)} {change}")
        if settings.embedded_path is not None and synced != fsync(settings):
            change = f"MODIFY SETTING {FSYNC}" if fsync(settings) else f"RESET SETTING {FSYNC.replace(' = 1', '')}"
            connection.command(f"{tables.alter(table)} {change}")
