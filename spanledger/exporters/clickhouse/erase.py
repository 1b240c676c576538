"""SQL that deletes: on demand (a run, a user, a project) and by a project's own retention.

A run that is deleted leaves a tombstone: its key, marked deleted, with a version that nothing exceeds. So what the log
still holds of it, or its sender repeats, stays out; and a deletion that was interrupted finds by the tombstones what is
left to do. Rows are rewritten and not only marked (`ALTER TABLE … DELETE`), for people who ask for deletion mean the
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from spanledger.exporters.clickhouse.columns import DELETED
from spanledger.exporters.clickhouse.ddl import LAYOUTS
from spanledger.exporters.clickhouse.tables import Tables, literal
from spanledger.exporters.schema import METRICS, RUN_PAYLOADS, RUNS, SCORES, TABLES, THREADS
from spanledger.exporters.store import Deletion

LAST_VERSION: Final = 2**64 - 1
"""Of a tombstone; what a record can have ends at 2**63 - 1."""

MUTATION: Final = {
    # Answer when it is done, on every replica.
    "mutations_sync": 2,
    # The runs to delete are found by a query.
    "allow_nondeterministic_mutations": 1,
}
TOMBSTONE: Final = f"{DELETED} = 1 AND version = {LAST_VERSION}"
"""Condition that holds for tombstones."""
_KEPT: Final = "project_id, run_id, trace_id, span_id, started_at"


def targets(tables: Tables, what: Deletion) -> str:
    """SELECT of the ids of the runs that are there now, in their winning version."""
    table, project = tables.read(RUNS), f"project_id = {literal(what.project_id)}"
    winners = "ORDER BY version DESC, ingested_at DESC LIMIT 1 BY run_id"
    if what.run_id is not None:
        inner, outer = f" AND run_id = {literal(what.run_id)}", ""
    elif what.user_id is not None:
        user = f"user_id = {literal(what.user_id)}"
        inner = f" AND run_id IN (SELECT run_id FROM {table} WHERE {project} AND {user})"
        outer = f" AND {user}"
    else:
        inner = outer = ""
    return (
        f"SELECT run_id FROM (SELECT run_id, user_id, {DELETED} FROM {table} WHERE {project}{inner} {winners}) "
        f"WHERE {DELETED} = 0{outer}"
    )


def tombstones(tables: Tables, what: Deletion) -> list[str]:
    """INSERTs of the tombstones. Payloads first: the runs say which."""
    project = f"project_id = {literal(what.project_id)}"
    chosen = f"{project} AND run_id IN ({targets(tables, what)})"
    last = f"toUInt64({LAST_VERSION}), 1"
    return [
        f"INSERT INTO {tables.write(RUN_PAYLOADS)} (project_id, payload_group, run_id, started_at, version, {DELETED}) "
        f"SELECT DISTINCT project_id, payload_group, run_id, started_at, {last} "
        f"FROM {tables.read(RUN_PAYLOADS)} WHERE {chosen}",
        f"INSERT INTO {tables.write(RUNS)} ({_KEPT}, version, {DELETED}) "
        f"SELECT DISTINCT {_KEPT}, {last} FROM {tables.read(RUNS)} WHERE {chosen}",
    ]


def deletions(tables: Tables, what: Deletion) -> Iterator[str]:
    """The mutations, once the tombstones stand."""
    project = f"project_id = {literal(what.project_id)}"
    if what.run_id is None and what.user_id is None:
        for table in TABLES:
            yield f"{tables.alter(table)} DELETE WHERE {project}"
        return
    dead = f"run_id IN (SELECT run_id FROM {tables.read(RUNS)} WHERE {project} AND {TOMBSTONE})"
    for table in (SCORES, RUN_PAYLOADS, RUNS):
        older = "" if table is SCORES else f" AND version < {LAST_VERSION}"
        yield f"{tables.alter(table)} DELETE WHERE {project}{older} AND {dead}"
    if what.user_id is not None:
        user = f"user_id = {literal(what.user_id)}"
        # Versions that named the user before a correction.
        yield f"{tables.alter(RUNS)} DELETE WHERE {project} AND {user}"
        yield f"{tables.alter(THREADS)} DELETE WHERE {project} AND {user}"


def expirations(
    tables: Tables, project_id: str, runs_before: int | None, payloads_before: int | None
) -> Iterator[tuple[str, str, str]]:
    """(table, condition, mutation) of what passed a project's own retention. A mutation is worth running where rows
    fulfil the condition."""
    project = f"project_id = {literal(project_id)}"

    def before(name: str, time_ns: int) -> str:
        return f"{project} AND {LAYOUTS[name].ttl_column} < fromUnixTimestamp64Nano(toInt64({time_ns}), 'UTC')"

    if payloads_before is not None:
        old = f"{before(RUN_PAYLOADS.name, payloads_before)} AND {DELETED} = 0"
        yield tables.read(RUN_PAYLOADS), old, f"{tables.alter(RUN_PAYLOADS)} DELETE WHERE {old}"
        old = f"{before(RUNS.name, payloads_before)} AND (input_preview != '' OR output_preview != '')"
        blank = "UPDATE input_preview = '', output_preview = ''"
        yield tables.read(RUNS), old, f"{tables.alter(RUNS)} {blank} WHERE {old}"
    if runs_before is not None:
        for table in (RUN_PAYLOADS, RUNS, SCORES, THREADS, METRICS):
            old = before(table.name, runs_before)
            yield tables.read(table), old, f"{tables.alter(table)} DELETE WHERE {old}"
