"""A ClickHouse ledger as a whole: migrations, deletion, retention of single projects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from spanledger.exporters.clickhouse import erase
from spanledger.exporters.clickhouse.cluster import INSERT_SETTINGS
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.migrations import migrate, pending, statements
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import Tables
from spanledger.exporters.migrations import Migration
from spanledger.exporters.retention import limits
from spanledger.exporters.store import Deletion, PendingMigration

_T = TypeVar("_T")

_MUTATION_SECONDS = 3600.0
"""How long one statement may take: a mutation rewrites parts."""


class ClickHouseAdmin:
    """A `spanledger.exporters.store.StoreAdmin`, with a thread and a connection of its own."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.settings = settings
        parts = urlsplit(settings.endpoint)
        address = settings.endpoint if parts.scheme == "chdb" else f"{parts.scheme}://{parts.netloc}"
        self.where = f"database {settings.database} at {address}"
        self._tables = Tables.of(settings)
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Connection | None = None

    async def start(self) -> None:
        """See `StoreAdmin.start`."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clickhouse-admin")
        try:
            self._connection = await self._run(Connection, self.settings, timeout=_MUTATION_SECONDS)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """See `StoreAdmin.close`."""
        thread, self._thread = self._thread, None
        connection, self._connection = self._connection, None
        if thread is None:
            return
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(thread, connection.close)
        thread.shutdown(wait=False)

    async def pending(self) -> list[PendingMigration]:
        """See `StoreAdmin.pending`."""
        todo = await self._run(pending, self._open, self.settings)
        return [PendingMigration(migration, tuple(statements(migration, self.settings))) for migration in todo]

    async def migrate(self) -> list[Migration]:
        """See `StoreAdmin.migrate`."""
        return await self._run(migrate, self._open, self.settings.model_copy(update={"auto_migrate": True}))

    async def delete(self, what: Deletion) -> int:
        """See `StoreAdmin.delete`."""
        if what.run_id is not None and not _is_uuid(what.run_id):
            return 0
        return await self._run(self._delete, what)

    async def expire(self, now_ns: int) -> int:
        """See `StoreAdmin.expire`."""
        return await self._run(self._expire, now_ns)

    def _delete(self, what: Deletion) -> int:
        ((runs,),) = self._open.query(f"SELECT count() FROM ({erase.targets(self._tables, what)})")
        if what.run_id is not None or what.user_id is not None:
            self._commands(erase.tombstones(self._tables, what))
        self._commands(list(erase.deletions(self._tables, what)))
        return int(runs)

    def _expire(self, now_ns: int) -> int:
        gone = 0
        for project_id, runs, payloads in limits(self.settings.retention, now_ns):
            for table, condition, mutation in erase.expirations(self._tables, project_id, runs, payloads):
                ((rows,),) = self._open.query(f"SELECT count() FROM {table} WHERE {condition}")
                if rows:
                    self._commands([mutation])
                    gone += rows
        return gone

    def _commands(self, commands: Sequence[str]) -> None:
        settings = erase.MUTATION | (INSERT_SETTINGS if self.settings.cluster is not None else {})
        for command in commands:
            self._open.command(command, settings)

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the store is not started")
        return self._connection

    async def _run(self, work: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
        if self._thread is None:
            raise RuntimeError("the store is not started")
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*arguments, **named))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
