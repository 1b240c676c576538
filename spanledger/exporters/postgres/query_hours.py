"""SQL that reads sums from `usage_hours` and, of hours whose sums are not made yet, from `runs`
(`spanledger.exporters.postgres.hours`). One statement sees both as they were at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spanledger.exporters.conditions import All, Compare, Condition, Kind, Not, Some
from spanledger.exporters.postgres.connection import identifier
from spanledger.exporters.postgres.ddl import USAGE_DIRTY
from spanledger.exporters.postgres.hours import FACTS, HOUR_NS, HOURS, LATENCIES, STALE, SUMS, bin_of
from spanledger.exporters.postgres.query import GROUP_SORTS, GROUPED_BY, Statement, conditions
from spanledger.exporters.store import By, Grouping, RunFilter

MANY_STALE: Final = 200
"""Hours of which rows are read one hour after the other; with more of them all rows are read as quickly."""
_LAST: Final = 2**63 - 1
_BY: Final = {
    *(By.MODEL, By.REQUEST_MODEL, By.PROVIDER, By.TYPE, By.NAME, By.STATUS, By.ENVIRONMENT, By.RELEASE, By.SERVICE)
}
_MEASURES: Final = (
    "sum(runs)::bigint AS runs, coalesce(sum(runs) FILTER (WHERE status = 'error'), 0)::bigint AS errors, "
    "coalesce(sum(runs) FILTER (WHERE billable), 0)::bigint AS billable_runs, "
    "sum(unpriced_runs)::bigint AS unpriced_runs, " + ", ".join(f"sum({name}) AS sum_{name}" for name in SUMS)
)


def answers(filter_: RunFilter) -> bool:
    """Whether sums by hour know the facts of a filter."""
    others = (filter_.users, filter_.sessions, filter_.tags)
    return filter_.trace_id is None and not any(others) and (filter_.where is None or _known(filter_.where))


def groups_answers(filter_: RunFilter, grouping: Grouping) -> bool:
    """Whether they know what is grouped by, too."""
    return (
        answers(filter_)
        and not grouping.people
        and grouping.after is None
        and (grouping.by is None or grouping.by in _BY)
        and (grouping.bucket_ns is None or grouping.bucket_ns % HOUR_NS == 0)
    )


def _known(condition: Condition) -> bool:
    match condition:
        case All(of) | Some(of):
            return all(map(_known, of))
        case Not(inner):
            return _known(inner)
        case Compare(field=name):
            return name in FACTS or condition.kind is Kind.FLAG
        case _:
            return False


def state(schema: str, filter_: RunFilter) -> Statement:
    """(hours of which rows must be read, runs in sums)."""
    statement = Statement()
    project = statement.value(filter_.project_id, "text")
    stale = _stale(schema, project, filter_, statement)
    statement.sql = (
        f"SELECT (SELECT count(*) FROM ({stale}) AS stale), (SELECT coalesce(sum(runs), 0) "
        f"FROM {identifier(schema)}.{HOURS} WHERE project_id = {project} AND {_whole_hours(filter_, statement)})"
    )
    return statement


def totals(schema: str, filter_: RunFilter) -> Statement:
    """As `query.totals`."""
    statement = Statement()
    # Without a row there is nothing to sum: then the counts are NULL.
    measures = _MEASURES.replace("sum(runs)::", "coalesce(sum(runs), 0)::").replace(
        "sum(unpriced_runs)::", "coalesce(sum(unpriced_runs), 0)::"
    )
    statement.sql = f"SELECT {measures} FROM ({_source(schema, filter_, statement)}) AS runs"
    return statement


def groups(schema: str, filter_: RunFilter, grouping: Grouping) -> Statement:
    """As `query.groups`, without quantiles."""
    statement = Statement()
    source = _source(schema, filter_, statement)
    key, named, bucket = _shown(grouping, statement)
    where = _wanted(grouping, key, statement)
    way = "DESC" if grouping.descending else "ASC"
    statement.sql = (
        f'SELECT ({named}) COLLATE "C" AS key, {bucket} AS bucket, {_MEASURES}, min(first_at) AS first_at, '
        f"max(last_at) AS last_at, 0 AS users, 0 AS sessions FROM ({source}) AS runs WHERE {where} GROUP BY 1, 2 "
        f"ORDER BY bucket, {GROUP_SORTS[grouping.sort]} {way} NULLS LAST, key {way} "
        f"LIMIT {statement.value(grouping.limit, 'bigint')} OFFSET {statement.value(grouping.offset, 'bigint')}"
    )
    # Sorts are of the columns that come out, which an ORDER BY can combine in an outer statement alone.
    inner, order = statement.sql.split(" ORDER BY ", 1)
    statement.sql = f"SELECT * FROM ({inner}) AS groups ORDER BY {order}"
    return statement


def histograms(schema: str, filter_: RunFilter, grouping: Grouping, keys: Sequence[str]) -> Statement:
    """(key, bucket, latency, bin, count) of the groups with these keys; the latency is the place in `LATENCIES`."""
    statement = Statement()
    source = _source(schema, filter_, statement, histograms=True)
    key, named, bucket = _shown(grouping, statement)
    where = _wanted(grouping, key, statement)
    statement.sql = (
        f'SELECT key, bucket, latency, bin, sum(count)::bigint FROM (SELECT ({named}) COLLATE "C" AS key, '
        f"{bucket} AS bucket, latency, unnest(bins) AS bin, unnest(counts) AS count FROM ({source}) AS runs "
        "CROSS JOIN LATERAL (VALUES "
        + ", ".join(f"({place}, {name}_bins, {name}_counts)" for place, name in enumerate(LATENCIES.values()))
        + f") AS histogram (latency, bins, counts) WHERE {where}) AS found "
        f"WHERE key = ANY({statement.value(list(keys), 'text[]')}) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    )
    return statement


def _shown(grouping: Grouping, statement: Statement) -> tuple[str, str, str]:
    """(fact, key, bucket)."""
    key = GROUPED_BY.get(grouping.by, str(grouping.by)) if grouping.by is not None else "''::text"
    named = f"type || ' ' || {key}" if grouping.with_type else key
    if grouping.bucket_ns is None:
        return key, named, "0::bigint"
    width = statement.value(grouping.bucket_ns, "bigint")
    return key, named, f"first_at / {width} * {width}"


def _wanted(grouping: Grouping, key: str, statement: Statement) -> str:
    if grouping.by is None:
        return "true"
    where = f"{key} <> ''"
    if grouping.contains is not None:
        text = statement.value(grouping.contains, "text")
        where += f' AND strpos(lower({key} COLLATE "C"), lower({text} COLLATE "C")) > 0'
    return where


def _source(schema: str, filter_: RunFilter, statement: Statement, *, histograms: bool = False) -> str:
    """SELECT of sums by hour and of single runs as such, all that match."""
    name, project = identifier(schema), statement.value(filter_.project_id, "text")
    facts = ", ".join((*map(identifier, FACTS), "billable"))
    found = " AND ".join(conditions(schema, filter_, statement)) or "true"
    stale = _stale(schema, project, filter_, statement)
    low = max(filter_.started_from or 0, 0)
    high = _LAST if filter_.started_to is None else filter_.started_to - 1
    low_, high_ = statement.value(low, "bigint"), statement.value(high, "bigint")
    summed = single = ""
    if histograms:
        summed = "".join(f", {name}_bins, {name}_counts" for name in LATENCIES.values())
        single = "".join(
            f", CASE WHEN {column} >= 0 THEN ARRAY[{bin_of(column)}] END AS {name}_bins, "
            f"CASE WHEN {column} >= 0 THEN ARRAY[1::bigint] END AS {name}_counts"
            for column, name in LATENCIES.items()
        )
    return (
        f"WITH stale AS MATERIALIZED ({stale}) "
        f"SELECT {facts}, runs, unpriced_runs, {', '.join(SUMS)}, first_at, last_at{summed} FROM {name}.{HOURS} "
        f"WHERE project_id = {project} AND {_whole_hours(filter_, statement)} "
        f"AND hour NOT IN (SELECT hour FROM stale) AND {found} UNION ALL "
        f"SELECT {facts}, 1, (billable AND cost IS NULL)::integer, "
        + ", ".join(f"CASE WHEN billable THEN {each} END" for each in SUMS)
        + f", started_at, started_at{single} FROM stale JOIN LATERAL (SELECT * FROM {name}.runs "
        f"WHERE project_id = {project} AND started_at >= greatest(stale.hour * {HOUR_NS}, {low_}) "
        f"AND started_at <= least(stale.hour::numeric * {HOUR_NS} + {HOUR_NS - 1}, {high_})::bigint "
        f"AND {found} OFFSET 0) AS late ON true"
    )


def _whole_hours(filter_: RunFilter, statement: Statement) -> str:
    """Condition for hours that lie in the time of a filter."""
    found = []
    if filter_.started_from is not None:
        found.append(f"hour >= {statement.value(-(-max(filter_.started_from, 0) // HOUR_NS), 'bigint')}")
    if filter_.started_to is not None:
        found.append(f"hour < {statement.value(filter_.started_to // HOUR_NS, 'bigint')}")
    return " AND ".join(found) or "true"


def _stale(schema: str, project: str, filter_: RunFilter, statement: Statement) -> str:
    """SELECT of the hours that have no sums, or of which only a part is asked for."""
    name = identifier(schema)
    parts = [
        f"SELECT minute / 60 AS hour FROM {name}.{USAGE_DIRTY} WHERE project_id = {project}",
        f"SELECT hour FROM {name}.{STALE} WHERE project_id = {project}",
    ]
    parts += [
        f"SELECT {statement.value(bound // HOUR_NS, 'bigint')}"
        for bound in (filter_.started_from, filter_.started_to)
        if bound is not None and bound % HOUR_NS
    ]
    found = []
    if filter_.started_from is not None:
        found.append(f"hour >= {statement.value(filter_.started_from // HOUR_NS, 'bigint')}")
    if filter_.started_to is not None:
        found.append(f"hour <= {statement.value(filter_.started_to // HOUR_NS, 'bigint')}")
    where = f" WHERE {' AND '.join(found)}" if found else ""
    return f"SELECT DISTINCT hour FROM ({' UNION ALL '.join(parts)}) AS noted{where}"
