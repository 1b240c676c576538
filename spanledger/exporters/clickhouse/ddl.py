"""The tables in ClickHouse: engines, keys, partitions, codecs, indexes, retention.

Measured reasons for the choices stand in the storage research (§3.3, §6.1, §6.2). In short: runs by week and payloads
by day keep an insert within few parts; ZSTD(1) takes 30 % less disk than LZ4 for 4 % more CPU.

The key of a run holds only what its id is made of, for what may change would let two versions live side by side for
ever. Its start may: a run that is told by events, or whose parts arrive one by one, starts earlier with each. So time
is in the partition and nowhere else, and who wants a run's winning version looks for its key in all partitions, or, for
a time, in those of that time and their neighbours. A key with the hour in front summed 3 million runs 1.4 times as
fast, and wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from spanledger.exporters.clickhouse import summary
from spanledger.exporters.clickhouse.columns import BLANK, BLANK_TYPE, DELETED, DELETED_TYPE, type_name
from spanledger.exporters.clickhouse.tables import identifier, literal
from spanledger.exporters.migrations import TABLE as MIGRATIONS_TABLE
from spanledger.exporters.schema import TABLES, Column, Table, Type

DEDUPLICATION_WINDOW: Final = 1000
"""Inserts per table whose tokens the engine remembers. Without a window a token does nothing."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What ClickHouse needs to know of a table beyond its columns."""

    order_by: str
    partition_by: str | None = None
    ttl_column: str = "ingested_at"
    indexes: tuple[str, ...] = ()
    """Columns that are looked up by value; a bloom filter each."""
    own_columns: tuple[str, ...] = ()
    """Columns that only ClickHouse needs."""
    granularity: int | None = None
    """Rows between two marks, where it is not ClickHouse's own 8192."""


# A span's trace is part of its run's id; of other runs it may be learned later, or change.
_TRACE_KEY: Final = "trace_key String MATERIALIZED if(span_id = '', '', trace_id) CODEC(ZSTD(1))"
LAYOUTS: Final = {
    "runs": Layout(
        order_by="project_id, trace_key, run_id",
        partition_by="toYearWeek(started_at, 3)",
        ttl_column="started_at",
        indexes=("run_id", "trace_id", "user_id", "session_id"),
        own_columns=(_TRACE_KEY, summary.definition(3)),
        # A list reads single rows, and of each all between two marks: a summary is some hundred bytes long.
        granularity=256,
    ),
    "run_payloads": Layout(
        order_by="project_id, payload_group, run_id",
        partition_by="toYYYYMMDD(started_at)",
        ttl_column="started_at",
    ),
    "scores": Layout(order_by="project_id, score_id", indexes=("run_id", "session_id")),
    "threads": Layout(order_by="project_id, thread_id", indexes=("session_id",)),
    "metrics": Layout(
        order_by="project_id, name, toStartOfHour(at), metric_id",
        partition_by="toYYYYMM(at)",
        ttl_column="at",
    ),
}
FIRST_LAYOUTS: Final = LAYOUTS | {
    "runs": Layout(
        order_by="project_id, toStartOfHour(started_at), trace_id, run_id",
        partition_by="toYYYYMM(started_at)",
        ttl_column="started_at",
        indexes=("run_id", "trace_id", "user_id", "session_id"),
    ),
}
"""Those of the first migration."""
SECOND_LAYOUT: Final = Layout(
    order_by="project_id, trace_key, run_id",
    partition_by="toYearWeek(started_at, 3)",
    ttl_column="started_at",
    indexes=("run_id", "trace_id", "user_id", "session_id"),
    own_columns=(_TRACE_KEY,),
)
"""That of runs as of the third migration."""
_COMPRESSED: Final = {Type.TEXT, Type.JSON, Type.LABELS, Type.MONEYS}
_BOOKKEEPING: Final = (
    f"{BLANK} {BLANK_TYPE}",
    f"{DELETED} {DELETED_TYPE} DEFAULT 0",
    "ingested_at DateTime64(3, 'UTC') DEFAULT now64(3)",
)


def column_definition(column: Column) -> str:
    """Name, type, comment and codec of a column."""
    codec = " CODEC(ZSTD(1))" if column.type in _COMPRESSED else ""
    return f"{identifier(column.name)} {type_name(column)} COMMENT {literal(column.doc)}{codec}"


def create_table(table: Table, revision: int, layout: Layout, name: str | None = None) -> str:
    """CREATE TABLE as of a schema revision. `{database}` and `{settings}` are left for the migration to fill in."""
    lines = [column_definition(column) for column in table.columns if column.since <= revision]
    lines += [*_BOOKKEEPING, *layout.own_columns]
    lines += [
        f"INDEX {identifier('ix_' + name)} {identifier(name)} TYPE bloom_filter(0.01) GRANULARITY 1"
        for name in layout.indexes
    ]
    partition = f"PARTITION BY {layout.partition_by}\n" if layout.partition_by else ""
    # Whole parts go at once where partitions part old from new; elsewhere old rows share a part with new ones.
    drop_parts = int(layout.partition_by is not None)
    body = ",\n  ".join(lines)
    granularity = f"index_granularity = {layout.granularity}, " if layout.granularity else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {{database}}.{identifier(name or table.name)} (\n  {body}\n)\n"
        f"ENGINE = ReplacingMergeTree(version, is_deleted)\n{partition}ORDER BY ({layout.order_by})\n"
        f"SETTINGS {granularity}ttl_only_drop_parts = {drop_parts}, materialize_ttl_recalculate_only = 1, "
        f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}{{settings}}"
    )


def create_migrations_table() -> str:
    """The table that remembers which migrations ran."""
    return (
        f"CREATE TABLE IF NOT EXISTS {{database}}.{identifier(MIGRATIONS_TABLE)} (\n"
        "  revision UInt32,\n  name String,\n  checksum String,\n"
        "  applied_at DateTime64(3, 'UTC') DEFAULT now64(3)\n)\n"
        "ENGINE = ReplacingMergeTree(applied_at)\nORDER BY revision\n"
        f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}{{settings}}"
    )


DELETIONS_TABLE: Final = "deletions"


def create_deletions_table() -> str:
    """The table of what was deleted and when (`spanledger.exporters.base.Deleted`)."""
    return (
        f"CREATE TABLE IF NOT EXISTS {{database}}.{identifier(DELETIONS_TABLE)} (\n"
        "  project_id String,\n  run_id String,\n  user_sha256 String,\n  deleted_at DateTime64(9, 'UTC')\n)\n"
        "ENGINE = ReplacingMergeTree(deleted_at)\nORDER BY (deleted_at, project_id, run_id, user_sha256)\n"
        "TTL toDateTime(deleted_at) + toIntervalDay(400)\n"
        f"SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}{{settings}}"
    )


def add_columns(revision: int) -> list[str]:
    """ALTER TABLE for every column that a later revision added, behind the one that is declared before it. One change
    each, so that a step can be repeated."""
    return [
        f"ALTER TABLE {{database}}.{identifier(table.name)} ADD COLUMN IF NOT EXISTS {column_definition(column)} "
        f"AFTER {identifier(before.name)}"
        for table in TABLES
        for before, column in pairwise(column for column in table.columns if column.since <= revision)
        if column.since == revision
    ]


BEING_REBUILT: Final = "_new"
"""What is behind the name of a table that takes another's place; after the exchange, of that other."""
_NO_LIMITS: Final = "max_partitions_per_insert_block = 0, max_execution_time = 0"
_REBUILD_DAYS: Final = 3
"""Days that a rebuild takes at most; a million runs take half a minute."""
IN_PIECES: Final = (
    ", max_threads = 1, max_insert_threads = 1, max_block_size = 8192, min_insert_block_size_bytes = 67108864, "
    "max_read_buffer_size = 131072, max_compress_block_size = 131072, max_insert_delayed_streams_for_parallel_write = 0"
)
"""Settings of a rebuild: one part after the other, in pieces that fit into the memory of the embedded engine."""


def rebuild(table: Table, revision: int, layout: Layout, settings: str = "") -> list[str]:
    """The table anew in another layout, with the columns of a revision and what it holds; `catch_up` belongs before the
    last statement. Until the exchange nothing has happened; behind it, what stands before must not be done again."""
    new = f"{table.name}{BEING_REBUILT}"
    return [
        create_table(table, revision, layout, new),
        f"TRUNCATE TABLE {{database}}.{identifier(new)}",
        f"{_copy(table, revision, table.name, new)} SETTINGS {_NO_LIMITS}{settings}",
        f"EXCHANGE TABLES {{database}}.{identifier(new)} AND {{database}}.{identifier(table.name)}",
        f"DROP TABLE {{database}}.{identifier(new)} SYNC",
    ]


def catch_up(table: Table, revision: int) -> list[str]:
    """After the exchange of a rebuild: what replicas of an earlier version wrote into the old table meanwhile comes to
    the new one. Detaching waits until no insert is at work on the old one any more; attached, it can be read. Rows
    that are there already are the same version of the same run, and count once."""
    old = f"{table.name}{BEING_REBUILT}"
    return [
        f"DETACH TABLE {{database}}.{identifier(old)} SYNC",
        f"ATTACH TABLE {{database}}.{identifier(old)}",
        f"{_copy(table, revision, old, table.name)} WHERE ingested_at >= now() - toIntervalDay({_REBUILD_DAYS}) "
        f"SETTINGS {_NO_LIMITS}",
    ]


def _copy(table: Table, revision: int, source: str, target: str) -> str:
    columns = [column.name for column in table.columns if column.since <= revision]
    names = ", ".join(map(identifier, [*columns, BLANK, DELETED, "ingested_at"]))
    return (
        f"INSERT INTO {{database}}.{identifier(target)} ({names}) SELECT {names} FROM {{database}}.{identifier(source)}"
    )


def ttl_expression(table: str, days: int) -> str:
    """TTL clause of a table. Times behind 2100 are taken as 2100: DateTime ends in 2106 and would wrap round."""
    column = LAYOUTS[table].ttl_column
    return f"toDateTime(least({column}, toDateTime64('2100-01-01 00:00:00', 9, 'UTC'))) + toIntervalDay({days})"
