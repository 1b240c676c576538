"""Keys of projects in ClickHouse; in a cluster every server has all of them."""

from __future__ import annotations

from typing import Final

from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.migrations import statements
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import Tables, identifier
from spanledger.exporters.keys import TABLE, StoredKey
from spanledger.exporters.migrations import Migration

_COLUMNS: Final = {
    "digest": "String",
    "project_id": "String",
    "role": "String",
    "note": "String",
    "changed_at": "Int64",
    "revoked": "UInt8",
}
_CREATE: Final = Migration(
    0,
    "keys of projects",
    (
        f"CREATE TABLE IF NOT EXISTS {{database}}.{identifier(TABLE)} (\n"
        + "".join(f"  {name} {type_},\n" for name, type_ in _COLUMNS.items()).rstrip(",\n")
        + "\n)\nENGINE = ReplacingMergeTree(changed_at)\nORDER BY digest\n"
        "SETTINGS non_replicated_deduplication_window = 100{settings}",
    ),
)


def read(connection: Connection, settings: ClickHouseSettings) -> list[StoredKey]:
    """All keys, revoked ones included; none where there is no table."""
    exists = connection.query(
        "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": settings.database, "table": TABLE},
    )
    if not exists:
        return []
    rows = connection.query(
        f"SELECT {', '.join(_COLUMNS)} FROM {_name(settings)} FINAL ORDER BY project_id, changed_at"
    )
    return [
        StoredKey(digest=row[0], project_id=row[1], role=row[2], note=row[3], changed_ns=row[4], revoked=bool(row[5]))
        for row in rows
    ]


def save(connection: Connection, settings: ClickHouseSettings, key: StoredKey) -> None:
    """Store a key, or its later state."""
    on = Tables.of(settings).on_cluster
    connection.command(f"CREATE DATABASE IF NOT EXISTS {identifier(settings.database)}{on}")
    for statement in statements(_CREATE, settings):
        connection.command(statement)
    row = (key.digest, key.project_id, key.role, key.note, key.changed_ns, int(key.revoked))
    connection.insert(_name(settings), list(_COLUMNS), list(_COLUMNS.values()), [[value] for value in row], {})


def _name(settings: ClickHouseSettings) -> str:
    return f"{identifier(settings.database)}.{identifier(TABLE)}"
