"""Sums by hour over the facts that analytics ask for, with histograms of latency: what a million runs sum to is read
from some thousand rows.

Writers note minutes (`usage_dirty`); `sum_up` turns the notes that it takes into notes of hours (`usage_stale`), in one
transaction. So an hour without a note of either kind has its sums, and they are those of its rows; of every other hour
the rows are read (`query_hours`). Answers are exact at any moment, whoever writes. Hours are summed up when they are
over, and again when something came late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from spanledger.exporters.postgres.connection import Connection, identifier
from spanledger.exporters.store import QUANTILES

HOURS: Final = "usage_hours"
STALE: Final = "usage_stale"
HOUR_NS: Final = 3_600_000_000_000
FACTS: Final = (
    "type",
    "provider",
    "model",
    "request_model",
    "name",
    "status",
    "environment",
    "release",
    "service_name",
)
"""What hours are summed by, beside project and `billable`."""
SUMS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "cost")
LATENCIES: Final = {"duration_ns": "duration", "ttft_ns": "ttft"}
"""Column of a run → prefix of the columns of its histogram."""
AT_ONCE: Final = 24
"""Hours that one transaction sums up."""
SETTLED_NS: Final = 600 * 1_000_000_000
"""How long ago an hour must have ended: what arrives late mostly does so at once."""


def ddl() -> Sequence[str]:
    """Statements that make the tables; all hours that have runs are to be summed up."""
    facts = "".join(f'  {identifier(name)} text COLLATE "C",\n' for name in FACTS)
    sums = "".join(f"  {name} numeric,\n" for name in SUMS)
    bins = ",\n".join(f"  {name}_bins integer[],\n  {name}_counts bigint[]" for name in LATENCIES.values())
    return (
        f'CREATE TABLE {{schema}}.{HOURS} (\n  project_id text COLLATE "C" NOT NULL,\n  hour bigint NOT NULL,\n{facts}'
        f"  billable boolean NOT NULL,\n  runs bigint NOT NULL,\n  unpriced_runs bigint NOT NULL,\n{sums}"
        f"  first_at bigint NOT NULL,\n  last_at bigint NOT NULL,\n{bins}\n)",
        f"CREATE INDEX {HOURS}_ix1 ON {{schema}}.{HOURS} (project_id, hour)",
        f"COMMENT ON TABLE {{schema}}.{HOURS} IS 'sums of hours that {STALE} and usage_dirty do not name; hours since "
        "the Unix epoch, cost in 1e-12 USD, sums of billable runs'",
        f'CREATE TABLE {{schema}}.{STALE} (\n  project_id text COLLATE "C" NOT NULL,\n  hour bigint NOT NULL\n)',
        f"INSERT INTO {{schema}}.{STALE} SELECT DISTINCT project_id, started_at / {HOUR_NS} FROM {{schema}}.runs",
    )


def bin_of(column: str) -> str:
    """Number of the bin of a duration (nanoseconds, not negative): itself below 64, from there on 32 bins for each
    doubling. The logarithm of a power of 2 may end a hair off the whole number, hence the two checks."""
    guess = f"(floor(ln({column}::double precision) / ln(2::double precision))::integer - 5)"
    power = (
        f"(CASE WHEN {column} >> {guess} > 63 THEN {guess} + 1 WHEN {column} >> {guess} < 32 THEN {guess} - 1 "
        f"ELSE {guess} END)"
    )
    return f"(CASE WHEN {column} < 64 THEN {column}::integer ELSE {power} * 32 + ({column} >> {power})::integer END)"


def middle_of(bin_: int) -> float:
    """Middle of a bin: at most 1.6 % off what is in it."""
    if bin_ < 64:
        return bin_
    power = bin_ // 32 - 1
    return ((bin_ - power * 32) << power) + ((1 << power) - 1) / 2


def quantiles(histogram: Sequence[tuple[int, int]]) -> list[float | None]:
    """`QUANTILES` of (bin, count) in order, interpolated as between single values."""
    total = sum(count for _, count in histogram)
    if not total:
        return [None] * len(QUANTILES)
    return [_at(histogram, level * (total - 1)) for level in QUANTILES]


def _at(histogram: Sequence[tuple[int, int]], place: float) -> float:
    """The value at a place, counted from 0, of all values in order."""
    below, low = 0, None
    for bin_, count in histogram:
        below += count
        if low is None and below > int(place):
            low = middle_of(bin_)
        if low is not None and below > int(place) + 1:
            return low + (middle_of(bin_) - low) * (place - int(place))
    return middle_of(histogram[-1][0]) if low is None else low


async def note(connection: Connection, schema: str, minutes: Sequence[tuple[str, int]]) -> None:
    """Note the hours of (project, minute since the epoch)."""
    hours = sorted({(project, minute // 60) for project, minute in minutes})
    await connection.execute(
        f"INSERT INTO {identifier(schema)}.{STALE} SELECT * FROM unnest($1::text[], $2::bigint[])",
        [project for project, _ in hours],
        [hour for _, hour in hours],
    )


async def roll_up(connection: Connection, schema: str, now_ns: int) -> bool:
    """One step. Returns whether there may be more to do. One process at a time does this; others do nothing."""
    name = identifier(schema)
    async with connection.transaction():
        if not await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock(hashtext('spanledger hours'), hashtext($1))", schema
        ):
            return False
        found = await connection.fetch(
            f"SELECT DISTINCT project_id, hour FROM {name}.{STALE} WHERE hour < $1 ORDER BY hour LIMIT $2",
            (now_ns - SETTLED_NS) // HOUR_NS,
            AT_ONCE,
        )
        if not found:
            return False
        wanted: list[list[Any]] = [list(column) for column in zip(*found, strict=True)]
        # Notes first: a row that comes after they are gone brings its own.
        for table in (STALE, HOURS):
            await connection.execute(
                f"DELETE FROM {name}.{table} AS old USING {_WANTED} "
                "WHERE old.project_id = wanted.project_id AND old.hour = wanted.hour",
                *wanted,
            )
        await connection.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        await connection.execute(_ROLL_UP.format(schema=name), *wanted)
    return len(found) == AT_ONCE


_WANTED: Final = "unnest($1::text[], $2::bigint[]) AS wanted (project_id, hour)"
_KEYS: Final = ("project_id", "hour", *map(identifier, FACTS), "billable")
_BINNED: Final = "".join(
    f", array_agg({bin_of(column)}) FILTER (WHERE {column} >= 0) AS {name}_all" for column, name in LATENCIES.items()
)
_SUMMED: Final = "".join(f", sum({name}) FILTER (WHERE billable) AS {name}" for name in SUMS)
_HISTOGRAMS: Final = " ".join(
    "LEFT JOIN LATERAL (SELECT array_agg(bin ORDER BY bin) AS bins, array_agg(count ORDER BY bin) AS counts "
    f"FROM (SELECT bin, count(*) AS count FROM unnest({name}_all) AS bin GROUP BY bin) AS each) AS {name} ON true"
    for name in LATENCIES.values()
)
_ROLL_UP: Final = (
    f"INSERT INTO {{schema}}.{HOURS} ({', '.join(_KEYS)}, runs, unpriced_runs, {', '.join(SUMS)}, first_at, last_at"
    + "".join(f", {name}_bins, {name}_counts" for name in LATENCIES.values())
    + f") SELECT {', '.join(_KEYS)}, runs, unpriced_runs, {', '.join(SUMS)}, first_at, last_at"
    + "".join(f", {name}.bins, {name}.counts" for name in LATENCIES.values())
    + f" FROM (SELECT wanted.hour, {', '.join(f'runs.{key}' for key in _KEYS if key != 'hour')}, count(*) AS runs, "
    f"count(*) FILTER (WHERE billable AND cost IS NULL) AS unpriced_runs{_SUMMED}, "
    f"min(started_at) AS first_at, max(started_at) AS last_at{_BINNED} FROM {_WANTED} JOIN {{schema}}.runs "
    f"ON runs.project_id = wanted.project_id AND runs.started_at >= wanted.hour * {HOUR_NS} "
    # The last hour that 64 bits hold ends behind them.
    f"AND runs.started_at <= least(wanted.hour::numeric * {HOUR_NS} + {HOUR_NS - 1}, 9223372036854775807)::bigint "
    f"GROUP BY wanted.hour, {', '.join(f'runs.{key}' for key in _KEYS if key != 'hour')}) AS found {_HISTOGRAMS}"
)
