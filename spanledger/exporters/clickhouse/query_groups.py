"""SQL of the reader that sums: totals and groups (`spanledger.exporters.clickhouse.query` has the rest)."""

from __future__ import annotations

from typing import Final

from spanledger.exporters.clickhouse.query import FINAL, Parameters, Statement, merged
from spanledger.exporters.store import QUANTILES, By, Grouping, GroupSort, RunFilter

_SUMS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost",
)
TOTALS: Final = ("runs", "errors", "billable_runs", "unpriced_runs", *_SUMS)
"""What `totals` selects: fields of `spanledger.exporters.store.Totals`."""


_MEASURES: Final = (
    "count() AS runs, countIf(status = 'error') AS errors, countIf(billable) AS billable_runs, "
    "countIf(billable AND cost IS NULL) AS unpriced_runs, "
    # Sums are 128 bits wide: one absurd count must not make them wrap round.
    + ", ".join(f"sumIf(toInt128({column}), billable) AS sum_{column}" for column in _SUMS)
)


def totals(database: str, filter_: RunFilter) -> Statement:
    """Counts and sums."""
    parameters: Parameters = {}
    return Statement(
        f"SELECT {_MEASURES} {merged(database, filter_, parameters)}",
        parameters,
        FINAL,
    )


_BY: Final = {
    By.USER: "user_id",
    By.SESSION: "session_id",
    By.SERVICE: "service_name",
    By.TAG: "arrayJoin(tags)",
}
"""Where the column is not called as the fact."""
_GROUP_SORTS: Final = {
    GroupSort.LAST: "last_at",
    GroupSort.FIRST: "first_at",
    GroupSort.RUNS: "runs",
    GroupSort.ERRORS: "errors",
    GroupSort.TOKENS: "ifNull(sum_input_tokens, 0) + ifNull(sum_output_tokens, 0)",
    GroupSort.COST: "sum_cost",
    GroupSort.KEY: "key",
}


_PEOPLE: Final = ", ".join(
    # Sets of 64 bits take half the time of sets of texts; two of a billion collide once in 37 ledgers.
    f"uniqExactIf(cityHash64({column}), {column} != '') AS {name}"
    for name, column in (("users", "user_id"), ("sessions", "session_id"))
)


def groups(database: str, filter_: RunFilter, grouping: Grouping) -> Statement:
    """(key, bucket, what `totals` selects, first start, last start, users, sessions), then both lists of quantiles
    where they are wanted."""
    parameters: Parameters = {}
    way = "DESC" if grouping.descending else "ASC"
    return Statement(
        f"SELECT {_selected(grouping, parameters)} {merged(database, filter_, parameters)} "
        f"GROUP BY key, bucket HAVING {_having(grouping, parameters)} "
        f"ORDER BY bucket, {_GROUP_SORTS[grouping.sort]} {way} NULLS LAST, key {way} "
        f"{_page(grouping, parameters)}",
        parameters,
        FINAL,
    )


def breakdown(database: str, filter_: RunFilter, grouping: Grouping, *, with_whole: bool, with_keys: bool) -> Statement:
    """Whether a row sums over all keys, whether over all intervals, then as `groups`: one row over everything first,
    then one for each key over all intervals, where they are wanted, then the groups. Versions are compared once."""
    parameters: Parameters = {}
    sets = f"(key, bucket){', (key)' if with_keys else ''}{', ()' if with_whole else ''}"
    way = "DESC" if grouping.descending else "ASC"
    return Statement(
        "SELECT grouping(key) AS no_key, grouping(bucket) AS no_bucket, "
        f"{_selected(grouping, parameters)} {merged(database, filter_, parameters)} "
        f"GROUP BY GROUPING SETS ({sets}) HAVING no_key OR {_having(grouping, parameters)} "
        f"ORDER BY no_key DESC, no_bucket DESC, bucket, {_GROUP_SORTS[grouping.sort]} {way} NULLS LAST, key {way} "
        f"{_page(grouping, parameters)}",
        parameters,
        FINAL,
    )


def _selected(grouping: Grouping, parameters: Parameters) -> str:
    key = _BY.get(grouping.by, str(grouping.by)) if grouping.by is not None else "''"
    named = f"toString({key})"
    if grouping.with_type:
        named = f"if({named} = '', '', concat(type, ' ', {named}))"
    bucket = "toInt64(0)"
    if grouping.bucket_ns is not None:
        parameters["width"] = grouping.bucket_ns
        bucket = "intDiv(toUnixTimestamp64Nano(started_at), {width:Int64}) * {width:Int64}"
    latency = ""
    if grouping.latency:
        levels = ", ".join(map(str, QUANTILES))
        latency = "".join(f", quantilesExactInclusive({levels})({name})" for name in ("duration_ns", "ttft_ns"))
    return (
        f"{named} AS key, {bucket} AS bucket, {_MEASURES}, "
        "toUnixTimestamp64Nano(min(started_at)) AS first_at, toUnixTimestamp64Nano(max(started_at)) AS last_at, "
        f"{_PEOPLE if grouping.people else '0 AS users, 0 AS sessions'}{latency}"
    )


def _having(grouping: Grouping, parameters: Parameters) -> str:
    if grouping.by is None:
        return "1"
    having = "key != ''"
    if grouping.contains is not None:
        parameters["contains"] = grouping.contains
        having += " AND positionCaseInsensitive(key, {contains:String}) > 0"
    if grouping.after is not None:
        parameters |= {"after_at": grouping.after.at, "after_key": grouping.after.key}
        having += f" AND ({_GROUP_SORTS[grouping.sort]}, key) < ({{after_at:Int64}}, {{after_key:String}})"
    return having


def _page(grouping: Grouping, parameters: Parameters) -> str:
    parameters |= {"limit": grouping.limit, "offset": grouping.offset}
    return "LIMIT {limit:UInt64} OFFSET {offset:UInt64}"
