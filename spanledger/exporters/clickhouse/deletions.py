"""Notes of what was deleted, and erasing of what arrived after it was (`Exporter.deleted`, `Exporter.erase`)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from spanledger.exporters.base import Deleted, sha256_of
from spanledger.exporters.clickhouse.columns import DELETED, DELETED_TYPE, type_name
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.ddl import DELETIONS_TABLE
from spanledger.exporters.clickhouse.erase import LAST_VERSION, MUTATION
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import Tables, identifier, literal
from spanledger.exporters.schema import METRICS, RUN_PAYLOADS, RUNS, SCORES, THREADS, Table, payload_group
from spanledger.exporters.store import Deletion
from spanledger.model.records import Metric, Record, Run, Score, Thread

_IDENTITY: Final[dict[str, str]] = {"scores": "score_id", "threads": "thread_id", "metrics": "metric_id"}
_OTHERS: Final[tuple[tuple[type[Record], Table], ...]] = ((Score, SCORES), (Thread, THREADS), (Metric, METRICS))


def note(connection: Connection, settings: ClickHouseSettings, what: Deletion) -> None:
    """Remember a deletion, before it is done."""
    user = "" if what.user_id is None else sha256_of(what.user_id)
    at = time.time_ns()
    connection.insert(
        f"{identifier(settings.database)}.{identifier(DELETIONS_TABLE)}",
        ["project_id", "run_id", "user_sha256", "deleted_at"],
        ["String", "String", "String", "DateTime64(9, 'UTC')"],
        [[what.project_id], [what.run_id or ""], [user], [at]],
        {"insert_deduplication_token": f"deletion {at} {what.project_id} {what.run_id} {user}"},
    )


def noted(connection: Connection, settings: ClickHouseSettings, since_ns: int) -> list[Deleted]:
    """What was deleted at a time or later."""
    rows = connection.query(
        "SELECT project_id, toUnixTimestamp64Nano(deleted_at), run_id, user_sha256 "
        f"FROM {identifier(settings.database)}.{identifier(DELETIONS_TABLE)} "
        f"WHERE deleted_at >= fromUnixTimestamp64Nano(toInt64({max(since_ns, 0)}), 'UTC')"
    )
    return [Deleted(project_id, at_ns, run_id or None, user or None) for project_id, at_ns, run_id, user in rows]


def erase(
    connection: Connection,
    settings: ClickHouseSettings,
    records: Sequence[Record],
    *,
    for_good: bool,
    insert_settings: Mapping[str, Any],
) -> None:
    """Take records out; runs leave a tombstone each where they are gone for good."""
    tables = Tables.of(settings)
    by_project: dict[str, list[Record]] = {}
    for record in records:
        by_project.setdefault(record.project_id, []).append(record)
    for project_id, some in by_project.items():
        runs = [record for record in some if isinstance(record, Run)]
        if runs and for_good:
            for table, names, values in _tombstones(runs):
                digest = hashlib.sha256("\0".join(run.run_id for run in runs).encode()).hexdigest()
                types = [DELETED_TYPE if name == DELETED else type_name(table[name]) for name in names]
                token = {"insert_deduplication_token": f"erase {table.name} {digest}"}
                connection.insert(tables.write(table), names, types, values, {**insert_settings, **token})
        for table, condition in _conditions(project_id, some, runs):
            ((rows,),) = connection.query(f"SELECT count() FROM {tables.read(table)} WHERE {condition}")
            if rows:
                connection.command(f"{tables.alter(table)} DELETE WHERE {condition}", MUTATION)


def _tombstones(runs: Sequence[Run]) -> Iterator[tuple[Table, list[str], list[list[Any]]]]:
    """(table, columns, values). Payloads first, as for every write."""
    ids, starts = [run.run_id for run in runs], [run.started_at for run in runs]
    projects, versions, marks = [run.project_id for run in runs], [LAST_VERSION] * len(runs), [1] * len(runs)
    names = ["project_id", "payload_group", "run_id", "started_at", "version", DELETED]
    yield RUN_PAYLOADS, names, [projects, list(map(payload_group, runs)), ids, starts, versions, marks]
    names = ["project_id", "run_id", "trace_id", "span_id", "started_at", "version", DELETED]
    traces, spans = [run.trace_id or "" for run in runs], [run.span_id or "" for run in runs]
    yield RUNS, names, [projects, ids, traces, spans, starts, versions, marks]


def _conditions(project_id: str, records: Sequence[Record], runs: Sequence[Run]) -> Iterator[tuple[Table, str]]:
    """(table, condition) of the rows that must not be there."""
    project = f"project_id = {literal(project_id)}"
    if runs:
        ids = _list(run.run_id for run in runs)
        for table in (RUN_PAYLOADS, RUNS):
            yield table, f"{project} AND run_id IN ({ids}) AND version < {LAST_VERSION}"
    for kind, table in _OTHERS:
        name = _IDENTITY[table.name]
        found = [getattr(record, name) for record in records if isinstance(record, kind)]
        if found:
            yield table, f"{project} AND {name} IN ({_list(found)})"


def _list(ids: Iterator[str] | Sequence[str]) -> str:
    return ", ".join(map(literal, ids))
