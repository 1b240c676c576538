"""A Postgres ledger as a whole: migrations, deletion, retention of single projects."""

from __future__ import annotations

from typing import Final

from spanledger.exporters.keys import StoredKey
from spanledger.exporters.migrations import Migration
from spanledger.exporters.postgres import deletions, erase, keys, migrations
from spanledger.exporters.postgres.columns import clean
from spanledger.exporters.postgres.connection import Pool
from spanledger.exporters.postgres.settings import PostgresSettings
from spanledger.exporters.postgres.usage import sum_up
from spanledger.exporters.store import Deletion, PendingMigration
from spanledger.exporters.values import is_uuid

_SECONDS: Final = 3600.0
"""How long one statement may take: a project can be large."""


class PostgresAdmin:
    """A `spanledger.exporters.store.StoreAdmin`, with a connection of its own."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        self._pool = Pool(settings, size=1, timeout=_SECONDS)
        self.where = self._pool.where

    async def start(self) -> None:
        """See `StoreAdmin.start`."""
        await self._pool.open()

    async def close(self) -> None:
        """See `StoreAdmin.close`."""
        await self._pool.close()

    async def pending(self) -> list[PendingMigration]:
        """See `StoreAdmin.pending`."""
        async with self._pool.connection("look for migrations") as connection:
            todo = await migrations.pending(connection, self._pool)
        schema = self.settings.schema_name
        return [
            PendingMigration(migration, tuple(migrations.fill(line, schema) for line in migration.statements))
            for migration in todo
        ]

    async def migrate(self) -> list[Migration]:
        """See `StoreAdmin.migrate`."""
        async with self._pool.connection("migrate") as connection:
            return await migrations.migrate(connection, self._pool)

    async def keys(self) -> list[StoredKey]:
        """See `StoreAdmin.keys`."""
        async with self._pool.connection("read keys") as connection:
            return await keys.read(connection, self.settings.schema_name)

    async def save_key(self, key: StoredKey) -> None:
        """See `StoreAdmin.save_key`."""
        async with self._pool.connection("store a key") as connection:
            await keys.save(connection, self.settings.schema_name, key)

    async def delete(self, what: Deletion) -> int:
        """See `StoreAdmin.delete`."""
        schema, project_id = self.settings.schema_name, clean(what.project_id)
        if what.run_id is not None and not is_uuid(what.run_id):
            return 0
        async with self._pool.connection("delete") as connection:
            await deletions.note(connection, schema, what)
            if what.run_id is not None:
                return await erase.delete_run(connection, schema, project_id, what.run_id)
            if what.user_id is not None:
                return await erase.delete_user(connection, schema, project_id, clean(what.user_id))
            return await erase.delete_project(connection, schema, project_id)

    async def expire(self, now_ns: int) -> int:
        """See `StoreAdmin.expire`."""
        async with self._pool.connection("expire") as connection:
            # Before the runs go from which they are computed.
            while await sum_up(connection, self.settings.schema_name):
                pass
            return await erase.expire(connection, self.settings, now_ns)
