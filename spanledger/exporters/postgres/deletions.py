"""Notes of what was deleted, and erasing of what arrived after it was (`Exporter.deleted`, `Exporter.erase`)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from spanledger.exporters.base import Deleted, sha256_of
from spanledger.exporters.postgres import erase
from spanledger.exporters.postgres.columns import clean
from spanledger.exporters.postgres.connection import Connection, identifier
from spanledger.exporters.postgres.ddl import DELETIONS, RUN_KEYS
from spanledger.exporters.postgres.writer import DELETED
from spanledger.exporters.store import Deletion
from spanledger.model.records import Metric, Record, Run, Score, Thread

KEPT_NS: Final = 400 * 86_400 * 10**9
"""How long a note is kept: far longer than anything waits."""
_OTHERS: Final[tuple[tuple[type[Record], str, str], ...]] = (
    (Score, "scores", "score_id"),
    (Thread, "threads", "thread_id"),
    (Metric, "metrics", "metric_id"),
)


async def note(connection: Connection, schema: str, what: Deletion) -> None:
    """Remember a deletion, before it is done."""
    await connection.execute(
        f"INSERT INTO {identifier(schema)}.{DELETIONS} (deleted_at, project_id, run_id, user_sha256) "
        "VALUES ($1, $2, $3, $4)",
        time.time_ns(),
        clean(what.project_id),
        what.run_id,
        None if what.user_id is None else sha256_of(what.user_id),
    )


async def noted(connection: Connection, schema: str, since_ns: int) -> list[Deleted]:
    """What was deleted at a time or later."""
    rows = await connection.fetch(
        f"SELECT project_id, deleted_at, run_id, user_sha256 FROM {identifier(schema)}.{DELETIONS} "
        "WHERE deleted_at >= $1",
        since_ns,
    )
    return [
        Deleted(
            row["project_id"],
            row["deleted_at"],
            None if row["run_id"] is None else str(row["run_id"]),
            row["user_sha256"],
        )
        for row in rows
    ]


async def forget(connection: Connection, schema: str, now_ns: int) -> None:
    """Let go of notes that concern nothing any more."""
    await connection.execute(f"DELETE FROM {identifier(schema)}.{DELETIONS} WHERE deleted_at < $1", now_ns - KEPT_NS)


async def erase_records(connection: Connection, schema: str, records: Sequence[Record], *, for_good: bool) -> None:
    """Take records out; runs leave a tombstone each where they are gone for good."""
    by_project: dict[str, list[Record]] = {}
    for record in records:
        by_project.setdefault(clean(record.project_id), []).append(record)
    for project_id, some in by_project.items():
        runs = {record.run_id: record for record in some if isinstance(record, Run)}
        ids = sorted(runs)
        if ids and for_good:
            await connection.executemany(
                f"INSERT INTO {identifier(schema)}.{RUN_KEYS} (project_id, run_id, version, started_at, state) "
                f"VALUES ($1, $2, 0, $3, {DELETED}) ON CONFLICT DO NOTHING",
                [(project_id, run_id, runs[run_id].started_at) for run_id in ids],
            )
        if ids:
            await erase.delete_runs(connection, schema, project_id, ids, keep_key=for_good)
        for kind, table, name in _OTHERS:
            found = [getattr(record, name) for record in some if isinstance(record, kind)]
            if found:
                await connection.execute(
                    f"DELETE FROM {identifier(schema)}.{table} WHERE project_id = $1 AND {name} = ANY($2::uuid[])",
                    project_id,
                    found,
                )
