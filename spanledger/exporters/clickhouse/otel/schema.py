"""Making the tables, and looking whether those that are there can be written to.

They belong to whoever has them: the Collector may have made them and may still write to them. So nothing is dropped or
rebuilt here, and there are no numbered migrations. What is missing is made, columns of ours are added, the TTL follows
the settings; a column that somebody changed is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from spanledger.errors import SchemaError
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.ddl import DEDUPLICATION_WINDOW
from spanledger.exporters.clickhouse.migrations import FSYNC, fsync
from spanledger.exporters.clickhouse.otel.tables import (
    OWN,
    REQUEST,
    TRACES,
    RawColumn,
    RawTable,
    all_tables,
    table_name,
)
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import identifier, literal

_UNITS: Final = (("Day", 86_400), ("Hour", 3_600), ("Minute", 60), ("Second", 1))
_REPLICATED: Final = "ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')"
_REQUEST_INDEX: Final = f"INDEX ix_spanledger_request {REQUEST} TYPE bloom_filter(0.01) GRANULARITY 1"


def pending(connection: Connection, settings: ClickHouseSettings) -> list[str]:
    """Statements that make what is missing, in order. None when everything is there."""
    if not settings.create_schema:
        return []
    names = _Names(settings)
    there = _columns(connection, settings.raw_database)
    found: list[str] = []
    for table in all_tables():
        name = names.part(table)
        if name not in there:
            found += _create(names, table)
            continue
        for column in (*table.columns, *OWN):
            if (column.late or column in OWN) and column.name not in there[name]:
                found += [f"{alter} ADD COLUMN IF NOT EXISTS {_defined(column)}" for alter in names.alters(table)]
        found += [f"{names.alters(table)[0]} {change}" for change in _of_ttl(connection, settings, name, table.time)]
    lookup = names.lookup()
    if lookup not in there:
        found += _create_lookup(names)
    else:
        found += [
            f"ALTER TABLE {names.of(lookup)}{names.on_cluster} {change}"
            for change in _of_ttl(connection, settings, lookup, "Start")
        ]
    return found


def create(connection: Connection, settings: ClickHouseSettings) -> None:
    """Make what is missing. Statements can be repeated, so that processes which start together do no harm."""
    statements = pending(connection, settings)
    if statements:
        on = _Names(settings).on_cluster
        connection.command(f"CREATE DATABASE IF NOT EXISTS {identifier(settings.raw_database)}{on}")
    for statement in statements:
        connection.command(statement)


def check(connection: Connection, settings: ClickHouseSettings, tables: Iterable[RawTable]) -> dict[str, list[bool]]:
    """For each kind of table which of `RawTable.sent` it has. Raises `SchemaError` for a table or column that is
    missing."""
    there = _columns(connection, settings.raw_database)
    has: dict[str, list[bool]] = {}
    for table in tables:
        name = table_name(table, settings)
        if name not in there:
            raise SchemaError(f"{settings.raw_database}.{name} is not there, and create_schema or auto_migrate is off")
        has[table.kind] = [column.name in there[name] for column in table.sent]
        missing = [
            column
            for column, is_there in zip(table.sent, has[table.kind], strict=True)
            if not is_there and not column.late
        ]
        if missing:
            changes = ", ".join(f"ADD COLUMN {_defined(column)}" for column in missing)
            names = ", ".join(column.name for column in missing)
            raise SchemaError(
                f"{settings.raw_database}.{name} lacks {names}: "
                f"ALTER TABLE {identifier(settings.raw_database)}.{identifier(name)} {changes}"
            )
    return has


class _Names:
    """Names in statements: of one server, of a cluster whose engine the settings name (as the Collector does it), or
    of a cluster where each table is replicated, sharded, and has a whole in front."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.settings = settings
        self.sharded = settings.cluster is not None and settings.table_engine is None

    @property
    def on_cluster(self) -> str:
        cluster = self.settings.cluster
        return f" ON CLUSTER {identifier(cluster)}" if cluster is not None else ""

    @property
    def engine(self) -> str:
        given = self.settings.table_engine
        if given is not None:
            return f"{given.name}({given.params})"
        return _REPLICATED if self.sharded else "MergeTree()"

    @property
    def durability(self) -> str:
        """Settings of a table: what it remembers of inserts and, in the embedded engine, that they are synced."""
        prefix = "" if "Replicated" in self.engine else "non_"
        synced = f", {FSYNC}" if fsync(self.settings) else ""
        return f"{prefix}replicated_deduplication_window = {DEDUPLICATION_WINDOW}{synced}"

    def of(self, name: str) -> str:
        return f"{identifier(self.settings.raw_database)}.{identifier(name)}"

    def part(self, table: RawTable) -> str:
        """What holds the rows on each server."""
        return f"{table_name(table, self.settings)}_local" if self.sharded else table_name(table, self.settings)

    def lookup(self) -> str:
        """The table that says when a trace was; the one that holds rows."""
        return f"{self.settings.traces_table_name}_trace_id_ts{'_local' if self.sharded else ''}"

    def alters(self, table: RawTable) -> list[str]:
        """Beginnings of ALTER TABLE: of the rows, and of the whole where there is one."""
        names = dict.fromkeys((self.part(table), table_name(table, self.settings)))
        return [f"ALTER TABLE {self.of(name)}{self.on_cluster}" for name in names]

    def whole(self, name: str, by: str) -> list[str]:
        """The table in front of `<name>_local`, where there is one."""
        if not self.sharded:
            return []
        place = f"{literal(self.settings.cluster or '')}, {identifier(self.settings.raw_database)}"
        return [
            f"CREATE TABLE IF NOT EXISTS {self.of(name)}{self.on_cluster} AS {self.of(f'{name}_local')} "
            f"ENGINE = Distributed({place}, {literal(f'{name}_local')}, {by})"
        ]


def delete_from(settings: ClickHouseSettings, table: RawTable) -> str:
    """Beginning of a mutation that deletes rows."""
    names = _Names(settings)
    return f"{names.alters(table)[0]} DELETE WHERE"


def lookup_alter(settings: ClickHouseSettings) -> str:
    """Beginning of an ALTER TABLE of the table that says when a trace was."""
    names = _Names(settings)
    return f"ALTER TABLE {names.of(names.lookup())}{names.on_cluster}"


def _create(names: _Names, table: RawTable) -> list[str]:
    lines = [*map(_defined, _nested(table.columns)), *table.derived, *map(_defined, OWN), *table.indexes]
    body = ",\n  ".join([*lines, _REQUEST_INDEX])
    key = f"PRIMARY KEY ({table.primary_key})\n" if table.primary_key else ""
    # The sharding key keeps a trace together; what has none goes anywhere.
    by = "cityHash64(TraceId)" if table is TRACES else "rand()"
    return [
        f"CREATE TABLE IF NOT EXISTS {names.of(names.part(table))}{names.on_cluster} (\n  {body}\n)\n"
        f"ENGINE = {names.engine}\nPARTITION BY toDate({table.time})\n{key}ORDER BY ({table.order_by})\n"
        f"{_ttl(names.settings, table.time)}"
        f"SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, {names.durability}",
        *names.whole(table_name(table, names.settings), by),
    ]


def _create_lookup(names: _Names) -> list[str]:
    lookup, traces = names.lookup(), names.part(TRACES)
    whole = f"{names.settings.traces_table_name}_trace_id_ts"
    return [
        f"CREATE TABLE IF NOT EXISTS {names.of(lookup)}{names.on_cluster} (\n"
        "  TraceId String CODEC(ZSTD(1)),\n  Start DateTime CODEC(Delta, ZSTD(1)),\n"
        "  End DateTime CODEC(Delta, ZSTD(1)),\n"
        "  INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1\n)\n"
        f"ENGINE = {names.engine}\nPARTITION BY toDate(Start)\nORDER BY (TraceId, Start)\n"
        f"{_ttl(names.settings, 'Start')}"
        f"SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, {names.durability}",
        *names.whole(whole, "cityHash64(TraceId)"),
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {names.of(f'{whole}_mv')}{names.on_cluster} TO {names.of(lookup)} AS "
        f"SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End FROM {names.of(traces)} "
        "WHERE TraceId != '' GROUP BY TraceId",
    ]


def _nested(columns: Iterable[RawColumn]) -> Iterator[RawColumn]:
    """Members of one nested column as one column, as the Collector declares them: only so do old servers hold their
    lengths equal."""
    groups: dict[str, list[RawColumn]] = {}
    for column in columns:
        outer, dot, _ = column.name.partition(".")
        if dot:
            groups.setdefault(outer, []).append(column)
    for column in columns:
        outer, dot, _ = column.name.partition(".")
        if not dot:
            yield column
        elif (members := groups.pop(outer, None)) is not None:
            inner = ", ".join(f"{one.name.partition('.')[2]} {one.type}" for one in members)
            yield RawColumn(outer, f"Nested({inner})")


def _defined(column: RawColumn) -> str:
    return f"{identifier(column.name)} {column.stored} CODEC({column.codec})"


def _ttl(settings: ClickHouseSettings, column: str) -> str:
    return f"TTL {_expiry(settings.ttl, column)}\n" if settings.ttl else ""


def _expiry(seconds: float, column: str) -> str:
    whole = max(1, round(seconds))
    unit, size = next((unit, size) for unit, size in _UNITS if whole % size == 0)
    return f"toDateTime({column}) + toInterval{unit}({whole // size})"


def _of_ttl(connection: Connection, settings: ClickHouseSettings, name: str, column: str) -> Iterator[str]:
    """The change that brings a table's TTL in line with the settings. None given: whoever made the table decides."""
    if not settings.ttl:
        return
    wanted = _expiry(settings.ttl, column)
    ((engine,),) = connection.query(
        "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String}",
        {"database": settings.raw_database, "table": name},
    )
    if f"TTL {wanted}" not in engine.replace("`", ""):
        yield f"MODIFY TTL {wanted}"


def _columns(connection: Connection, database: str) -> dict[str, set[str]]:
    """Names of the columns of every table of a database."""
    found: dict[str, set[str]] = {}
    for table, column in connection.query(
        "SELECT table, name FROM system.columns WHERE database = {database:String}", {"database": database}
    ):
        found.setdefault(table, set()).add(column)
    return found
