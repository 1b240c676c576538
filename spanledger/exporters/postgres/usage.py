"""Sums of usage by minute and by day, computed anew wherever runs came, changed or went.

Writers note the minutes that they touch in the transaction that touches them. `sum_up` takes notes, computes these
minutes from `runs`, and the days of the groups that changed from the minutes. A note is seen exactly when the rows are
that it was made for, so sums are exact under redelivery, corrections and late rows, whoever writes at the same time. A
day whose runs retention has dropped is never computed again: its sums stay.
"""

from __future__ import annotations

from typing import Any, Final

from spanledger.exporters.postgres import hours
from spanledger.exporters.postgres.connection import Connection, identifier
from spanledger.exporters.postgres.ddl import (
    USAGE_COUNTS,
    USAGE_DAILY,
    USAGE_DIRTY,
    USAGE_GROUP,
    USAGE_MINUTES,
    USAGE_SUMS,
)

NOTES: Final = 5000
"""Notes that one transaction takes."""
_LONGEST: Final = 200
"""Characters of a model's or a user's name: what is longer is one group with what begins the same."""

_GROUP: Final = ", ".join(USAGE_GROUP)
_MEASURES: Final = (*USAGE_COUNTS, *USAGE_SUMS)
_COLUMNS: Final = f"{_GROUP}, {', '.join(_MEASURES)}"


async def sum_up(connection: Connection, schema: str) -> bool:
    """One step. Returns whether there may be more to do. One process at a time does this; others do nothing."""
    name = identifier(schema)
    async with connection.transaction():
        if not await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock(hashtext('spanledger usage'), hashtext($1))", schema
        ):
            return False
        taken = await connection.fetch(
            f"DELETE FROM {name}.{USAGE_DIRTY} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {name}.{USAGE_DIRTY} "
            "LIMIT $1)) RETURNING project_id, minute",
            NOTES,
        )
        minutes = sorted({(row["project_id"], row["minute"]) for row in taken})
        if not minutes:
            return False
        await hours.note(connection, schema, minutes)
        # Few rows by key: without statistics of them the planner would read whole tables instead.
        await connection.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        dirty = [[project for project, _ in minutes], [minute for _, minute in minutes]]
        before = await connection.fetch(_DELETE_MINUTES.format(schema=name), *dirty)
        after = await connection.fetch(_INSERT_MINUTES.format(schema=name), *dirty)
        groups = sorted({(row["project_id"], row["group_key"], row["day"]) for row in (*before, *after)})
        if groups:
            days: list[list[Any]] = [list(column) for column in zip(*groups, strict=True)]
            await connection.execute(_DELETE_DAYS.format(schema=name), *days)
            await connection.execute(_INSERT_DAYS.format(schema=name), *days)
    return len(taken) == NOTES


_DIRTY: Final = "unnest($1::text[], $2::bigint[]) AS dirty (project_id, minute)"
_DAYS: Final = "unnest($1::text[], $2::bytea[], $3::date[]) AS dirty (project_id, group_key, day)"
_DAY: Final = "(minute AT TIME ZONE 'UTC')::date"

_DELETE_MINUTES: Final = (
    f"DELETE FROM {{schema}}.{USAGE_MINUTES} AS old USING {_DIRTY} "
    "WHERE old.project_id = dirty.project_id AND old.minute = to_timestamp(dirty.minute * 60) "
    "RETURNING old.project_id, old.group_key, (old.minute AT TIME ZONE 'UTC')::date AS day"
)
_INSERT_MINUTES: Final = (
    f"INSERT INTO {{schema}}.{USAGE_MINUTES} (project_id, minute, group_key, {_COLUMNS}) "
    "SELECT project_id, minute, "
    f"sha256(convert_to(json_build_array({_GROUP})::text, 'UTF8')), {_GROUP}, "
    "count(*), count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE billable), "
    "count(*) FILTER (WHERE billable AND cost IS NULL), "
    + ", ".join(f"sum({column}) FILTER (WHERE billable)" for column in USAGE_SUMS[:-1])
    + ", sum(cost) FILTER (WHERE billable) * 0.000000000001 FROM ("
    "SELECT runs.project_id, to_timestamp(dirty.minute * 60) AS minute, status, billable, "
    + ", ".join(USAGE_SUMS)
    + ", "
    + ", ".join(f"left(coalesce({column}, ''), {_LONGEST}) AS {column}" for column in USAGE_GROUP)
    + f" FROM {_DIRTY} JOIN {{schema}}.runs ON runs.project_id = dirty.project_id "
    "AND runs.started_at >= dirty.minute * 60000000000 "
    # The last minute that 64 bits hold ends behind them.
    "AND runs.started_at <= dirty.minute * 60000000000 + 59999999999"
    f") AS found GROUP BY project_id, minute, {_GROUP} RETURNING project_id, group_key, {_DAY} AS day"
)
_DELETE_DAYS: Final = (
    f"DELETE FROM {{schema}}.{USAGE_DAILY} AS old USING {_DAYS} "
    "WHERE old.project_id = dirty.project_id AND old.group_key = dirty.group_key AND old.day = dirty.day"
)
_INSERT_DAYS: Final = (
    f"INSERT INTO {{schema}}.{USAGE_DAILY} (project_id, group_key, day, {_COLUMNS}) "
    f"SELECT dirty.project_id, dirty.group_key, dirty.day, {_GROUP}, "
    + ", ".join(f"sum({column})" for column in _MEASURES)
    + f" FROM {_DAYS} JOIN {{schema}}.{USAGE_MINUTES} AS minutes ON minutes.project_id = dirty.project_id "
    "AND minutes.group_key = dirty.group_key AND minutes.minute >= dirty.day::timestamp AT TIME ZONE 'UTC' "
    "AND minutes.minute < (dirty.day + 1)::timestamp AT TIME ZONE 'UTC' "
    f"GROUP BY dirty.project_id, dirty.group_key, dirty.day, {_GROUP}"
)
