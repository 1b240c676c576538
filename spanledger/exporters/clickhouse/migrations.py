"""Numbered, forward-only migrations.

What a migration does follows from the schema as of its revision, so it stays the same for ever; its checksum stands
in `schema_migrations` and is compared at every start. ClickHouse has no transactional DDL: each statement can be
repeated, and a migration that stopped half way is run again from its beginning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from spanledger.errors import SchemaError
from spanledger.exporters.clickhouse import ddl
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.schema import REVISION, TABLES

_FSYNC: Final = "fsync_after_insert = 1, fsync_part_directory = 1"
_COMMENT: Final = re.compile(r" COMMENT '(?:[^'\\]|\\.)*'")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `{database}` and `{settings}` in the statements are filled in when it runs."""

    revision: int
    name: str
    statements: tuple[str, ...]

    @property
    def checksum(self) -> str:
        """Of everything that changes what the tables hold; comments may be corrected later."""
        text = "\n;\n".join(_COMMENT.sub("", statement) for statement in self.statements)
        return hashlib.sha256(text.encode()).hexdigest()


MIGRATIONS: Final[Sequence[Migration]] = (
    Migration(1, "create the ledger", tuple(ddl.create_table(table, 1) for table in TABLES)),
    Migration(2, "keep what a price depends on", tuple(ddl.add_columns(2))),
)


def pending(connection: Connection, settings: ClickHouseSettings) -> list[Migration]:
    """Migrations that the database has not seen. Raises `SchemaError` when it is newer than this program, or when a
    migration that it has seen was another one."""
    applied = _applied(connection, settings.database)
    newest = max(applied, default=0)
    if newest > REVISION:
        raise SchemaError(
            f"database {settings.database} has schema revision {newest}, this program knows {REVISION}: "
            "a newer spanledger wrote it, use that version or a newer one"
        )
    for migration in MIGRATIONS:
        seen = applied.get(migration.revision)
        if seen is not None and seen != migration.checksum:
            raise SchemaError(
                f"database {settings.database}: migration {migration.revision} ({migration.name}) is not the one that "
                "was applied; the database belongs to another build of spanledger"
            )
    return [migration for migration in MIGRATIONS if migration.revision not in applied]


def migrate(connection: Connection, settings: ClickHouseSettings) -> list[Migration]:
    """Bring the database up to date and in line with the settings. Returns what was applied.

    Raises `SchemaError` as `pending` does, and when something is pending but `auto_migrate` is off.
    """
    todo = pending(connection, settings)
    if not settings.auto_migrate:
        if todo:
            raise SchemaError(
                f"database {settings.database} lacks migration {todo[0].revision} ({todo[0].name}) and auto_migrate is "
                "off: switch it on for one start"
            )
        return []
    if todo:
        connection.command(f"CREATE DATABASE IF NOT EXISTS {ddl.identifier(settings.database)}")
        connection.command(_fill(ddl.create_migrations_table(), settings))
    for migration in todo:
        for statement in migration.statements:
            connection.command(_fill(statement, settings))
        connection.insert(
            f"{ddl.identifier(settings.database)}.{ddl.identifier(ddl.MIGRATIONS_TABLE)}",
            ["revision", "name", "checksum"],
            ["UInt32", "String", "String"],
            [[migration.revision], [migration.name], [migration.checksum]],
            {"insert_deduplication_token": f"migration {migration.revision} {migration.checksum}"},
        )
    _follow_settings(connection, settings)
    return todo


def _applied(connection: Connection, database: str) -> dict[int, str]:
    exists = connection.query(
        "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": database, "table": ddl.MIGRATIONS_TABLE},
    )
    if not exists:
        return {}
    rows = connection.query(
        f"SELECT revision, checksum FROM {ddl.identifier(database)}.{ddl.identifier(ddl.MIGRATIONS_TABLE)} FINAL"
    )
    return dict(rows)


def _fill(statement: str, settings: ClickHouseSettings) -> str:
    extra = f", {_FSYNC}" if _fsync(settings) else ""
    return statement.replace("{database}", ddl.identifier(settings.database)).replace("{settings}", extra)


def _fsync(settings: ClickHouseSettings) -> bool:
    # Only for the embedded engine: a server's durability is its operator's choice, often replicas instead.
    return settings.embedded_path is not None and settings.embedded.fsync


def _follow_settings(connection: Connection, settings: ClickHouseSettings) -> None:
    """Bring what may change between starts in line: retention, and whether inserts are synced."""
    rows = connection.query(
        "SELECT name, extract(engine_full, 'TTL .*toIntervalDay\\\\((\\\\d+)\\\\)'), "
        "position(engine_full, 'fsync_after_insert = 1') > 0 FROM system.tables WHERE database = {database:String}",
        {"database": settings.database},
    )
    current = {name: (int(days or 0), bool(synced)) for name, days, synced in rows}
    for table in TABLES:
        name = f"{ddl.identifier(settings.database)}.{ddl.identifier(table.name)}"
        days, synced = current[table.name]
        wanted = settings.payloads_ttl_days if table.name == "run_payloads" else settings.runs_ttl_days
        if days != wanted:
            change = f"MODIFY TTL {ddl.ttl_expression(table.name, wanted)}" if wanted else "REMOVE TTL"
            connection.command(f"ALTER TABLE {name} {change}")
        if settings.embedded_path is not None and synced != _fsync(settings):
            change = f"MODIFY SETTING {_FSYNC}" if _fsync(settings) else f"RESET SETTING {_FSYNC.replace(' = 1', '')}"
            connection.command(f"ALTER TABLE {name} {change}")
