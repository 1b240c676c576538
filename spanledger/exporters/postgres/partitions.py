"""Partitions by the UTC month (runs, metrics) or day (payloads): made ahead and on demand, dropped by retention.

There is no DEFAULT partition: rows in it block every partition that is made later. What starts before the window of a
table goes to its `_old` partition and what starts after it to `_future`, so that wrong clocks can neither fail a batch
nor make thousands of partitions; the window moves forward with the time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from spanledger.exporters.postgres.connection import Connection, identifier

DAY_NS: Final = 86_400 * 1_000_000_000
_LAST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How a table is cut. `back` and `ahead` are days."""

    monthly: bool
    back: int
    ahead: int

    def start(self, at: int) -> int:
        """Start of the partition that holds a time, nanoseconds since the epoch."""
        if not self.monthly:
            return at // DAY_NS * DAY_NS
        date = _date(at)
        return _ns(date.replace(day=1))

    def end(self, start: int) -> int:
        """End of the partition that starts at `start`, exclusive."""
        if not self.monthly:
            return start + DAY_NS
        return _ns((_date(start) + timedelta(days=32)).replace(day=1))

    def suffix(self, start: int) -> str:
        return _date(start).strftime("%Y%m" if self.monthly else "%Y%m%d")


PLANS: Final = {
    "runs": Plan(monthly=True, back=5 * 366, ahead=62),
    "run_payloads": Plan(monthly=False, back=400, ahead=8),
    "metrics": Plan(monthly=True, back=5 * 366, ahead=62),
}


def _date(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1_000_000_000, UTC).replace(hour=0, minute=0, second=0)


def _ns(date: datetime) -> int:
    return round(date.timestamp()) * 1_000_000_000


@dataclass(slots=True)
class Partitions:
    """The partitions of one table, as far as this process knows."""

    low: int
    high: int
    starts: set[int] = field(default_factory=set)

    def missing(self, plan: Plan, times: Iterable[int]) -> set[int]:
        """Starts of the partitions that rows with these times need and that are not there."""
        days = {at // DAY_NS for at in times}
        needed = {plan.start(day * DAY_NS) for day in days}
        return {start for start in needed - self.starts if self.low <= start < self.high}


async def known(connection: Connection, schema: str) -> dict[str, Partitions]:
    """Partitions by table, as they are in the database. Tables without any are left out."""
    rows = await connection.fetch(
        "SELECT parent.relname AS table_name, child.relname, pg_get_expr(child.relpartbound, child.oid) AS bound "
        "FROM pg_inherits JOIN pg_class parent ON parent.oid = inhparent JOIN pg_class child ON child.oid = inhrelid "
        "WHERE parent.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND parent.relkind = 'p' "
        "AND parent.relname = ANY($2::text[])",
        schema,
        list(PLANS),
    )
    found: dict[str, Partitions] = {}
    for row in rows:
        partitions = found.setdefault(row["table_name"], Partitions(0, _LAST))
        low, high = _bounds(row["bound"])
        if low is None and high is not None:
            partitions.low = high
        elif low is not None and high is None:
            partitions.high = low
        elif low is not None:
            partitions.starts.add(low)
    return found


def _bounds(expression: str) -> tuple[int | None, int | None]:
    numbers = [None if "VALUE" in text else int(text) for text in re.findall(r"-?\d+|M..VALUE", expression)]
    return numbers[0], numbers[1]


async def create_first(connection: Connection, schema: str, now_ns: int) -> None:
    """The outer partitions and those of now, of tables that have none yet. Within the migration's lock."""
    there = await known(connection, schema)
    for table, plan in PLANS.items():
        if table in there:
            continue
        low = plan.start(max(0, now_ns - plan.back * DAY_NS))
        high = plan.end(plan.start(now_ns + plan.ahead * DAY_NS))
        name = identifier(schema)
        await connection.execute(
            f"CREATE TABLE {name}.{table}_old PARTITION OF {name}.{table} FOR VALUES FROM (MINVALUE) TO ({low})"
        )
        await connection.execute(
            f"CREATE TABLE {name}.{table}_future PARTITION OF {name}.{table} FOR VALUES FROM ({high}) TO (MAXVALUE)"
        )
        await create(connection, schema, table, _between(plan, plan.start(now_ns), high))


def _between(plan: Plan, start: int, end: int) -> list[int]:
    starts = []
    while start < end:
        starts.append(start)
        start = plan.end(start)
    return starts


async def lock(connection: Connection, schema: str) -> None:
    """Keep other processes from changing the tables until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('spanledger schema'), hashtext($1))", schema)


async def create(connection: Connection, schema: str, table: str, starts: Iterable[int]) -> None:
    """Make partitions that are not there, within a transaction that holds `lock`. Writers go on meanwhile: to attach a
    table takes a weaker lock than to create it as a partition."""
    plan, name = PLANS[table], identifier(schema)
    there = (await known(connection, schema))[table].starts if starts else set()
    for start in sorted(set(starts) - there):
        child = f"{name}.{table}_{plan.suffix(start)}"
        await connection.execute(f"CREATE TABLE {child} (LIKE {name}.{table} INCLUDING ALL)")
        await connection.execute(
            f"ALTER TABLE {name}.{table} ATTACH PARTITION {child} FOR VALUES FROM ({start}) TO ({plan.end(start)})"
        )


async def move_window(connection: Connection, schema: str, now_ns: int) -> None:
    """Make the partitions ahead of now, and take rows for them out of `_future`. Writers wait for its short
    transaction, which happens once a day."""
    for table, plan in PLANS.items():
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await lock(connection, schema)
            high = (await known(connection, schema))[table].high
            wanted = plan.end(plan.start(now_ns + plan.ahead * DAY_NS))
            if wanted <= high:
                continue
            name = identifier(schema)
            future = f"{name}.{table}_future"
            column = PARTITION_COLUMN[table]
            await connection.execute(f"ALTER TABLE {name}.{table} DETACH PARTITION {future}")
            await create(connection, schema, table, _between(plan, high, wanted))
            await connection.execute(
                f"WITH moved AS (DELETE FROM {future} WHERE {column} < {wanted} RETURNING *) "
                f"INSERT INTO {name}.{table} SELECT * FROM moved"
            )
            await connection.execute(
                f"ALTER TABLE {name}.{table} ATTACH PARTITION {future} FOR VALUES FROM ({wanted}) TO (MAXVALUE)"
            )


PARTITION_COLUMN: Final = {"runs": "started_at", "run_payloads": "started_at", "metrics": "at"}


def horizon(table: str, days: int, now_ns: int) -> int:
    """Start of the oldest partition that is kept; 0: all are."""
    return PLANS[table].start(max(0, now_ns - days * DAY_NS)) if days else 0


async def drop_before(connection: Connection, schema: str, table: str, bound: int) -> list[str]:
    """Drop the partitions that end at or before `bound`, and empty `_old` of what is before it. Returns their names."""
    plan, name, column = PLANS[table], identifier(schema), PARTITION_COLUMN[table]
    partitions = (await known(connection, schema))[table]
    gone = []
    for start in sorted(start for start in partitions.starts if plan.end(start) <= bound):
        child = f"{table}_{plan.suffix(start)}"
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await lock(connection, schema)
            await connection.execute(f"DROP TABLE IF EXISTS {name}.{child}")
        gone.append(child)
    await connection.execute(f"DELETE FROM {name}.{table}_old WHERE {column} < $1", bound)
    return gone
