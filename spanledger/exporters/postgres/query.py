"""SQL of the reader: statements as functions of filters, values always as parameters. Every run is one row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from spanledger.exporters.assemble import SUMMARY, facts
from spanledger.exporters.postgres.conditions import Compiler
from spanledger.exporters.postgres.connection import identifier
from spanledger.exporters.postgres.ddl import INDEXED_LENGTH, RUN_KEYS
from spanledger.exporters.schema import RUN_PAYLOADS, SCORES, Column
from spanledger.exporters.store import QUANTILES, By, Cursor, Grouping, GroupSort, RunFilter, ScoreSort, Sort

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


def _where(schema: str, filter_: RunFilter, statement: Statement) -> str:
    assert not statement.values  # noqa: S101 - the project is $1
    found = [f"project_id = {statement.value(filter_.project_id, 'text')}"]
    if filter_.trace_id is not None:
        found.append(_indexed("trace_id", statement.value(filter_.trace_id, "text")))
    if filter_.started_from is not None:
        found.append(f"started_at >= {statement.value(filter_.started_from, 'bigint')}")
    if filter_.started_to is not None:
        found.append(f"started_at < {statement.value(filter_.started_to, 'bigint')}")
    return " AND ".join([*found, *conditions(schema, filter_, statement)])


def conditions(schema: str, filter_: RunFilter, statement: Statement) -> list[str]:
    """What a run must fulfil, apart from project, trace and time. The project is $1."""
    found: list[str] = []
    for column, values, indexed in (
        ("type", filter_.types, False),
        ("model", filter_.models, False),
        ("user_id", filter_.users, True),
        ("session_id", filter_.sessions, True),
        ("status", filter_.statuses, False),
        ("name", filter_.names, False),
    ):
        if column == "status" and tuple(values) == ("error",):
            found.append("status = 'error'")  # as in the condition of the index: the planner compares no parameter
        elif values:
            found.append(_one_of(column, values, statement, indexed=indexed))
    if filter_.tags:
        found.append(f"tags && {statement.value(list(filter_.tags), 'text[]')}")
    if filter_.billable:
        found.append("billable")
    if filter_.where is not None:
        found.append(Compiler(schema, "$1::text", statement.value).sql(filter_.where))
    return found


def page(schema: str, filter_: RunFilter, after: Cursor | None, limit: int, down_to: Cursor | None = None) -> Statement:
    """Summaries, newest first. `down_to`: the last one that may be among them."""
    statement = Statement()
    where = _where(schema, filter_, statement) + _behind(after, statement)
    if down_to is not None:
        started_at = statement.value(down_to.started_at, "bigint")
        where += f" AND started_at >= {started_at}"
        where += f" AND (started_at, run_id) >= ({started_at}, {statement.value(down_to.run_id, 'uuid')})"
    statement.sql = (
        f"SELECT {_columns(SUMMARY)} FROM {identifier(schema)}.runs WHERE {where} "
        f"ORDER BY started_at DESC, run_id DESC LIMIT {statement.value(limit, 'bigint')}"
    )
    return statement


def place(schema: str, filter_: RunFilter, after: Cursor | None, rows: int) -> Statement:
    """(started_at, run_id) of the row that is so many rows away, of those that an index finds for a filter."""
    statement = Statement()
    found = dataclasses.replace(
        filter_, types=(), models=(), statuses=(), names=(), tags=(), billable=False, where=None
    )
    where = _where(schema, found, statement) + _behind(after, statement)
    statement.sql = (
        f"SELECT started_at, run_id FROM {identifier(schema)}.runs WHERE {where} "
        f"ORDER BY started_at DESC, run_id DESC LIMIT 1 OFFSET {statement.value(rows - 1, 'bigint')}"
    )
    return statement


def _behind(after: Cursor | None, statement: Statement) -> str:
    if after is None:
        return ""
    started_at = statement.value(after.started_at, "bigint")
    return (
        f" AND started_at <= {started_at}"  # the planner finds partitions by this one
        f" AND (started_at, run_id) < ({started_at}, {statement.value(after.run_id, 'uuid')})"
    )


def scan(schema: str, filter_: RunFilter, after: Cursor | None, limit: int) -> Statement:
    """Summaries, oldest first."""
    statement = Statement()
    where = _where(schema, filter_, statement)
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
    where = _where(schema, RunFilter(project_id, trace_id=trace_id), statement)
    statement.sql = (
        f"SELECT {_columns(SUMMARY)} FROM {identifier(schema)}.runs WHERE {where} "
        f"ORDER BY started_at, run_id LIMIT {statement.value(limit, 'bigint')}"
    )
    return statement


_SORTS: Final = {
    Sort.STARTED: "started_at",
    Sort.DURATION: "duration_ns",
    Sort.TOKENS: "coalesce(input_tokens::numeric + output_tokens, input_tokens, output_tokens)",
    Sort.COST: "cost",
}


def in_order(
    schema: str,
    filter_: RunFilter,
    sort: Sort | ScoreSort,
    descending: bool,
    limit: int,
    offset: int,
    *,
    known: bool = False,
) -> Statement:
    """Summaries in any order; `known`: only of runs whose fact is, which has an index."""
    statement = Statement()
    where = _where(schema, filter_, statement)
    if known and isinstance(sort, Sort):
        where += f" AND {_SORTS[sort]} IS NOT NULL"
    source, way = f"{identifier(schema)}.runs", "DESC" if descending else "ASC"
    if isinstance(sort, Sort):
        place = _SORTS[sort]
    else:
        # The newest number that each run was given under the name.
        source += (
            " LEFT JOIN (SELECT DISTINCT ON (run_id) run_id AS id, value_number AS place "
            f"FROM {identifier(schema)}.scores WHERE project_id = $1::text AND name = "
            f"{statement.value(sort.name, 'text')} AND run_id IS NOT NULL AND value_number IS NOT NULL "
            "ORDER BY run_id, at DESC NULLS LAST, score_id DESC) AS scored ON scored.id = runs.run_id"
        )
        place = "scored.place"
    statement.sql = (
        f"SELECT {_columns(SUMMARY, 'runs')} FROM {source} WHERE {where} "
        f"ORDER BY {place} {way} NULLS LAST, started_at DESC, run_id DESC "
        f"LIMIT {statement.value(limit, 'bigint')} OFFSET {statement.value(offset, 'bigint')}"
    )
    return statement


def scores_of(schema: str, project_id: str, run_ids: Sequence[str]) -> Statement:
    """Scores of several runs."""
    statement = Statement()
    statement.sql = (
        f"SELECT {_columns(SCORE)} FROM {identifier(schema)}.scores "
        f"WHERE project_id = {statement.value(project_id, 'text')} "
        f"AND run_id = ANY({statement.value(list(run_ids), 'uuid[]')}) ORDER BY at, score_id"
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


_MEASURES: Final = (
    "count(*) AS runs, count(*) FILTER (WHERE status = 'error') AS errors, "
    "count(*) FILTER (WHERE billable) AS billable_runs, "
    "count(*) FILTER (WHERE billable AND cost IS NULL) AS unpriced_runs, "
    + ", ".join(f"sum({column}) FILTER (WHERE billable) AS sum_{column}" for column in _SUMS)
)


def totals(schema: str, filter_: RunFilter) -> Statement:
    """Counts and sums. A sum of bigint is numeric: one absurd count does not make it wrap round."""
    statement = Statement()
    where = _where(schema, filter_, statement)
    statement.sql = f"SELECT {_MEASURES} FROM {identifier(schema)}.runs WHERE {where}"
    return statement


def projects(schema: str, low: int, high: int) -> Statement:
    """Projects with runs that started in a time."""
    statement = Statement()
    statement.sql = (
        f"SELECT DISTINCT project_id FROM {identifier(schema)}.runs WHERE started_at >= "
        f"{statement.value(low, 'bigint')} AND started_at < {statement.value(high, 'bigint')} ORDER BY project_id"
    )
    return statement


GROUPED_BY: Final = {By.USER: "user_id", By.SESSION: "session_id", By.SERVICE: "service_name", By.TAG: "tag"}
"""Where the column is not called as the fact."""
GROUP_SORTS: Final = {
    GroupSort.LAST: "last_at",
    GroupSort.FIRST: "first_at",
    GroupSort.RUNS: "runs",
    GroupSort.ERRORS: "errors",
    GroupSort.TOKENS: "coalesce(sum_input_tokens, 0) + coalesce(sum_output_tokens, 0)",
    GroupSort.COST: "sum_cost",
    GroupSort.KEY: "key",
}


def newest_keys(schema: str, filter_: RunFilter, by: By, limit: int) -> Statement:
    """(key, start) of the newest runs that have the fact."""
    statement = Statement()
    where, key = _where(schema, filter_, statement), GROUPED_BY.get(by, str(by))
    statement.sql = (
        f"SELECT {key}, started_at FROM {identifier(schema)}.runs WHERE {where} AND {key} <> '' "
        f"ORDER BY started_at DESC LIMIT {statement.value(limit, 'bigint')}"
    )
    return statement


def groups(schema: str, filter_: RunFilter, grouping: Grouping, *, with_keys: bool = False) -> Statement:
    """(key, bucket, what `totals` selects, first start, last start, users, sessions), then both lists of quantiles
    where they are wanted. `with_keys`: first a row for each key over all intervals, whose bucket is NULL."""
    statement = Statement()
    where = _where(schema, filter_, statement)
    key = GROUPED_BY.get(grouping.by, str(grouping.by)) if grouping.by is not None else "''::text"
    source = f"{identifier(schema)}.runs"
    if grouping.by is By.TAG:
        source += " CROSS JOIN LATERAL (SELECT DISTINCT unnest(tags)) AS each(tag)"
    bucket = "0::bigint"
    if grouping.bucket_ns is not None:
        width = statement.value(grouping.bucket_ns, "bigint")
        bucket = f"started_at / {width} * {width}"
    latency = ""
    if grouping.latency:
        levels = f"ARRAY[{', '.join(map(str, QUANTILES))}]::double precision[]"
        latency = "".join(
            f", percentile_cont({levels}) WITHIN GROUP (ORDER BY {name})" for name in ("duration_ns", "ttft_ns")
        )
    having = []
    if grouping.by is not None:
        where += f" AND {key} <> ''"
        if grouping.contains is not None:
            text = statement.value(grouping.contains, "text")
            where += f' AND strpos(lower({key} COLLATE "C"), lower({text} COLLATE "C")) > 0'
        if grouping.after is not None:
            at, after_key = statement.value(grouping.after.at, "bigint"), statement.value(grouping.after.key, "text")
            having.append(f'({GROUP_SORTS[grouping.sort]}, key) < ({at}, {after_key} COLLATE "C")')
    way = "DESC" if grouping.descending else "ASC"
    outer = f" WHERE {' AND '.join(having)}" if having else ""
    people = "0 AS users, 0 AS sessions"
    if grouping.people:
        people = "count(DISTINCT nullif(user_id, '')) AS users, count(DISTINCT nullif(session_id, '')) AS sessions"
    sets = "GROUPING SETS ((1, 2), (1))" if with_keys else "1, 2"
    named = f"type || ' ' || {key}" if grouping.with_type else key
    statement.sql = (
        f'SELECT * FROM (SELECT ({named}) COLLATE "C" AS key, {bucket} AS bucket, {_MEASURES}, '
        f"min(started_at) AS first_at, max(started_at) AS last_at, {people}"
        f"{latency} FROM {source} WHERE {where} GROUP BY {sets}) AS groups{outer} "
        f"ORDER BY bucket NULLS FIRST, {GROUP_SORTS[grouping.sort]} {way} NULLS LAST, key {way} "
        f"LIMIT {statement.value(grouping.limit, 'bigint')} OFFSET {statement.value(grouping.offset, 'bigint')}"
    )
    return statement
