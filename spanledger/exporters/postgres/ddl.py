"""Tables of the ledger in Postgres.

`runs` and `run_payloads` are partitioned by the run's start and have no unique index: a unique index of a partitioned
table must contain the start, and a start can move (a derived one, a corrected clock), also over midnight and the end of
a month. Which run exists, in which version and where stands in `run_keys`, one narrow row for each. A writer claims the
key first, and its row is the lock: so a run is one row wherever its start moves, concurrent writers of a run wait for
each other and for nobody else, and rows of new runs go in through plain COPY.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from spanledger.exporters.postgres.columns import default, type_name
from spanledger.exporters.postgres.connection import identifier
from spanledger.exporters.schema import TABLES, Column, Table, Type

RUN_KEYS: Final = "run_keys"
DELETIONS: Final = "deletions"
USAGE_DIRTY: Final = "usage_dirty"
USAGE_MINUTES: Final = "usage_minutes"
USAGE_DAILY: Final = "usage_daily"

INDEXED_LENGTH: Final = 100
"""Characters of a text that an index holds: an entry of a B-tree ends at 2704 bytes, and ids come from outside."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What Postgres needs to know of a table beyond its columns."""

    key: str | None = None
    """Primary key; None: `run_keys` stands for it."""
    partition_by: str | None = None
    indexes: tuple[str, ...] = ()


LAYOUTS: Final = {
    "runs": Layout(
        partition_by="started_at",
        indexes=(
            # Also the way from `run_keys` to the row. Starts grow, so entries go to the end: no random page per run.
            "btree (project_id, started_at, run_id)",
            f"btree (left(trace_id, {INDEXED_LENGTH})) WHERE trace_id IS NOT NULL",
            f"btree (project_id, left(user_id, {INDEXED_LENGTH}), started_at) WHERE user_id IS NOT NULL",
            f"btree (project_id, left(session_id, {INDEXED_LENGTH}), started_at) WHERE session_id IS NOT NULL",
            "brin (ingested_at)",
        ),
    ),
    "run_payloads": Layout(partition_by="started_at", indexes=("btree (started_at, run_id)",)),
    "scores": Layout(
        key="project_id, score_id",
        indexes=("btree (project_id, run_id) WHERE run_id IS NOT NULL", "brin (ingested_at)"),
    ),
    "threads": Layout(key="project_id, thread_id", indexes=("brin (ingested_at)",)),
    "metrics": Layout(key="project_id, metric_id, at", partition_by="at", indexes=("btree (project_id, name, at)",)),
}
_UNITS: Final = {Type.TIME: "; nanoseconds since the Unix epoch", Type.MONEY: "; 1e-12 USD"}
_SUMS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
USAGE_GROUP: Final = ("type", "provider", "model", "user_id")
"""What usage is summed by, beside project and time."""
USAGE_SUMS: Final = (*_SUMS, "cost")
USAGE_COUNTS: Final = ("runs", "errors", "billable_runs", "unpriced_runs")


def column_definition(column: Column) -> str:
    """Name, type and constraint of a column."""
    required = "" if column.optional else " NOT NULL"
    return f"{identifier(column.name)} {type_name(column)}{required}"


def create_table(table: Table, revision: int) -> Iterator[str]:
    """Statements that make a table as of a schema revision. `{schema}` is left for the migration to fill in."""
    layout = LAYOUTS[table.name]
    lines = [column_definition(column) for column in table.columns if column.since <= revision]
    lines.append("ingested_at timestamptz NOT NULL DEFAULT now()")
    if layout.key:
        lines.append(f"PRIMARY KEY ({layout.key})")
    partition = f" PARTITION BY RANGE ({layout.partition_by})" if layout.partition_by else ""
    name = f"{{schema}}.{identifier(table.name)}"
    body = ",\n  ".join(lines)
    yield f"CREATE TABLE {name} (\n  {body}\n){partition}"
    for number, index in enumerate(layout.indexes, start=1):
        yield f"CREATE INDEX {identifier(f'{table.name}_ix{number}')} ON {name} USING {index}"
    for column in table.columns:
        if column.since <= revision:
            yield _comment(table, column)


def _comment(table: Table, column: Column) -> str:
    doc = (column.doc + _UNITS.get(column.type, "")).replace("'", "''")
    return f"COMMENT ON COLUMN {{schema}}.{identifier(table.name)}.{identifier(column.name)} IS '{doc}'"


def add_columns(revision: int) -> Iterator[str]:
    """ALTER TABLE for every column that a later revision added. No table is rewritten."""
    for table in TABLES:
        for column in table.columns:
            if column.since == revision:
                yield (
                    f"ALTER TABLE {{schema}}.{identifier(table.name)} ADD COLUMN "
                    f"{column_definition(column)}{default(column)}"
                )
                yield _comment(table, column)


def bookkeeping() -> Iterator[str]:
    """Statements for the tables that only Postgres has."""
    yield (
        f"CREATE TABLE {{schema}}.{RUN_KEYS} (\n"
        '  project_id text COLLATE "C" NOT NULL,\n  run_id uuid NOT NULL,\n'
        "  version bigint NOT NULL,\n  started_at bigint NOT NULL,\n"
        "  payload_version bigint,\n  payload_at bigint,\n"
        "  state smallint NOT NULL DEFAULT 0,\n"
        "  PRIMARY KEY (project_id, run_id)\n)"
    )
    yield f"CREATE INDEX {RUN_KEYS}_ix1 ON {{schema}}.{RUN_KEYS} USING brin (started_at)"
    yield (
        f"COMMENT ON TABLE {{schema}}.{RUN_KEYS} IS 'one row for each run: its highest version, the start of its "
        "row in runs and in run_payloads; state 0 is there, 1 withdrawn, 2 deleted for good'"
    )
    # Only ever appended to and deleted from, so writers of the same minute never wait for each other.
    yield (
        f'CREATE TABLE {{schema}}.{USAGE_DIRTY} (\n  project_id text COLLATE "C" NOT NULL,\n  minute bigint NOT NULL\n)'
    )
    texts = "".join(f'  {name} text COLLATE "C" NOT NULL,\n' for name in USAGE_GROUP)
    counts = "".join(f"  {name} bigint NOT NULL,\n" for name in USAGE_COUNTS)
    sums = "".join(f"  {name} numeric,\n" for name in USAGE_SUMS)
    for name, time in ((USAGE_MINUTES, "minute timestamptz"), (USAGE_DAILY, "day date")):
        yield (
            f'CREATE TABLE {{schema}}.{name} (\n  project_id text COLLATE "C" NOT NULL,\n  group_key bytea NOT NULL,\n'
            f"  {time} NOT NULL,\n{texts}{counts}{sums}"
            f"  PRIMARY KEY (project_id, group_key, {time.split()[0]})\n)"
        )
        yield f"CREATE INDEX {name}_ix1 ON {{schema}}.{name} (project_id, {time.split()[0]})"
        yield f"COMMENT ON COLUMN {{schema}}.{name}.cost IS 'USD'"


def deletions() -> Iterator[str]:
    """Statements for the table of what was deleted and when (`spanledger.exporters.base.Deleted`)."""
    yield (
        f"CREATE TABLE {{schema}}.{DELETIONS} (\n  deleted_at bigint NOT NULL,\n"
        '  project_id text COLLATE "C" NOT NULL,\n'
        "  run_id uuid,\n  user_sha256 text\n)"
    )
    yield f"CREATE INDEX {DELETIONS}_ix1 ON {{schema}}.{DELETIONS} (deleted_at)"


def lists() -> Iterator[str]:
    """Indexes of runs for lists that are asked for often: the dearest, and errors, which are few."""
    yield (
        "CREATE INDEX runs_ix6 ON {schema}.runs USING btree (project_id, cost DESC NULLS LAST) WHERE cost IS NOT NULL"
    )
    yield "CREATE INDEX runs_ix7 ON {schema}.runs USING btree (project_id, started_at, run_id) WHERE status = 'error'"


def slowest() -> Iterator[str]:
    """Index of runs for the slowest ones."""
    yield (
        "CREATE INDEX runs_ix8 ON {schema}.runs USING btree (project_id, duration_ns DESC NULLS LAST) "
        "WHERE duration_ns IS NOT NULL"
    )


def views() -> Iterator[str]:
    """Statements for the views that people and dashboards read."""
    measures = ",\n  ".join(f"sum({name}) AS {name}" for name in (*USAGE_COUNTS, *USAGE_SUMS))
    for view, group in (("model_usage_daily", "type, provider, model"), ("user_usage_daily", "user_id, type, model")):
        yield (
            f"CREATE VIEW {{schema}}.{view} AS\nSELECT project_id, day, {group},\n  {measures}\n"
            f"FROM {{schema}}.{USAGE_DAILY} GROUP BY project_id, day, {group}"
        )
    yield (
        "CREATE VIEW {schema}.trace_summary AS\nSELECT project_id, trace_id,\n"
        "  to_timestamp(min(started_at) / 1e9) AS started_at,\n"
        "  (max(coalesce(ended_at, started_at)) - min(started_at)) / 1e9 AS seconds,\n"
        "  count(*) AS runs, count(*) FILTER (WHERE status = 'error') AS errors,\n"
        "  (array_agg(name ORDER BY parent_run_id IS NOT NULL, started_at))[1] AS name,\n"
        "  max(user_id) AS user_id, max(session_id) AS session_id,\n"
        "  sum(input_tokens) FILTER (WHERE billable) AS input_tokens,\n"
        "  sum(output_tokens) FILTER (WHERE billable) AS output_tokens,\n"
        "  sum(cost) FILTER (WHERE billable) * 0.000000000001 AS cost\n"
        "FROM {schema}.runs WHERE trace_id IS NOT NULL GROUP BY project_id, trace_id"
    )


MIGRATIONS_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS {schema}.schema_migrations (\n  revision integer PRIMARY KEY,\n  name text NOT NULL,\n"
    "  checksum text NOT NULL,\n  applied_at timestamptz NOT NULL DEFAULT now()\n)"
)
