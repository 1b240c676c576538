"""Exporter `clickhouse`: records into a ClickHouse server or the embedded engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spanledger.errors import StoreError, StoreUnavailable
from spanledger.exporters.base import WRITTEN, Deleted, Exporter, Rejection, WriteResult
from spanledger.exporters.clickhouse import deletions
from spanledger.exporters.clickhouse.batch import Insert, prepare
from spanledger.exporters.clickhouse.cluster import INSERT_SETTINGS
from spanledger.exporters.clickhouse.columns import insert_columns
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.faults import BatchTooLarge, DataRefused
from spanledger.exporters.clickhouse.migrations import migrate
from spanledger.exporters.clickhouse.otel import erase as otel_erase
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import identifier
from spanledger.exporters.clickhouse.thread import ConnectionThread
from spanledger.model.records import Record, Run


class ClickHouseExporter(Exporter):
    """Writes from one thread of its own."""

    name = "clickhouse"

    def __init__(self, settings: ClickHouseSettings) -> None:
        """Raises `StoreError` when the embedded engine is asked for and not installed."""
        self.settings = settings
        self._thread = ConnectionThread("clickhouse-writer", settings)

    async def start(self) -> None:
        """Connect and migrate. Raises `StoreUnavailable`, `SchemaError` or another `StoreError`."""
        await self._thread.start(self._open)

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """Write a batch; see `Exporter.write`."""
        return await self._thread.run(self._write, records, token)

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        """See `Exporter.deleted`."""
        if not self._thread.started:
            raise StoreUnavailable("the exporter is not started")
        return await self._thread.run(lambda: deletions.noted(self._thread.connection, self.settings, since_ns))

    async def erase(self, records: Sequence[Record], *, for_good: bool) -> None:
        """See `Exporter.erase`."""
        await self._thread.run(self._erase, records, for_good)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await self._thread.close()

    def _open(self) -> Connection:
        connection = Connection(self.settings, timeout=self.settings.timeout)
        try:
            connection.query("SELECT 1", settings=self._own_settings())  # an unknown one is told now, not at each write
            migrate(connection, self.settings)
        except BaseException:
            connection.close()
            raise
        return connection

    def _erase(self, records: Sequence[Record], for_good: bool) -> None:
        settings = self._insert_settings("")
        deletions.erase(self._thread.connection, self.settings, records, for_good=for_good, insert_settings=settings)
        runs = [record for record in records if isinstance(record, Run)]
        if self.settings.otel_tables and for_good and runs:
            otel_erase.erase_runs(self._thread.connection, self.settings, runs)

    def _write(self, records: Sequence[Record], token: str) -> WriteResult:
        inserts, unencodable = prepare(records, token)
        rejected = {rejection.index: rejection for rejection in unencodable}
        try:
            for insert in inserts:
                # A run whose payload was refused is refused as a whole.
                for rejection in self._insert(insert.without(rejected)):
                    rejected[rejection.index] = rejection
        except StoreError as error:
            return WriteResult(retry=str(error))
        if not rejected:
            return WRITTEN
        return WriteResult(rejected=[rejected[index] for index in sorted(rejected)])

    def _insert(self, insert: Insert) -> list[Rejection]:
        """Insert all rows but those that the store will never take. Raises `StoreError` for a reason to retry."""
        if not insert.indexes:
            return []
        try:
            self._send(insert)
        except (DataRefused, BatchTooLarge) as error:
            if len(insert) > 1:
                middle = len(insert) // 2
                return [
                    *self._insert(insert.rows(range(middle))),
                    *self._insert(insert.rows(range(middle, len(insert)))),
                ]
            if isinstance(error, DataRefused):
                return [Rejection(insert.indexes[0], str(error))]
            raise
        return []

    def _send(self, insert: Insert) -> None:
        names, types = insert_columns(insert.table)
        table = f"{identifier(self.settings.database)}.{identifier(insert.table.name)}"
        self._thread.connection.insert(table, names, types, insert.columns, self._insert_settings(insert.token))

    def _insert_settings(self, token: str) -> dict[str, Any]:
        settings = {"async_insert": 0} | self._own_settings()
        if str(settings["async_insert"]) != "0":
            # Off by default, and without them an insert answers before it is stored and repeats itself on retry.
            settings |= {"wait_for_async_insert": 1, "async_insert_deduplicate": 1}
        if self.settings.cluster is not None:
            settings |= INSERT_SETTINGS
        return settings | {
            "insert_deduplication_token": token,
            "max_execution_time": max(1, round(self.settings.timeout)),
            # The server answers after the last block, so that a late failure is in the status, not behind it.
            "wait_end_of_query": 1,
        }

    def _own_settings(self) -> dict[str, Any]:
        given = self.settings.statement_settings
        return {name: int(value) if isinstance(value, bool) else value for name, value in given.items()}
