"""The same ledger in each store, for the tests that every store must pass."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from spanledger.exporters.base import Exporter, WriteResult
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.postgres.exporter import PostgresExporter
from spanledger.exporters.postgres.reader import PostgresStore
from spanledger.exporters.store import RunFilter, RunJson, RunStore
from spanledger.model.records import Record
from tests.exporters.ledger import make_settings
from tests.exporters.records import PROJECT
from tests.stores.postgres import make_postgres_settings

STORES = ("clickhouse", "postgres")
_tokens = itertools.count(1)


@dataclass
class StoreLedger:
    """Exporter and reader on one database of one store."""

    kind: str
    settings: Any
    exporter: Exporter
    store: RunStore

    async def write(self, *records: Record, token: str | None = None) -> WriteResult:
        return await self.exporter.write(records, token or f"batch {next(_tokens)}")

    async def listed(self, **filters: Any) -> list[RunJson]:
        """Summaries of all runs that match, newest first."""
        page = await self.store.list_runs(RunFilter(PROJECT, **filters), limit=500)
        assert page.next is None
        return page.runs

    async def start(self) -> None:
        await self.exporter.start()
        await self.store.start()

    async def close(self) -> None:
        await self.store.close()
        await self.exporter.close()


def open_ledger(kind: str, settings: Any) -> StoreLedger:
    """A ledger that is not started yet."""
    if kind == "clickhouse":
        return StoreLedger(kind, settings, ClickHouseExporter(settings), ClickHouseStore(settings))
    return StoreLedger(kind, settings, PostgresExporter(settings), PostgresStore(settings))


async def make_store_settings(kind: str, request: pytest.FixtureRequest, **changes: Any) -> Any:
    """Settings of a database of one's own; only the server of this kind is started."""
    if kind == "clickhouse":
        return make_settings(request.getfixturevalue("engine"), **changes)
    return await make_postgres_settings(request.getfixturevalue("postgres"), **changes)


@pytest.fixture(params=STORES)
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def stored(store_kind: str, request: pytest.FixtureRequest) -> AsyncIterator[StoreLedger]:
    """A ledger in each store."""
    ledger = open_ledger(store_kind, await make_store_settings(store_kind, request))
    await ledger.start()
    yield ledger
    await ledger.close()
    if store_kind == "postgres":
        await request.getfixturevalue("postgres").drop_database(ledger.settings.database)


@pytest.fixture
async def both(settings: Any, postgres_settings: Any) -> AsyncIterator[tuple[StoreLedger, StoreLedger]]:
    """A ledger in ClickHouse and one in Postgres."""
    ledgers = open_ledger("clickhouse", settings), open_ledger("postgres", postgres_settings)
    for ledger in ledgers:
        await ledger.start()
    yield ledgers
    for ledger in ledgers:
        await ledger.close()
