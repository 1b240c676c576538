"""Deletion for good, and the retention of single projects.

Rows of a run are touched only under the lock of its key, as the writer does, keys in order: so neither waits for the
other in a circle. What many runs are concerned by is done some thousand at a time, each in a transaction.
"""

from __future__ import annotations

from typing import Any, Final

from spanledger.exporters.postgres.columns import clean
from spanledger.exporters.postgres.connection import Connection, identifier
from spanledger.exporters.postgres.ddl import INDEXED_LENGTH, RUN_KEYS, USAGE_DAILY, USAGE_DIRTY, USAGE_MINUTES
from spanledger.exporters.postgres.hours import HOUR_NS, HOURS, STALE, note
from spanledger.exporters.postgres.settings import PostgresSettings
from spanledger.exporters.postgres.writer import DELETED, LIVE, MINUTE_NS, mark
from spanledger.exporters.retention import limits

CHUNK: Final = 2000
_DAY_MINUTES: Final = 1440


async def delete_run(connection: Connection, schema: str, project_id: str, run_id: str) -> int:
    """Delete a run and its scores. Returns how many runs went."""
    return await delete_runs(connection, schema, project_id, [run_id], keep_key=True)


async def delete_user(connection: Connection, schema: str, project_id: str, user_id: str) -> int:
    """Delete a user's runs with their scores, threads and sums. Returns how many runs went."""
    name = identifier(schema)
    gone = await _delete_where(
        connection,
        schema,
        project_id,
        f"left(user_id, {INDEXED_LENGTH}) = left($2, {INDEXED_LENGTH}) AND user_id = $2",
        user_id,
        keep_key=True,
    )
    await connection.execute(f"DELETE FROM {name}.threads WHERE project_id = $1 AND user_id = $2", project_id, user_id)
    # Days whose runs are there are summed up anew; here go those whose runs retention has dropped.
    for table in (USAGE_MINUTES, USAGE_DAILY):
        await connection.execute(
            f"DELETE FROM {name}.{table} WHERE project_id = $1 AND user_id = $2", project_id, user_id
        )
    return gone


async def delete_project(connection: Connection, schema: str, project_id: str) -> int:
    """Delete all that a project has. Returns how many runs went."""
    name = identifier(schema)
    gone = await _delete_where(connection, schema, project_id, "$2 = ''", "", keep_key=False)
    async with connection.transaction():
        for table in (RUN_KEYS, "scores", "threads", "metrics", USAGE_DIRTY, USAGE_MINUTES, USAGE_DAILY, HOURS, STALE):
            await connection.execute(f"DELETE FROM {name}.{table} WHERE project_id = $1", project_id)
    return gone


async def expire(connection: Connection, settings: PostgresSettings, now_ns: int) -> int:
    """Delete what is older than the retention of its project. Returns how many runs and payloads went."""
    schema, gone = settings.schema_name, 0
    for project_id, runs, payloads in limits(settings.retention, now_ns):
        if runs is not None:
            gone += await expire_runs(connection, schema, clean(project_id), runs)
        if payloads is not None:
            gone += await expire_payloads(connection, schema, clean(project_id), payloads)
    return gone


async def expire_runs(connection: Connection, schema: str, project_id: str, before: int) -> int:
    """Delete a project's runs, scores, threads and metrics that started before a time. Sums by day stay."""
    name = identifier(schema)
    before = whole_minute(before)
    gone = await _delete_where(
        connection, schema, project_id, "started_at < $2::bigint", before, keep_key=False, counts=False
    )
    for table, column in (("metrics", "at"), ("threads", "started_at")):
        await connection.execute(
            f"DELETE FROM {name}.{table} WHERE project_id = $1 AND {column} < $2", project_id, before
        )
    await connection.execute(
        f"DELETE FROM {name}.scores WHERE project_id = $1 AND coalesce(at, 0) < $2 "
        "AND ingested_at < to_timestamp($3::double precision)",
        project_id,
        before,
        before / 1e9,
    )
    async with connection.transaction():
        await connection.execute(
            f"DELETE FROM {name}.{HOURS} WHERE project_id = $1 AND hour <= $2", project_id, before // HOUR_NS
        )
        # Of the hour that is cut some runs are left.
        await note(connection, schema, [(project_id, before // MINUTE_NS)])
    # Whole days: a day is computed from all of its minutes or never again.
    minute = before // MINUTE_NS // _DAY_MINUTES * _DAY_MINUTES
    await connection.execute(
        f"DELETE FROM {name}.{USAGE_MINUTES} WHERE project_id = $1 AND minute < to_timestamp($2::bigint)",
        project_id,
        minute * 60,
    )
    return gone


async def expire_payloads(connection: Connection, schema: str, project_id: str, before: int) -> int:
    """Delete the contents and previews of a project's runs that started before a time. Returns how many payloads."""
    name = identifier(schema)
    gone = 0
    while True:
        async with connection.transaction():
            rows = await connection.fetch(
                f"SELECT run_id FROM {name}.runs WHERE project_id = $1 AND started_at < $2 "
                "AND (input_preview <> '' OR output_preview <> '') LIMIT $3",
                project_id,
                before,
                CHUNK,
            )
            keys = await _lock(connection, name, project_id, [row["run_id"] for row in rows])
            await connection.executemany(
                f"UPDATE {name}.runs SET input_preview = '', output_preview = '' "
                "WHERE project_id = $1 AND started_at = $2 AND run_id = $3",
                [(project_id, key["started_at"], key["run_id"]) for key in keys],
            )
        if len(rows) < CHUNK:
            break
    while True:
        async with connection.transaction():
            rows = await connection.fetch(
                f"SELECT run_id FROM {name}.run_payloads WHERE project_id = $1 AND started_at < $2 LIMIT $3",
                project_id,
                before,
                CHUNK,
            )
            keys = await _lock(connection, name, project_id, [row["run_id"] for row in rows])
            gone += await _delete_payloads(connection, name, project_id, keys)
        if len(rows) < CHUNK:
            return gone


def whole_minute(at: int) -> int:
    """Sums are by minute, so runs go by whole minutes."""
    return at // MINUTE_NS * MINUTE_NS


async def _delete_where(
    connection: Connection,
    schema: str,
    project_id: str,
    condition: str,
    value: Any,
    *,
    keep_key: bool,
    counts: bool = True,
) -> int:
    gone = 0
    while True:
        rows = await connection.fetch(
            f"SELECT run_id FROM {identifier(schema)}.runs WHERE project_id = $1 AND {condition} LIMIT $3",
            project_id,
            value,
            CHUNK,
        )
        ids = [str(row["run_id"]) for row in rows]
        gone += await delete_runs(connection, schema, project_id, ids, keep_key=keep_key, counts=counts)
        if len(rows) < CHUNK:
            return gone


async def delete_runs(
    connection: Connection, schema: str, project_id: str, ids: list[str], *, keep_key: bool, counts: bool = True
) -> int:
    """Delete runs. Their keys stay as tombstones with `keep_key`; with `counts` they are taken out of the sums."""
    name = identifier(schema)
    async with connection.transaction():
        keys = await _lock(connection, name, project_id, ids)
        there = [key for key in keys if key["state"] == LIVE]
        await connection.executemany(
            f"DELETE FROM {name}.runs WHERE project_id = $1 AND started_at = $2 AND run_id = $3",
            [(project_id, key["started_at"], key["run_id"]) for key in there],
        )
        await _delete_payloads(connection, name, project_id, keys)
        await connection.executemany(
            f"DELETE FROM {name}.scores WHERE project_id = $1 AND run_id = $2",
            [(project_id, key["run_id"]) for key in keys],
        )
        await connection.executemany(
            f"UPDATE {name}.{RUN_KEYS} SET state = {DELETED} WHERE project_id = $1 AND run_id = $2"
            if keep_key
            else f"DELETE FROM {name}.{RUN_KEYS} WHERE project_id = $1 AND run_id = $2",
            [(project_id, key["run_id"]) for key in keys],
        )
        if counts:
            await mark(connection, name, {(project_id, key["started_at"] // MINUTE_NS) for key in there})
    return len(there)


async def _lock(connection: Connection, name: str, project_id: str, ids: list[Any]) -> list[Any]:
    found: list[Any] = await connection.fetch(
        f"SELECT run_id, started_at, payload_at, state FROM {name}.{RUN_KEYS} "
        "WHERE project_id = $1 AND run_id = ANY($2::uuid[]) ORDER BY run_id FOR UPDATE",
        project_id,
        ids,
    )
    return found


async def _delete_payloads(connection: Connection, name: str, project_id: str, keys: list[Any]) -> int:
    with_payload = [key for key in keys if key["payload_at"] is not None]
    await connection.executemany(
        f"DELETE FROM {name}.run_payloads WHERE started_at = $1 AND run_id = $2 AND project_id = $3",
        [(key["payload_at"], key["run_id"], project_id) for key in with_payload],
    )
    await connection.executemany(
        f"UPDATE {name}.{RUN_KEYS} SET payload_at = NULL, payload_version = NULL WHERE project_id = $1 AND run_id = $2",
        [(project_id, key["run_id"]) for key in with_payload],
    )
    return len(with_payload)
