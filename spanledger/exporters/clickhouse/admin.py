"""A ClickHouse ledger as a whole: migrations, deletion, retention of single projects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from spanledger.errors import StoreUnavailable
from spanledger.exporters.clickhouse import deletions, erase, keys
from spanledger.exporters.clickhouse.cluster import INSERT_SETTINGS
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.lock import migrating
from spanledger.exporters.clickhouse.migrations import migrate, pending, revision, statements
from spanledger.exporters.clickhouse.otel import erase as otel_erase
from spanledger.exporters.clickhouse.otel import schema as otel_schema
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import Tables
from spanledger.exporters.clickhouse.thread import ConnectionThread
from spanledger.exporters.keys import StoredKey
from spanledger.exporters.migrations import Migration
from spanledger.exporters.retention import limits
from spanledger.exporters.store import Deletion, PendingMigration

_T = TypeVar("_T")

_OTEL_TABLES = Migration(0, "tables of the Collector's exporter", ())
"""Not numbered: their names are settings, and others may write to them."""
_MUTATION_SECONDS = 3600.0
"""How long one statement may take: a mutation rewrites parts."""


class ClickHouseAdmin:
    """A `spanledger.exporters.store.StoreAdmin`, with a thread and a connection of its own."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.settings = settings
        self.where = f"database {settings.database} at {settings.address}"
        self._tables = Tables.of(settings)
        self._thread: ConnectionThread | None = None

    async def start(self) -> None:
        """See `StoreAdmin.start`."""
        self._thread = ConnectionThread("clickhouse-admin", self.settings)
        await self._thread.start(lambda: Connection(self.settings, timeout=_MUTATION_SECONDS))

    async def close(self) -> None:
        """See `StoreAdmin.close`."""
        if self._thread is not None:
            await self._thread.close()

    async def pending(self) -> list[PendingMigration]:
        """See `StoreAdmin.pending`."""
        todo = await self._run(pending, self._open, self.settings)
        found = [PendingMigration(migration, tuple(statements(migration, self.settings))) for migration in todo]
        if missing := await self._run(self._missing_otel_tables):
            found.append(PendingMigration(_OTEL_TABLES, tuple(missing)))
        return found

    async def migrate(self) -> list[Migration]:
        """See `StoreAdmin.migrate`."""
        done = await self._run(migrate, self._open, self.settings.model_copy(update={"auto_migrate": True}))
        if await self._run(self._missing_otel_tables):
            await self._run(otel_schema.create, self._open, self.settings)
            done.append(_OTEL_TABLES)
        return done

    async def keys(self) -> list[StoredKey]:
        """See `StoreAdmin.keys`."""
        return await self._run(keys.read, self._open, self.settings)

    async def save_key(self, key: StoredKey) -> None:
        """See `StoreAdmin.save_key`."""
        await self._run(keys.save, self._open, self.settings, key)

    async def delete(self, what: Deletion) -> int:
        """See `StoreAdmin.delete`."""
        if what.run_id is not None and not _is_uuid(what.run_id):
            return 0
        return await self._run(self._delete, what)

    async def expire(self, now_ns: int) -> int:
        """See `StoreAdmin.expire`."""
        return await self._run(self._expire, now_ns)

    def _missing_otel_tables(self) -> list[str]:
        return otel_schema.pending(self._open, self.settings) if self.settings.otel_tables else []

    def _delete(self, what: Deletion) -> int:
        before = self._settled_revision()
        deletions.note(self._open, self.settings, what)
        ((runs,),) = self._open.query(f"SELECT count() FROM ({erase.targets(self._tables, what)})")
        if what.run_id is not None or what.user_id is not None:
            self._commands(erase.tombstones(self._tables, what))
        if self.settings.otel_tables:
            self._commands(list(otel_erase.deletions(self.settings, what)))
        self._commands(list(erase.deletions(self._tables, what)))
        if self._settled_revision() != before:
            raise StoreUnavailable(f"{self.where} was migrated meanwhile: delete once more, for a copy may hold it")
        return int(runs)

    def _settled_revision(self) -> int:
        """Revision of the schema. Raises `StoreUnavailable` while a process migrates: what is deleted from a table
        that is being copied would be there again with the copy."""
        if holder := migrating(self._open, self.settings):
            raise StoreUnavailable(f"{self.where} is being migrated by {holder}: delete afterwards")
        return revision(self._open, self.settings)

    def _expire(self, now_ns: int) -> int:
        gone = 0
        for project_id, runs, payloads in limits(self.settings.retention, now_ns):
            expirations = list(erase.expirations(self._tables, project_id, runs, payloads))
            bounds = [bound for bound in (runs, payloads) if bound is not None]
            if self.settings.otel_tables and bounds:  # their rows are contents, too
                expirations += otel_erase.expirations(self.settings, project_id, max(bounds))
            for table, condition, mutation in expirations:
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
        return self._started.connection

    @property
    def _started(self) -> ConnectionThread:
        if self._thread is None:
            raise RuntimeError("the store is not started")
        return self._thread

    async def _run(self, work: Callable[..., _T], *arguments: Any) -> _T:
        return await self._started.run(work, *arguments)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
