"""SQL of the reader: statements as functions of filters, values always as parameters.

Two versions of a run live side by side until a merge. A condition on a column that may change between versions must
therefore hold for the winning version: such conditions stand above the step that picks it. Below it they may only
help to find candidates. Of equal versions the one written last wins, as it does in a merge.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from spanledger.exporters.assemble import facts
from spanledger.exporters.clickhouse import summary
from spanledger.exporters.clickhouse.columns import BLANK
from spanledger.exporters.clickhouse.conditions import Compiler
from spanledger.exporters.clickhouse.tables import identifier
from spanledger.exporters.schema import RUN_PAYLOADS, RUNS, SCORES, Column, Table
from spanledger.exporters.store import Cursor, RunFilter, ScoreSort, Sort

Parameters: TypeAlias = dict[str, str | int | Sequence[str] | Sequence[tuple[str, str]]]

FAR_FUTURE: Final = 2**63 - 1

PAYLOAD: Final = facts(RUN_PAYLOADS)
SCORE: Final = facts(SCORES)

_SORTS: Final = {
    Sort.STARTED: "started_at",
    Sort.DURATION: "duration_ns",
    Sort.TOKENS: "if(input_tokens IS NULL, output_tokens, input_tokens + ifNull(output_tokens, 0))",
    Sort.COST: "cost",
}
_DAY_NS: Final = 86_400 * 1_000_000_000
WEEK_NS: Final = 7 * _DAY_NS
_MONDAY_NS: Final = 4 * _DAY_NS
"""Begin of the first week that began after the epoch."""
FINAL: Final = {
    # The start of a run may move, and its versions then lie in several partitions.
    "do_not_merge_across_partitions_select_final": 0,
    # Below the merge no condition may drop a version.
    "use_skip_indexes_if_final": 0,
    "optimize_move_to_prewhere_if_final": 0,
}
_BY_KEY: Final = {"use_skip_indexes": 0, "max_threads": 1}
"""Rows by the primary key: it says where they are, and there are few."""


@dataclass(slots=True)
class Statement:
    """SQL, the values of its placeholders, and ClickHouse settings."""

    sql: str
    parameters: Parameters = field(default_factory=dict)
    settings: dict[str, int] = field(default_factory=dict)


def _table(database: str, table: Table) -> str:
    return f"{identifier(database)}.{identifier(table.name)}"


def _columns(columns: Sequence[Column]) -> str:
    return ", ".join([*(identifier(column.name) for column in columns), BLANK])


def _time(placeholder: str) -> str:
    return f"fromUnixTimestamp64Nano({{{placeholder}:Int64}}, 'UTC')"


def _weeks(filter_: RunFilter, parameters: Parameters) -> str:
    """Condition for the partitions of a time and their neighbours: a run whose start moved by less than a week has all
    its versions there. Without it a merge at reading takes in all partitions, for starts are not part of the key."""
    found = []
    if filter_.started_from is not None:
        parameters["first_week"] = week(max(filter_.started_from - WEEK_NS, 0))
        found.append("_partition_id >= {first_week:String}")
    if filter_.started_to is not None:
        parameters["last_week"] = week(min(filter_.started_to + WEEK_NS, FAR_FUTURE))
        found.append("_partition_id <= {last_week:String}")
    return " AND ".join(found) or "1"


def week(time_ns: int) -> str:
    """The partition of runs that started at a time: year and number of the ISO week. Sorts as the times do."""
    day = dt.date(1970, 1, 1) + dt.timedelta(days=time_ns // _DAY_NS)
    year, number, _ = day.isocalendar()
    return f"{year}{number:02}"


def week_begin(time_ns: int) -> int:
    """Begin of the partition of runs that started at a time."""
    return time_ns - (time_ns - _MONDAY_NS) % WEEK_NS


def begin_of(partition: str) -> int:
    """Begin of a partition, nanoseconds since the Unix epoch."""
    return (dt.date.fromisocalendar(int(partition[:4]), int(partition[4:]), 1) - dt.date(1970, 1, 1)).days * _DAY_NS


def _conditions(database: str, filter_: RunFilter, parameters: Parameters, runs: str | None = None) -> str:
    """What a run must fulfil, apart from project and trace, which never change. `runs`: see `Compiler`."""
    found = []
    for column, values in (
        ("type", filter_.types),
        ("model", filter_.models),
        ("user_id", filter_.users),
        ("session_id", filter_.sessions),
        ("status", filter_.statuses),
        ("name", filter_.names),
    ):
        if values:
            parameters[f"f_{column}"] = list(values)
            found.append(f"{column} IN {{f_{column}:Array(String)}}")
    if filter_.tags:
        parameters["f_tags"] = list(filter_.tags)
        found.append("hasAny(tags, {f_tags:Array(String)})")
    if filter_.billable:
        found.append("billable")
    if filter_.started_from is not None:
        parameters["f_from"] = filter_.started_from
        found.append(f"started_at >= {_time('f_from')}")
    if filter_.started_to is not None:
        parameters["f_to"] = filter_.started_to
        found.append(f"started_at < {_time('f_to')}")
    if filter_.where is not None:
        parameters["project"] = filter_.project_id
        found.append(Compiler(database, parameters, runs).sql(filter_.where))
    return " AND ".join(found) or "1"


def _key(filter_: RunFilter, parameters: Parameters) -> str:
    parameters["project"] = filter_.project_id
    if filter_.trace_id is None:
        return "project_id = {project:String}"
    parameters["trace"] = filter_.trace_id
    return "project_id = {project:String} AND trace_key IN ('', {trace:String}) AND trace_id = {trace:String}"


def merged(database: str, filter_: RunFilter, parameters: Parameters) -> str:
    """`FROM … WHERE …` of the winning versions that match.

    Of users and sessions the ids are looked up first, in whichever version they stand, and only the rows of these runs
    are compared. For everything else all versions are merged at reading."""
    table, key = _table(database, RUNS), _key(filter_, parameters)
    conditions = _conditions(database, filter_, parameters)
    people = [
        f"{column} IN {{f_{column}:Array(String)}}"
        for column, values in (("user_id", filter_.users), ("session_id", filter_.sessions))
        if values
    ]
    if not people:
        return f"FROM {table} FINAL WHERE {key} AND {_weeks(filter_, parameters)} AND {conditions}"
    ids = f"SELECT run_id FROM {table} WHERE {key} AND {' AND '.join(people)}"
    return (
        f"FROM (SELECT *, trace_key FROM {table} WHERE {key} AND run_id IN ({ids}) "
        f"ORDER BY version DESC, ingested_at DESC LIMIT 1 BY run_id) WHERE is_deleted = 0 AND {conditions}"
    )


def candidates(database: str, filter_: RunFilter, low: int, before: Cursor, limit: int) -> Statement:
    """(started_at, trace_key, run_id) of the newest rows that match, from `low` (nanoseconds) to the cursor. Two
    versions of a run that started at the same time are two rows."""
    parameters: Parameters = {}
    where = _between(database, filter_, low, before, limit, parameters)
    return Statement(
        "SELECT toUnixTimestamp64Nano(started_at) AS at, trace_key, toString(run_id) AS id "
        f"FROM {_table(database, RUNS)} WHERE {where} "
        "ORDER BY started_at DESC, toString(run_id) DESC LIMIT {limit:UInt64}",
        parameters,
    )


def rows_by_week(database: str, filter_: RunFilter, before: int) -> Statement:
    """(partition, rows) of a project up to that of a time, newest first. No column but the key is read."""
    parameters: Parameters = {"last": week(before)}
    return Statement(
        f"SELECT _partition_id AS week, count() FROM {_table(database, RUNS)} WHERE {_key(filter_, parameters)} "
        "AND _partition_id <= {last:String} GROUP BY week ORDER BY week DESC",
        parameters,
    )


def _between(database: str, filter_: RunFilter, low: int, before: Cursor, limit: int, parameters: Parameters) -> str:
    parameters |= {"low": low, "before": before.started_at, "before_id": before.run_id, "limit": limit}
    return (
        f"{_key(filter_, parameters)} AND started_at >= {_time('low')} AND (started_at < {_time('before')} "
        f"OR started_at = {_time('before')} AND toString(run_id) < {{before_id:String}}) "
        f"AND {_conditions(database, filter_, parameters)}"
    )


Key: TypeAlias = tuple[str, str]
"""(trace_key, run_id): the key of a run within its project, in the order of the table."""


def winners(database: str, filter_: RunFilter, keys: Sequence[Key]) -> Statement:
    """Summaries of those runs whose winning version matches, wherever in time the versions lie."""
    parameters: Parameters = {}
    source = _versions(database, _key(filter_, parameters), keys, parameters)
    return Statement(
        f"SELECT {summary.READ} FROM ({source}) WHERE is_deleted = 0 AND "
        f"{_conditions(database, filter_, parameters, 'runs')} ORDER BY started_at DESC, toString(run_id) DESC",
        parameters,
        _BY_KEY,
    )


def _versions(database: str, project: str, keys: Sequence[Key], parameters: Parameters) -> str:
    """SELECT of the winning versions of some runs, deleted ones among them. The trace serves to find granules alone: to
    compare it with each row, together with the id, takes as long as everything else."""
    parameters["traces"] = sorted({trace for trace, _ in keys})
    parameters["runs"] = [id_ for _, id_ in keys]
    return (
        f"SELECT *, {summary.COLUMN} FROM {_table(database, RUNS)} WHERE {project} "
        "AND indexHint(trace_key IN {traces:Array(String)}) AND run_id IN {runs:Array(UUID)} "
        "ORDER BY version DESC, ingested_at DESC LIMIT 1 BY run_id"
    )


def weeks(database: str, filter_: RunFilter) -> Statement:
    """Partitions that hold rows of a project in a time, in order."""
    parameters: Parameters = {}
    where = [_key(filter_, parameters)]
    for name, bound, sign in (("f_from", filter_.started_from, ">="), ("f_to", filter_.started_to, "<")):
        if bound is not None:
            parameters[name] = bound
            where.append(f"started_at {sign} {_time(name)}")
    table, conditions = _table(database, RUNS), " AND ".join(where)
    return Statement(
        f"SELECT DISTINCT _partition_id AS week FROM {table} WHERE {conditions} ORDER BY week",
        parameters,
    )


def keys(database: str, filter_: RunFilter, in_week: str, after: Key | None, limit: int) -> Statement:
    """Keys of the rows of a partition that match, in any version, in order; the versions of a run follow each other.
    Read along the key, so it costs the same at any size: DISTINCT would read everything first."""
    parameters: Parameters = {"limit": limit, "week": in_week}
    conditions = _conditions(database, filter_, parameters)
    where = f"{_key(filter_, parameters)} AND _partition_id = {{week:String}} AND {conditions}"
    if after is not None:
        parameters |= {"after_trace": after[0], "after_run": after[1]}
        where += " AND (trace_key, run_id) > ({after_trace:String}, {after_run:UUID})"
    return Statement(
        f"SELECT trace_key, toString(run_id) FROM {_table(database, RUNS)} WHERE {where} "
        "ORDER BY trace_key, run_id LIMIT {limit:UInt64}",
        parameters,
    )


def projects(database: str, low: int, high: int) -> Statement:
    """Projects with runs that started in a time."""
    return Statement(
        f"SELECT DISTINCT project_id FROM {_table(database, RUNS)} "
        f"WHERE started_at >= {_time('low')} AND started_at < {_time('high')} ORDER BY project_id",
        {"low": low, "high": high},
    )


def run(database: str, project_id: str, run_id: str) -> Statement:
    """The winning version of a run, with where to find its payload."""
    return Statement(
        f"SELECT payload_group, {summary.READ} FROM (SELECT *, {summary.COLUMN} FROM {_table(database, RUNS)} "
        "WHERE project_id = {project:String} AND run_id = {run:UUID} ORDER BY version DESC, ingested_at DESC LIMIT 1) "
        "WHERE is_deleted = 0",
        {"project": project_id, "run": run_id},
    )


def payload(database: str, project_id: str, group: str, run_id: str, version: int) -> Statement:
    """The payload of a version of a run. Payloads are written before runs: a newer one may be there already, and may
    have replaced the one that was asked for."""
    return Statement(
        f"SELECT {_columns(PAYLOAD)} FROM {_table(database, RUN_PAYLOADS)} "
        "WHERE project_id = {project:String} AND payload_group = {group:String} AND run_id = {run:UUID} "
        "AND is_deleted = 0 ORDER BY version = {version:UInt64} DESC, version DESC, ingested_at DESC LIMIT 1",
        {"project": project_id, "group": group, "run": run_id, "version": version},
    )


def trace(database: str, project_id: str, trace_id: str, limit: int) -> Statement:
    """Summaries of the runs of a trace."""
    return Statement(
        f"SELECT {summary.READ} FROM (SELECT *, {summary.COLUMN} FROM {_table(database, RUNS)} "
        "WHERE project_id = {project:String} AND trace_key IN ('', {trace:String}) AND trace_id = {trace:String} "
        "ORDER BY version DESC, ingested_at DESC LIMIT 1 BY run_id) "
        "WHERE is_deleted = 0 ORDER BY started_at, toString(run_id) LIMIT {limit:UInt64}",
        {"project": project_id, "trace": trace_id, "limit": limit},
    )


def first_rows(database: str, filter_: RunFilter, sort: Sort, descending: bool, limit: int) -> Statement:
    """(place, started_at, trace_key, run_id) of the first rows in an order, in any version; none without the fact."""
    parameters: Parameters = {"limit": limit}
    conditions = _conditions(database, filter_, parameters)
    way = "DESC" if descending else "ASC"
    place = f"toUnixTimestamp64Nano({_SORTS[sort]})" if sort is Sort.STARTED else _SORTS[sort]
    return Statement(
        f"SELECT {place} AS place, toUnixTimestamp64Nano(started_at) AS at, trace_key, toString(run_id) AS id "
        f"FROM {_table(database, RUNS)} WHERE {_key(filter_, parameters)} AND {conditions} AND place IS NOT NULL "
        f"ORDER BY place {way}, started_at DESC, toString(run_id) DESC LIMIT {{limit:UInt64}}",
        parameters,
    )


def in_order(
    database: str, filter_: RunFilter, sort: Sort | ScoreSort, descending: bool, limit: int, offset: int
) -> Statement:
    """Keys of runs in any order."""
    parameters: Parameters = {"limit": limit, "offset": offset}
    source = merged(database, filter_, parameters)
    way, settings = "DESC" if descending else "ASC", dict(FINAL)
    if isinstance(sort, Sort):
        found = f"SELECT trace_key, run_id, started_at, {_SORTS[sort]} AS place {source}"
    else:
        parameters["score"] = sort.name
        settings["join_use_nulls"] = 1
        found = (
            f"SELECT trace_key, run_id, started_at, place FROM (SELECT trace_key, run_id, started_at {source}) "
            f"AS found LEFT JOIN ({_scored(database)}) AS scored ON scored.id = found.run_id"
        )
    return Statement(
        f"SELECT trace_key, toString(run_id) AS id FROM ({found}) "
        f"ORDER BY place {way} NULLS LAST, started_at DESC, id DESC LIMIT {{limit:UInt64}} OFFSET {{offset:UInt64}}",
        parameters,
        settings,
    )


def _scored(database: str) -> str:
    """SELECT of (id, place): the newest number that each run was given under the name of a score."""
    return (
        "SELECT assumeNotNull(run_id) AS id, "
        "argMax(value_number, (ifNull(toUnixTimestamp64Nano(at), -1), toString(score_id))) AS place "
        f"FROM (SELECT * FROM {_table(database, SCORES)} WHERE project_id = {{project:String}} "
        "AND name = {score:String} ORDER BY version DESC, ingested_at DESC LIMIT 1 BY score_id) "
        "WHERE is_deleted = 0 AND run_id IS NOT NULL AND value_number IS NOT NULL GROUP BY id"
    )


def by_keys(database: str, project_id: str, keys: Sequence[Key]) -> Statement:
    """Summaries of runs, in no order."""
    parameters: Parameters = {"project": project_id}
    source = _versions(database, "project_id = {project:String}", keys, parameters)
    return Statement(f"SELECT {summary.READ} FROM ({source}) WHERE is_deleted = 0", parameters, _BY_KEY)


def scores_of(database: str, project_id: str, run_ids: Sequence[str]) -> Statement:
    """Scores of several runs."""
    table = _table(database, SCORES)
    return Statement(
        f"SELECT {_columns(SCORE)} FROM (SELECT * FROM {table} WHERE project_id = {{project:String}} AND score_id IN "
        f"(SELECT score_id FROM {table} WHERE project_id = {{project:String}} AND run_id IN {{runs:Array(UUID)}}) "
        "ORDER BY version DESC, ingested_at DESC LIMIT 1 BY score_id) "
        "WHERE is_deleted = 0 AND run_id IN {runs:Array(UUID)} ORDER BY at, toString(score_id)",
        {"project": project_id, "runs": list(run_ids)},
    )


def scores(database: str, project_id: str, run_id: str) -> Statement:
    """Scores of a run. The inner search uses the index on run_id; a score's target may be corrected later."""
    table = _table(database, SCORES)
    return Statement(
        f"SELECT {_columns(SCORE)} FROM (SELECT * FROM {table} WHERE project_id = {{project:String}} AND score_id IN "
        f"(SELECT score_id FROM {table} WHERE project_id = {{project:String}} AND run_id = {{run:UUID}}) "
        "ORDER BY version DESC, ingested_at DESC LIMIT 1 BY score_id) "
        "WHERE is_deleted = 0 AND run_id = {run:UUID} ORDER BY at, toString(score_id)",
        {"project": project_id, "run": run_id},
    )
