"""Exporter `postgres`: records into a PostgreSQL server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

from spanledger.errors import StoreError, StoreUnavailable
from spanledger.exporters.base import WRITTEN, Deleted, Exporter, Rejection, WriteResult
from spanledger.exporters.postgres import deletions, erase, migrations, partitions
from spanledger.exporters.postgres.batch import Batch, place, prepare
from spanledger.exporters.postgres.columns import clean
from spanledger.exporters.postgres.connection import Connection, Pool
from spanledger.exporters.postgres.faults import DataRefused, PartitionMissing
from spanledger.exporters.postgres.maintenance import maintain, ttl_days
from spanledger.exporters.postgres.partitions import Partitions
from spanledger.exporters.postgres.settings import PostgresSettings
from spanledger.exporters.postgres.writer import write
from spanledger.exporters.retention import limits
from spanledger.exporters.schema import METRICS
from spanledger.model.records import Record

_METRIC_AT = place(METRICS, "at")


class PostgresExporter(Exporter):
    """Writes batches, each in a transaction, and keeps sums and partitions up to date beside that."""

    name = "postgres"

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        self.concurrency = settings.connections
        self._pool: Pool | None = None
        self._partitions: dict[str, Partitions] = {}
        self._maintenance: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect and migrate. Raises `StoreUnavailable`, `SchemaError` or another `StoreError`."""
        # One more than writers: what is done beside them must not wait for them.
        self._pool = pool = Pool(self.settings, size=self.settings.connections + 1, timeout=self.settings.timeout)
        try:
            await pool.open()
            async with pool.connection("migrate") as connection:
                if self.settings.auto_migrate:
                    await migrations.migrate(connection, pool)
                else:
                    await migrations.check(connection, pool)
                self._partitions = await partitions.known(connection, self.settings.schema_name)
        except BaseException:
            await self.close()
            raise
        self._maintenance = asyncio.create_task(maintain(pool), name="postgres-maintenance")

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """Write a batch; see `Exporter.write`. Keys and versions make it idempotent, so the token is not needed."""
        rejected: dict[int, Rejection] = {}
        try:
            await self._write(records, range(len(records)), rejected)
        except StoreError as error:
            return WriteResult(retry=str(error))
        if not rejected:
            return WRITTEN
        return WriteResult(rejected=[rejected[index] for index in sorted(rejected)])

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        """See `Exporter.deleted`."""
        if self._pool is None:
            raise StoreUnavailable("the exporter is not started")
        async with self._opened.connection("look for deletions") as connection:
            return await deletions.noted(connection, self.settings.schema_name, since_ns)

    async def erase(self, records: Sequence[Record], *, for_good: bool) -> None:
        """See `Exporter.erase`."""
        async with self._opened.connection("erase") as connection:
            await deletions.erase_records(connection, self.settings.schema_name, records, for_good=for_good)

    async def close(self) -> None:
        """Close the connections."""
        task, self._maintenance = self._maintenance, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _write(self, records: Sequence[Record], indexes: Sequence[int], rejected: dict[int, Rejection]) -> None:
        """Write all records at `indexes` but those that the store will never take. Raises `StoreError` for a reason to
        retry."""
        # Beside the event loop: contents are encoded here.
        batch, refused = await asyncio.to_thread(prepare, records, indexes)
        rejected.update((rejection.index, rejection) for rejection in refused)
        try:
            await self._send(batch)
        except DataRefused as error:
            if len(indexes) == 1:
                rejected[indexes[0]] = Rejection(indexes[0], str(error))
                return
            middle = len(indexes) // 2
            await self._write(records, indexes[:middle], rejected)
            await self._write(records, indexes[middle:], rejected)

    @property
    def _opened(self) -> Pool:
        if self._pool is None:
            raise RuntimeError("the exporter is not started")
        return self._pool

    async def _send(self, batch: Batch) -> None:
        self._leave_out_expired(batch)
        for attempt in (1, 2):
            try:
                async with self._opened.connection("write") as connection:
                    await self._make_partitions(connection, batch)
                    await write(connection, self.settings.schema_name, batch)
                return
            except PartitionMissing:
                # Dropped by another process whose retention is shorter.
                if attempt == 2:
                    raise
                async with self._opened.connection("look at partitions") as connection:
                    self._partitions = await partitions.known(connection, self.settings.schema_name)

    def _leave_out_expired(self, batch: Batch) -> None:
        """Take out what retention would drop at once: its partition may be gone."""
        now = time.time_ns()
        bounds = {table: partitions.horizon(table, ttl_days(self.settings, table), now) for table in partitions.PLANS}
        shorter = {
            clean(project_id): erase.whole_minute(before)
            for project_id, before, _ in limits(self.settings.retention, now)
            if before is not None
        }
        if bounds["runs"] or shorter:
            batch.runs = [
                run for run in batch.runs if run.started_at >= max(bounds["runs"], shorter.get(run.key[0], 0))
            ]
        for run in batch.runs:
            if run.payload is not None and run.payload_at < bounds["run_payloads"]:
                run.payload = None
        batch.others = [
            (table, [row for row in rows if row[_METRIC_AT] >= bounds["metrics"]] if table is METRICS else rows)
            for table, rows in batch.others
        ]

    async def _make_partitions(self, connection: Connection, batch: Batch) -> None:
        times = {
            "runs": [run.started_at for run in batch.runs],
            "run_payloads": [run.payload_at for run in batch.runs if run.payload is not None],
            "metrics": [row[_METRIC_AT] for table, rows in batch.others if table is METRICS for row in rows],
        }
        for table, plan in partitions.PLANS.items():
            missing = self._partitions[table].missing(plan, times[table])
            if missing:
                schema = self.settings.schema_name
                async with connection.transaction():
                    await partitions.lock(connection, schema)
                    await partitions.create(connection, schema, table, missing)
                self._partitions[table].starts |= missing
