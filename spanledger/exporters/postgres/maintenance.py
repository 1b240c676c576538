"""What a store needs beside writes: usage summed up, partitions made ahead, retention. Beside the writer, at intervals;
a failure is logged, and the next round tries again."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from spanledger.errors import StoreError
from spanledger.exporters.postgres import deletions, erase, partitions
from spanledger.exporters.postgres.connection import Connection, Pool, identifier
from spanledger.exporters.postgres.ddl import RUN_KEYS, USAGE_DIRTY, USAGE_MINUTES
from spanledger.exporters.postgres.hours import HOUR_NS, HOURS, STALE, roll_up
from spanledger.exporters.postgres.settings import PostgresSettings
from spanledger.exporters.postgres.usage import sum_up

_log = logging.getLogger("spanledger.exporters.postgres")

_HOUR: Final = 3600.0
_HOURS_AGAIN: Final = 300.0
"""Seconds. An hour to which rows trickle late is summed up whole each time."""


async def maintain(pool: Pool) -> None:
    """Work until cancelled."""
    settings = pool.settings
    hours_at = partitions_at = 0.0
    while True:
        try:
            async with pool.connection("sum up usage") as connection:
                while await sum_up(connection, settings.schema_name):
                    pass
            if time.monotonic() >= hours_at:
                async with pool.connection("sum up hours") as connection:
                    while await roll_up(connection, settings.schema_name, time.time_ns()):
                        pass
                hours_at = time.monotonic() + _HOURS_AGAIN
            if time.monotonic() >= partitions_at:
                async with pool.connection("make and drop partitions") as connection:
                    await turn_over(connection, settings, time.time_ns())
                    await erase.expire(connection, settings, time.time_ns())
                partitions_at = time.monotonic() + _HOUR
        except StoreError as error:
            _log.warning("%s", error)
        await asyncio.sleep(settings.maintenance_interval)


async def turn_over(connection: Connection, settings: PostgresSettings, now_ns: int) -> None:
    """Make partitions ahead of a time, and drop what has passed its retention at that time."""
    schema, name = settings.schema_name, identifier(settings.schema_name)
    await partitions.move_window(connection, schema, now_ns)
    for table in partitions.PLANS:
        bound = partitions.horizon(table, ttl_days(settings, table), now_ns)
        if bound:
            await partitions.drop_before(connection, schema, table, bound)
    await deletions.forget(connection, schema, now_ns)
    if settings.runs_ttl_days:
        bound = partitions.horizon("runs", settings.runs_ttl_days, now_ns)
        seconds = bound // 1_000_000_000
        await connection.execute(f"DELETE FROM {name}.{RUN_KEYS} WHERE started_at < $1", bound)
        # Sums by minute are what sums by day are computed from, so they go when runs do; sums by day stay.
        await connection.execute(f"DELETE FROM {name}.{USAGE_DIRTY} WHERE minute < $1", seconds // 60)
        for table in (HOURS, STALE):
            await connection.execute(f"DELETE FROM {name}.{table} WHERE hour < $1", bound // HOUR_NS)
        await connection.execute(f"DELETE FROM {name}.{USAGE_MINUTES} WHERE minute < to_timestamp($1)", seconds)
        for table in ("scores", "threads"):
            await connection.execute(
                f"DELETE FROM {name}.{table} WHERE ingested_at < to_timestamp($1)",
                now_ns / 1e9 - settings.runs_ttl_days * 86_400,
            )


def ttl_days(settings: PostgresSettings, table: str) -> int:
    """Days that a partitioned table keeps its rows."""
    return settings.payloads_ttl_days if table == "run_payloads" else settings.runs_ttl_days
