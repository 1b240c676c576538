"""The ledger's migrations for Postgres: all that are pending run in one transaction, or none."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from spanledger.exporters import migrations
from spanledger.exporters.migrations import Migration
from spanledger.exporters.postgres import ddl, hours, partitions, statistics
from spanledger.exporters.postgres.connection import Connection, Pool, identifier
from spanledger.exporters.schema import TABLES

MIGRATIONS: Final[Sequence[Migration]] = (
    Migration(
        1,
        "create the ledger",
        (*(line for table in TABLES for line in ddl.create_table(table, 1)), *ddl.bookkeeping(), *ddl.views()),
    ),
    Migration(2, "add columns", tuple(ddl.add_columns(2))),
    # Numbers of migrations and revisions of the schema part here: not every migration adds columns.
    Migration(3, "statistics of functions, variants and models", tuple(statistics.views())),
    Migration(4, "note what was deleted", tuple(ddl.deletions())),
    Migration(5, "find runs by their prompt", tuple(ddl.add_columns(3))),
    Migration(6, "sums by hour with histograms of latency", tuple(hours.ddl())),
    Migration(7, "indexes for the dearest runs and for errors", tuple(ddl.lists())),
    Migration(8, "index for the slowest runs", tuple(ddl.slowest())),
)


def fill(statement: str, schema: str) -> str:
    """A migration's statement as it runs."""
    return statement.replace("{schema}", identifier(schema))


async def pending(connection: Connection, pool: Pool) -> list[Migration]:
    """Migrations that the schema has not seen. Raises `SchemaError`; see `spanledger.exporters.migrations.pending`."""
    schema = pool.settings.schema_name
    there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{identifier(schema)}.{migrations.TABLE}")
    applied = {}
    if there:
        rows = await connection.fetch(f"SELECT revision, checksum FROM {identifier(schema)}.{migrations.TABLE}")
        applied = {row["revision"]: row["checksum"] for row in rows}
    return migrations.pending(MIGRATIONS, applied, pool.where)


async def migrate(connection: Connection, pool: Pool) -> list[Migration]:
    """Bring the schema up to date and return what ran. Who comes second waits, and finds nothing to do. Raises
    `SchemaError` as `pending` does."""
    schema = pool.settings.schema_name
    async with connection.transaction():
        await partitions.lock(connection, schema)
        todo = await pending(connection, pool)
        if todo:
            # Only where it is missing: the statement needs a grant even where it does nothing.
            if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", identifier(schema)):
                await connection.execute(f"CREATE SCHEMA {identifier(schema)}")
            await connection.execute(fill(ddl.MIGRATIONS_TABLE, schema))
        for migration in todo:
            for statement in migration.statements:
                await connection.execute(fill(statement, schema))
            await connection.execute(
                f"INSERT INTO {identifier(schema)}.{migrations.TABLE} (revision, name, checksum) VALUES ($1, $2, $3)",
                migration.revision,
                migration.name,
                migration.checksum,
            )
        if todo:
            await partitions.create_first(connection, schema, time.time_ns())
    return todo


async def check(connection: Connection, pool: Pool) -> None:
    """Raise `SchemaError` unless the schema is this program's, with nothing pending."""
    migrations.require_none(await pending(connection, pool), pool.where)
