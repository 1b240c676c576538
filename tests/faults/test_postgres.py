"""The same promises with PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.conftest import NewSystem
from tests.faults.postgres import PostgresDatabase
from tests.faults.proxy import proxied
from tests.stores.postgres import Server, postgres

__all__ = ["postgres"]


@pytest.fixture
async def database(postgres: Server) -> AsyncIterator[PostgresDatabase]:
    name = await postgres.create_database()
    yield PostgresDatabase(postgres, name)
    await postgres.drop_database(name)


async def test_kill_9_at_random_moments(new_system: NewSystem, database: PostgresDatabase) -> None:
    system = new_system({"postgres/store": database.exporter()})
    async with system.senders.running():
        for _ in range(3):
            await system.start()
            await system.ledger.grown(30)
            await system.kill()
        await system.start()
        await system.ledger.grown(5)
    await system.stored_once(database)
    system.close()


async def test_the_store_crashes_and_comes_back(new_system: NewSystem, database: PostgresDatabase) -> None:
    system = new_system({"postgres/store": database.exporter()})
    await system.start()
    async with system.senders.running():
        for _ in range(2):
            await system.ledger.grown(30)
            await asyncio.to_thread(database.server.stop)
            await system.ledger.grown(30)
            await asyncio.to_thread(database.server.start)
    await system.stored_once(database)
    system.close()


async def test_a_write_is_applied_and_its_answer_lost(new_system: NewSystem, database: PostgresDatabase) -> None:
    async with proxied(database.server.port) as proxy:
        proxy.marker = b"COMMIT"
        system = new_system({"postgres/store": database.exporter(proxy.port)})
        await system.start()
        async with system.senders.running():
            await system.ledger.grown(10)
            proxy.lose_answers = 3
            while proxy.lost < 3:
                await asyncio.sleep(0.05)
            await system.ledger.grown(10)
        await system.stored_once(database)
        system.close()
