"""Keys of projects in Postgres."""

from __future__ import annotations

from spanledger.exporters.keys import TABLE, StoredKey
from spanledger.exporters.postgres.connection import Connection, identifier


async def read(connection: Connection, schema: str) -> list[StoredKey]:
    """All keys, revoked ones included; none where there is no table."""
    table = f"{identifier(schema)}.{TABLE}"
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
        return []
    rows = await connection.fetch(
        f"SELECT digest, project_id, role, note, changed_at, revoked FROM {table} ORDER BY project_id, changed_at"
    )
    return [
        StoredKey(digest=row[0], project_id=row[1], role=row[2], note=row[3], changed_ns=row[4], revoked=row[5])
        for row in rows
    ]


async def save(connection: Connection, schema: str, key: StoredKey) -> None:
    """Store a key, or its later state."""
    table = f"{identifier(schema)}.{TABLE}"
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table):
        if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", identifier(schema)):
            await connection.execute(f"CREATE SCHEMA {identifier(schema)}")
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (\n  digest text PRIMARY KEY,\n  project_id text NOT NULL,\n"
            "  role text NOT NULL,\n  note text NOT NULL,\n  changed_at bigint NOT NULL,\n  revoked boolean NOT NULL\n)"
        )
    await connection.execute(
        f"INSERT INTO {table} AS held (digest, project_id, role, note, changed_at, revoked) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO UPDATE SET project_id = excluded.project_id, "
        "role = excluded.role, note = excluded.note, changed_at = excluded.changed_at, revoked = excluded.revoked "
        "WHERE held.changed_at <= excluded.changed_at",
        *(key.digest, key.project_id, key.role, key.note, key.changed_ns, key.revoked),
    )
