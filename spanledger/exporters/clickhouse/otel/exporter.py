"""Exporter of spans, log records or metrics as they came, beside the runs of the same `clickhouse` exporter."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from spanledger.errors import PayloadError, StoreError
from spanledger.exporters.base import WRITTEN, Deleted, Rejection, WriteResult
from spanledger.exporters.clickhouse import deletions
from spanledger.exporters.clickhouse.cluster import INSERT_SETTINGS
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.faults import BatchTooLarge, DataRefused
from spanledger.exporters.clickhouse.otel import erase, schema
from spanledger.exporters.clickhouse.otel.rows import Row, rows
from spanledger.exporters.clickhouse.otel.tables import BY_SIGNAL, RawTable, table_name
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import identifier
from spanledger.exporters.clickhouse.thread import ConnectionThread
from spanledger.exporters.raw import RawExporter
from spanledger.model.received import Signal, Telemetry

Parse: TypeAlias = Callable[[Signal, bytes], Any]
"""The message of a protobuf body. Raises `PayloadError`."""

_QUARTER_HOUR_NS: Final = 900 * 1_000_000_000
"""Days of every time zone begin at a multiple of it."""


@dataclass(slots=True)
class _Insert:
    """Rows of one partition of one table, and what each came in."""

    table: RawTable
    rows: list[Row]
    requests: list[str]
    projects: list[str]

    def of(self, requests: set[str]) -> _Insert:
        """The rows of some of the requests."""
        kept = [place for place, request in enumerate(self.requests) if request in requests]
        return _Insert(
            self.table,
            [self.rows[place] for place in kept],
            [self.requests[place] for place in kept],
            [self.projects[place] for place in kept],
        )

    @property
    def token(self) -> str:
        """Names the rows."""
        digest = hashlib.sha256("\0".join((self.table.kind, *self.requests)).encode())
        return f"otel-{self.table.kind}-{digest.hexdigest()}"


class OtelTablesExporter(RawExporter):
    """Writes from one thread of its own. Before an insert it looks which of the requests have rows in the partition:
    they are not written again."""

    name = "clickhouse"

    def __init__(self, settings: ClickHouseSettings, parse: Parse, signal: Signal) -> None:
        """Raises `StoreError` when the embedded engine is asked for and not installed."""
        self.settings = settings
        self._parse = parse
        self._signal = signal
        self._thread = ConnectionThread(f"clickhouse-{signal}", settings)
        self._has: dict[str, list[bool]] = {}
        self._zone: tzinfo = ZoneInfo("UTC")

    async def start(self) -> None:
        """Connect, make the tables. Raises `StoreUnavailable`, `SchemaError` or another `StoreError`."""
        await self._thread.start(self._open)

    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        """Write the rows of requests; see `RawExporter.write`. Requests that are there already are left out."""
        return await self._thread.run(self._write, batch)

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        """See `RawExporter.deleted`."""
        return await self._thread.run(lambda: deletions.noted(self._thread.connection, self.settings, since_ns))

    async def erase(self, batch: Sequence[Telemetry], *, for_good: bool) -> None:
        """See `RawExporter.erase`."""
        await self._thread.run(self._erase, batch, for_good)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await self._thread.close()

    def _open(self) -> Connection:
        settings = self.settings
        connection = Connection(settings, timeout=settings.timeout)
        try:
            if settings.auto_migrate:
                schema.create(connection, settings)
            self._has = schema.check(connection, settings, BY_SIGNAL[self._signal])
            ((zone,),) = connection.query("SELECT timezone()")
            self._zone = ZoneInfo(zone)
        except BaseException:
            connection.close()
            raise
        return connection

    def _write(self, batch: Sequence[Telemetry]) -> WriteResult:
        found: dict[str, tuple[Telemetry, Any]] = {}
        rejected: list[Rejection] = []
        for index, one in enumerate(batch):
            request = request_id(one)
            if request in found:
                continue
            try:
                found[request] = one, self._parse(one.signal, one.body)
            except PayloadError as error:
                rejected.append(Rejection(index, str(error)))
        try:
            for insert in self._inserts(found):
                self._insert(insert)
        except DataRefused as error:
            return WriteResult(refused=str(error))
        except StoreError as error:
            return WriteResult(retry=str(error))
        return WriteResult(rejected=rejected) if rejected else WRITTEN

    def _erase(self, batch: Sequence[Telemetry], for_good: bool) -> None:
        if for_good:
            erase.erase_deleted(self._thread.connection, self.settings, {one.project_id for one in batch})
        else:
            requests = list(map(request_id, batch))
            erase.erase_requests(self._thread.connection, self.settings, BY_SIGNAL[self._signal], requests)

    def _inserts(self, found: dict[str, tuple[Telemetry, Any]]) -> list[_Insert]:
        """By table and day, as the tables are parted: ClickHouse takes rows of one partition whole or not at all."""
        inserts: dict[tuple[str, object], _Insert] = {}
        for request, (telemetry, message) in found.items():
            for table, kept in rows(self._signal, message).items():
                place = next(at for at, column in enumerate(table.columns) if column.name == table.time)
                for row in kept:
                    key = table.kind, _day(row[place] // _QUARTER_HOUR_NS, self._zone)
                    insert = inserts.get(key)
                    if insert is None:
                        insert = inserts[key] = _Insert(table, [], [], [])
                    insert.rows.append(row)
                    insert.requests.append(request)
                    insert.projects.append(telemetry.project_id)
        return list(inserts.values())

    def _insert(self, insert: _Insert) -> None:
        """Raises `StoreError`."""
        there = self._requests_in(insert)
        if there:
            insert = insert.of(set(insert.requests) - there)
        if not insert.rows:
            return
        try:
            self._send(insert)
        except BatchTooLarge:
            requests = list(dict.fromkeys(insert.requests))
            if len(requests) == 1:
                raise
            middle = len(requests) // 2
            for part in (requests[:middle], requests[middle:]):
                self._insert(insert.of(set(part)))

    def _requests_in(self, insert: _Insert) -> set[str]:
        """Those whose rows stand in the partition."""
        table = insert.table
        place = next(at for at, column in enumerate(table.columns) if column.name == table.time)
        times = [row[place] for row in insert.rows]
        time = identifier(table.time)
        found = self._thread.connection.query(
            f"SELECT DISTINCT toString(SpanledgerRequest) FROM {self._named(table)} "
            "WHERE SpanledgerRequest IN {requests:Array(UUID)} "
            f"AND {time} >= fromUnixTimestamp64Nano(toInt64({min(times)})) "
            f"AND {time} <= fromUnixTimestamp64Nano(toInt64({max(times)}))",
            {"requests": list(dict.fromkeys(insert.requests))},
        )
        return {request for (request,) in found}

    def _send(self, insert: _Insert) -> None:
        table = insert.table
        columns = [*map(list, zip(*insert.rows, strict=True)), insert.projects, insert.requests]
        chosen = [
            (column, values)
            for column, values, is_there in zip(table.sent, columns, self._has[table.kind], strict=True)
            if is_there
        ]
        self._thread.connection.insert(
            self._named(table),
            [column.name for column, _ in chosen],
            [column.sent for column, _ in chosen],
            [values for _, values in chosen],
            self._settings_of_insert(insert.token),
        )

    def _settings_of_insert(self, token: str) -> dict[str, Any]:
        given = self.settings.statement_settings
        own = {name: int(value) if isinstance(value, bool) else value for name, value in given.items()}
        return {
            **own,
            **(INSERT_SETTINGS if self.settings.cluster is not None else {}),
            "async_insert": 0,
            "insert_deduplication_token": token,
            # The table of when a trace was is written by a view.
            "deduplicate_blocks_in_dependent_materialized_views": 1,
            "max_execution_time": max(1, round(self.settings.timeout)),
            "wait_end_of_query": 1,
        }

    def _named(self, table: RawTable) -> str:
        return f"{identifier(self.settings.raw_database)}.{identifier(table_name(table, self.settings))}"


def request_id(telemetry: Telemetry) -> str:
    """A UUID that follows from a request: what is sent twice has one id."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (telemetry.project_id.encode("utf-8", "surrogatepass"), telemetry.signal.encode(), telemetry.body):
        digest.update(len(part).to_bytes(8, "little") + part)
    return str(UUID(bytes=digest.digest()))


@lru_cache(maxsize=4096)
def _day(quarter_hour: int, zone: tzinfo) -> object:
    try:
        return datetime.fromtimestamp(quarter_hour * 900, zone).date()
    except (OverflowError, ValueError, OSError):
        return quarter_hour // 96
