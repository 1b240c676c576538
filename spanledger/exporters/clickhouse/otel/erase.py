"""SQL that deletes from the tables: what belongs to a run, a user's runs or a project, and what passed a project's
retention.

A row is a run's when it is its span, or a log record of it. Data points belong to a project and to nobody in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.erase import MUTATION, TOMBSTONE
from spanledger.exporters.clickhouse.otel import schema
from spanledger.exporters.clickhouse.otel.tables import (
    LOGS,
    PROJECT,
    REQUEST,
    TRACES,
    RawTable,
    all_tables,
    table_name,
)
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import Tables, identifier, literal
from spanledger.exporters.schema import RUNS
from spanledger.exporters.store import Deletion
from spanledger.model.records import Run


def deletions(settings: ClickHouseSettings, what: Deletion) -> Iterator[str]:
    """The mutations, once the tombstones of runs stand."""
    project = f"{PROJECT} = {literal(what.project_id)}"
    if what.run_id is not None or what.user_id is not None:
        for table, dead in _of_dead_runs(settings, what.project_id):
            yield f"{schema.delete_from(settings, table)} {dead}"
        return
    traces = _named(settings, TRACES)
    yield (f"{schema.lookup_alter(settings)} DELETE WHERE TraceId IN (SELECT TraceId FROM {traces} WHERE {project})")
    for table in all_tables():
        yield f"{schema.delete_from(settings, table)} {project}"


def erase_runs(connection: Connection, settings: ClickHouseSettings, runs: Sequence[Run]) -> None:
    """Take out the spans and log records of runs, where there are such."""
    pairs = ", ".join(
        f"({literal(run.trace_id)}, {literal(run.span_id)})" for run in runs if run.trace_id and run.span_id
    )
    if pairs:
        project = _among(PROJECT, {run.project_id for run in runs})
        _erase(connection, settings, (TRACES, LOGS), f"{project} AND (TraceId, SpanId) IN ({pairs})")


def erase_deleted(connection: Connection, settings: ClickHouseSettings, projects: Iterable[str]) -> None:
    """Take out the spans and log records of runs of these projects that are gone for good."""
    for project_id in projects:
        for table, dead in _of_dead_runs(settings, project_id):
            _erase(connection, settings, (table,), dead)


def erase_requests(
    connection: Connection, settings: ClickHouseSettings, tables: Iterable[RawTable], requests: Iterable[str]
) -> None:
    """Take out all rows of requests."""
    _erase(connection, settings, tables, _among(REQUEST, requests))


def _erase(connection: Connection, settings: ClickHouseSettings, tables: Iterable[RawTable], condition: str) -> None:
    for table in tables:
        ((rows,),) = connection.query(f"SELECT count() FROM {_named(settings, table)} WHERE {condition}")
        if rows:
            connection.command(f"{schema.delete_from(settings, table)} {condition}", MUTATION)


def _among(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(literal, values))})"


def _named(settings: ClickHouseSettings, table: RawTable) -> str:
    return f"{identifier(settings.raw_database)}.{identifier(table_name(table, settings))}"


def _of_dead_runs(settings: ClickHouseSettings, project_id: str) -> Iterator[tuple[RawTable, str]]:
    """(table, condition) of the rows of runs that have a tombstone."""
    for table in (TRACES, LOGS):
        yield (
            table,
            f"{PROJECT} = {literal(project_id)} AND (TraceId, SpanId) IN "
            f"(SELECT trace_id, span_id FROM {Tables.of(settings).read(RUNS)} "
            f"WHERE project_id = {literal(project_id)} AND {TOMBSTONE} AND span_id != '')",
        )


def expirations(settings: ClickHouseSettings, project_id: str, before_ns: int) -> Iterator[tuple[str, str, str]]:
    """(table, condition, mutation) as `spanledger.exporters.clickhouse.erase.expirations` has them."""
    for table in all_tables():
        old = (
            f"{PROJECT} = {literal(project_id)} "
            f"AND {identifier(table.time)} < fromUnixTimestamp64Nano(toInt64({before_ns}))"
        )
        yield _named(settings, table), old, f"{schema.delete_from(settings, table)} {old}"
