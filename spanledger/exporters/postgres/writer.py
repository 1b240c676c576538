"""One batch in one transaction.

Runs: claim the keys; where a key was there already, lock it and compare versions; delete the rows that lose; copy in
the rows that win; note the minutes whose usage changed. New runs, nearly all there are, cost one INSERT into the narrow
`run_keys` beside plain COPY. Everything else is a guarded upsert.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from spanledger.exporters.postgres.batch import Batch, Row, RunRow
from spanledger.exporters.postgres.connection import Connection, identifier
from spanledger.exporters.postgres.ddl import LAYOUTS, RUN_KEYS, USAGE_DIRTY
from spanledger.exporters.schema import RUN_PAYLOADS, RUNS, Table

MINUTE_NS: Final = 60_000_000_000
LIVE: Final = 0
WITHDRAWN: Final = 1
DELETED: Final = 2
"""For good: nothing that comes again under the key brings the run back."""


@dataclass(slots=True)
class _Changes:
    """What a batch does to the runs of a store."""

    rows: list[Row] = field(default_factory=list)
    payloads: list[Row] = field(default_factory=list)
    updated: list[tuple[Any, ...]] = field(default_factory=list)
    old_rows: list[tuple[str, int, str]] = field(default_factory=list)
    old_payloads: list[tuple[int, str, str]] = field(default_factory=list)
    minutes: set[tuple[str, int]] = field(default_factory=set)

    def touch(self, project_id: str, started_at: int) -> None:
        self.minutes.add((project_id, started_at // MINUTE_NS))

    def add_new(self, run: RunRow) -> None:
        """A run that nobody has seen."""
        if run.withdrawn:
            return
        self.rows.append(run.row)
        self.touch(run.key[0], run.started_at)
        if run.payload is not None:
            self.payloads.append(run.payload)

    def add_known(self, run: RunRow, stored: Any) -> None:
        """A run that is stored already; `stored` is its row of `run_keys`, locked."""
        if stored["state"] == DELETED:
            return
        project_id, run_id = run.key
        version, started_at, state = stored["version"], stored["started_at"], stored["state"]
        payload_version, payload_at = stored["payload_version"], stored["payload_at"]
        wins = run.version >= version
        if wins:
            if state == LIVE:
                self.old_rows.append((project_id, started_at, run_id))
                self.touch(project_id, started_at)
            version, started_at = run.version, run.started_at
            state = WITHDRAWN if run.withdrawn else LIVE
            if state == LIVE:
                self.rows.append(run.row)
                self.touch(project_id, started_at)
        payload_wins = run.payload is not None and run.payload_version >= (
            -1 if payload_at is None else payload_version
        )
        if payload_at is not None and (payload_wins or state == WITHDRAWN):
            self.old_payloads.append((payload_at, run_id, project_id))
            payload_version = payload_at = None
        if payload_wins and state == LIVE and run.payload is not None:
            self.payloads.append(run.payload)
            payload_version, payload_at = run.payload_version, run.payload_at
        if wins or payload_wins:
            self.updated.append((project_id, run_id, version, started_at, payload_version, payload_at, state))


async def write(connection: Connection, schema: str, batch: Batch) -> None:
    """Write a batch, whole or not at all. Raises what the driver raises."""
    async with connection.transaction():
        if batch.runs:
            await _write_runs(connection, schema, batch.runs)
        for table, rows in batch.others:
            await connection.executemany(_upsert(schema, table), rows)


async def _write_runs(connection: Connection, schema: str, runs: Sequence[RunRow]) -> None:
    name = identifier(schema)
    changes = _Changes()
    new, known = await _claim(connection, name, runs)
    for run in new:
        changes.add_new(run)
    for run, stored in known:
        changes.add_known(run, stored)
    if changes.updated:
        await connection.executemany(
            f"UPDATE {name}.{RUN_KEYS} SET version = $3, started_at = $4, payload_version = $5, payload_at = $6, "
            "state = $7 WHERE project_id = $1 AND run_id = $2",
            changes.updated,
        )
    if changes.old_rows:
        await connection.executemany(
            f"DELETE FROM {name}.runs WHERE project_id = $1 AND started_at = $2 AND run_id = $3", changes.old_rows
        )
    if changes.old_payloads:
        await connection.executemany(
            f"DELETE FROM {name}.run_payloads WHERE started_at = $1 AND run_id = $2 AND project_id = $3",
            changes.old_payloads,
        )
    await _copy(connection, schema, RUN_PAYLOADS, changes.payloads)
    await _copy(connection, schema, RUNS, changes.rows)
    await mark(connection, name, changes.minutes)


async def _claim(
    connection: Connection, name: str, runs: Sequence[RunRow]
) -> tuple[Sequence[RunRow], list[tuple[RunRow, Any]]]:
    """(runs whose key was new, runs whose key was there with its row). Both are locked for this transaction."""
    projects, ids = [run.key[0] for run in runs], [run.key[1] for run in runs]
    done = await connection.execute(
        f"INSERT INTO {name}.{RUN_KEYS} (project_id, run_id, version, started_at, payload_version, payload_at, state) "
        "SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], "
        "$7::smallint[]) ON CONFLICT DO NOTHING",
        projects,
        ids,
        [run.version for run in runs],
        [run.started_at for run in runs],
        [run.payload_version if run.payload is not None and not run.withdrawn else None for run in runs],
        [run.payload_at if run.payload is not None and not run.withdrawn else None for run in runs],
        [WITHDRAWN if run.withdrawn else LIVE for run in runs],
    )
    if int(done.rpartition(" ")[2]) == len(runs):
        return runs, []
    # A row that this transaction made carries its number. The lock waits for writers that are under way, and shows
    # what they left.
    rows = await connection.fetch(
        "SELECT wanted.place, stored.xmin = pg_current_xact_id()::xid AS is_new, stored.version, stored.started_at, "
        "stored.payload_version, stored.payload_at, stored.state "
        "FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS wanted (project_id, run_id, place) "
        f"JOIN {name}.{RUN_KEYS} AS stored USING (project_id, run_id) "
        "ORDER BY stored.project_id, stored.run_id FOR UPDATE OF stored",
        projects,
        ids,
    )
    new = [runs[row["place"] - 1] for row in rows if row["is_new"]]
    return new, [(runs[row["place"] - 1], row) for row in rows if not row["is_new"]]


async def _copy(connection: Connection, schema: str, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        await connection.copy_records_to_table(
            table.name, schema_name=schema, columns=[column.name for column in table.columns], records=rows
        )


async def mark(connection: Connection, name: str, minutes: Iterable[tuple[str, int]]) -> None:
    """Note (project, minute since the epoch) whose usage must be summed up anew; `name` is the quoted schema."""
    wanted = list(minutes)
    if wanted:
        await connection.execute(
            f"INSERT INTO {name}.{USAGE_DIRTY} (project_id, minute) SELECT * FROM unnest($1::text[], $2::bigint[])",
            [project_id for project_id, _ in wanted],
            [minute for _, minute in wanted],
        )


@cache
def _upsert(schema: str, table: Table) -> str:
    """An upsert in which the highest version wins, of equal ones the later."""
    key = LAYOUTS[table.name].key
    names = [identifier(column.name) for column in table.columns]
    values = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in names)
    return (
        f"INSERT INTO {identifier(schema)}.{identifier(table.name)} AS stored ({', '.join(names)}) VALUES ({values}) "
        f"ON CONFLICT ({key}) DO UPDATE SET {changes}, ingested_at = now() WHERE stored.version <= EXCLUDED.version"
    )
