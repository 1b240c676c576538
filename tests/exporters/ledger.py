"""A ledger in the embedded engine, for every test that needs a real store."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from spanledger.exporters.base import WriteResult
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.model.records import Record

_databases = itertools.count(1)
_tokens = itertools.count(1)


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Connection]]:
    """One embedded engine that stays open: a process can hold one folder only."""
    endpoint = f"chdb://{tmp_path_factory.mktemp('engine')}"
    connection = Connection(ClickHouseSettings(endpoint=endpoint), timeout=30)
    yield endpoint, connection
    connection.close()


@pytest.fixture
def engine(shared_engine: tuple[str, Connection]) -> Iterator[str]:
    """Endpoint of an engine that all tests share, each with databases of its own. They are dropped in the end: one
    takes some 8 MB of what the engine may take, and after some hundred there would be no room."""
    endpoint, connection = shared_engine
    yield endpoint
    for (database,) in connection.query("SELECT name FROM system.databases WHERE startsWith(name, 'test_')"):
        connection.command(f"DROP DATABASE {database} SYNC")


@pytest.fixture
def settings(engine: str) -> ClickHouseSettings:
    """A database of one's own that keeps everything: recorded times are old."""
    return make_settings(engine)


def make_settings(endpoint: str, **changes: Any) -> ClickHouseSettings:
    facts = {"database": f"test_{next(_databases)}", "runs_ttl_days": 0, "payloads_ttl_days": 0, **changes}
    return ClickHouseSettings(endpoint=endpoint, **facts)


@dataclass
class Ledger:
    """Exporter and reader on one database."""

    exporter: ClickHouseExporter
    store: ClickHouseStore

    async def write(self, *records: Record, token: str | None = None) -> WriteResult:
        return await self.exporter.write(records, token or f"batch {next(_tokens)}")

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement in which `{db}` is the database."""
        return await asyncio.to_thread(self._statement, sql, Connection.query)

    async def command(self, sql: str) -> None:
        """Run a statement in which `{db}` is the database."""
        await asyncio.to_thread(self._statement, sql, Connection.command)

    def _statement(self, sql: str, run: Callable[[Connection, str], Any]) -> Any:
        with opened(self.exporter.settings) as connection:
            return run(connection, sql.replace("{db}", self.exporter.settings.database))


@contextlib.contextmanager
def opened(settings: ClickHouseSettings) -> Iterator[Connection]:
    """A connection for a test's own statements."""
    connection = Connection(settings, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture
async def ledger(settings: ClickHouseSettings) -> AsyncIterator[Ledger]:
    exporter, store = ClickHouseExporter(settings), ClickHouseStore(settings)
    await exporter.start()
    await store.start()
    yield Ledger(exporter, store)
    await store.close()
    await exporter.close()
