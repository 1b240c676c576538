"""SQL of the reader: statements as functions of filters, values always as parameters. Every run is one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from spanledger.exporters.assemble import facts
from spanledger.exporters.postgres.connection import identifier
from spanledger.exporters.postgres.ddl import INDEXED_LENGTH, RUN_KEYS
from spanledger.exporters.schema import RUN_PAYLOADS, RUNS, SCORES, Column
from spanledger.exporters.store import Cursor, RunFilter

SUMMARY: Final = [*facts(RUNS), RUNS["input_preview"], RUNS["output_preview"]]
PAYLOAD: Final = facts(RUN_PAYLOADS)
SCORE: Final = facts(SCORES)
_SUMS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost")
TOTALS: Final = ("runs", "errors", "billable_runs", "unpriced_runs", *_SUMS)
"""What `totals` selects: fields of `spanledger.exporters.store.Totals`."""


@dataclass(slots=True)
class Statement:
    """SQL and the values of $1, $2, …"""

    sql: str = ""
    values: list[Any] = field(default_factory=list)

    def value(self, value: Any, type_: str) -> str:
        """A placeholder for a value."""
        self.values.append(value)
        return f"${len(self.values)}::{type_}"


def _columns(columns: Sequence[Column], table: str = "") -> str:
    prefix = f"{table}." if table else ""
    return ", ".join(f"{prefix}{identifier(column.name)}" for column in columns)


def _indexed(column: str, placeholder: str) -> str:
    """Equality that can use an index on the beginning of the text."""
    return f"left({column}, {INDEXED_LENGTH}) = left({placeholder}, {INDEXED_LENGTH}) AND {column} = {placeholder}"


def _one_of(column: str, values: Sequence[str], statement: Statement, *, indexed: bool) -> str:
    if indexed and len(values) == 1:
        return _indexed(column, statement.value(values[0], "text"))
    condition = f"{column} = ANY({statement.value(list(values), 'text[]')})"
    if not indexed:
        return condition
    beginnings = sorted({value[:INDEXED_LENGTH] for value in values})
    return f"left({column}, {INDEXED_LENGTH}) = ANY({statement.value(beginnings, 'text[]')}) AND {condition}"


def _where(filter_: RunFilter, statement: Statement) -> str:
    found = [f"project_id = {statement.value(filter_.project_id, 'text')}"]
    if filter_.trace_id is not None:
        found.append(_indexed("trace_id", statement.value(filter_.trace_id, "text")))
    for column, values, indexed in (
        ("type", filter_.types, False),
        ("model", filter_.models, False),
        ("user_id", filter_.users, True),
        ("session_id", filter_.sessions, True),
        ("status", filter_.statuses, False),
        ("name", filter_.names, False),
    ):
        if values:
            found.append(_one_of(column, values, statement, indexed=indexed))
    if filter_.tags:
        found.append(f"tags && {statement.value(list(filter_.tags), 'text[]')}")
    if filter_.billable:
        found.append("billable")
    if filter_.started_from is not None:
        found.append(f"started_at >= {statement.value(filter_.started_from, 'bigint')}")
    if filter_.started_to is not None:
        found.append(f"started_at < {statement.value(filter_.started_to, 'bigint')}")
    return " AND ".join(found)


def page(schema: str, filter_: RunFilter, after: Cursor | None, limit: int) -> Statement:
    """Summaries, newest first."""
    statement = Statement()
    where = _where(filter_, statement)
    if after is not None:
        started_at = statement.value(after.started_at, "bigint")
        where += f" AND started_at <= {started_at}"  # the planner finds partitions by this one
        where += f" AND (started_at, run_id) < ({started_at}, {statement.value(after.run_id, 'uuid')})"
    statement.sql = (
        f"SELECT {_columns(SUMMARY)} FROM {identifier(schema)}.runs WHERE {where} "
        f"ORDER BY started_at DESC, run_id DESC LIMIT {statement.value(limit, 'bigint')}"
    )
    return statement


def scan(schema: str, filter_: RunFilter, after: Cursor | None, limit: int) -> Statement:
    """Summaries, oldest first."""
    statement = Statement()
    where = _where(filter_, statement)
    if after is not None:
        started_at = statement.value(after.started_at, "bigint")
        where += f" AND started_at >= {started_at}"
        where += f" AND (started_at, run_id) > ({started_at}, {statement.value(after.run_id, 'uuid')})"
    statement.sql = (
        f"SELECT {_columns(SUMMARY)} FROM {identifier(schema)}.runs WHERE {where} "
        f"ORDER BY started_at, run_id LIMIT {statement.value(limit, 'bigint')}"
    )
    return statement


def run(schema: str, project_id: str, run_id: str) -> Statement:
    """A run's summary, then its contents behind whether they are there."""
    statement = Statement()
    name = identifier(schema)
    statement.sql = (
        f"SELECT {_columns(SUMMARY, 'runs')}, payload.run_id IS NOT NULL, {_columns(PAYLOAD, 'payload')} "
        f"FROM {name}.{RUN_KEYS} AS key JOIN {name}.runs ON runs.project_id = key.project_id "
        "AND runs.started_at = key.started_at AND runs.run_id = key.run_id "
        f"LEFT JOIN {name}.run_payloads AS payload ON payload.started_at = key.payload_at "
        "AND payload.run_id = key.run_id AND payload.project_id = key.project_id "
        f"WHERE key.project_id = {statement.value(project_id, 'text')} "
        f"AND key.run_id = {statement.value(run_id, 'uuid')}"
    )
    return statement


def trace(schema: str, project_id: str, trace_id: str, limit: int) -> Statement:
    """Summaries of the runs of a trace."""
    statement = Statement()
    where = _where(RunFilter(project_id, trace_id=trace_id), statement)
    statement.sql = (
        f"SELECT {_columns(SUMMARY)} FROM {identifier(schema)}.runs WHERE {where} "
        f"ORDER BY started_at, run_id LIMIT {statement.value(limit, 'bigint')}"
    )
    return statement


def scores(schema: str, project_id: str, run_id: str) -> Statement:
    """Scores of a run."""
    statement = Statement()
    statement.sql = (
        f"SELECT {_columns(SCORE)} FROM {identifier(schema)}.scores "
        f"WHERE project_id = {statement.value(project_id, 'text')} AND run_id = {statement.value(run_id, 'uuid')} "
        "ORDER BY at, score_id"
    )
    return statement


def totals(schema: str, filter_: RunFilter) -> Statement:
    """Counts and sums. A sum of bigint is numeric: one absurd count does not make it wrap round."""
    statement = Statement()
    where = _where(filter_, statement)
    sums = ", ".join(f"sum({column}) FILTER (WHERE billable)" for column in _SUMS)
    statement.sql = (
        "SELECT count(*), count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE billable), "
        f"count(*) FILTER (WHERE billable AND cost IS NULL), {sums} FROM {identifier(schema)}.runs WHERE {where}"
    )
    return statement


def projects(schema: str, low: int, high: int) -> Statement:
    """Projects with runs that started in a time."""
    statement = Statement()
    statement.sql = (
        f"SELECT DISTINCT project_id FROM {identifier(schema)}.runs WHERE started_at >= "
        f"{statement.value(low, 'bigint')} AND started_at < {statement.value(high, 'bigint')} ORDER BY project_id"
    )
    return statement
