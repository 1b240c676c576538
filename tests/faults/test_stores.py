"""Stores that are away, slow, restarted, or break off. Network faults come from a proxy."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.faults.conftest import NewSystem
from tests.faults.proxy import proxied
from tests.faults.store import Database
from tests.faults.system import System, clickhouse

FAST_TIMEOUT = {"timeout": "1s"}


async def state_of(system: System, exporter: str = "store") -> dict[str, Any]:
    told: dict[str, Any] = (await system.status())["pipeline"]["exporters"][f"clickhouse/{exporter}"]
    return told


async def test_the_store_is_down_at_the_start(new_system: NewSystem, database: Database) -> None:
    database.store.kill()
    system = new_system({"store": clickhouse(database)})
    await system.start()
    async with system.senders.running():
        await system.ledger.grown(30)
        database.store.start()
        await system.ledger.grown(30)
    await system.stored_once(database)


async def test_the_store_is_killed_in_mid_insert(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    await system.start()
    async with system.senders.running():
        for _ in range(3):
            await system.ledger.grown(30)
            database.store.kill()
            await system.ledger.grown(30)
            database.store.start()
            while (await state_of(system))["state"] != "running":
                await asyncio.sleep(0.05)
    await system.stored_once(database)


async def test_an_insert_is_applied_and_its_answer_lost(new_system: NewSystem, database: Database) -> None:
    async with proxied(database.store.port) as proxy:
        system = new_system({"store": clickhouse(database, proxy.port)})
        await system.start()
        async with system.senders.running():
            for _ in range(3):
                lost = proxy.lost
                proxy.lose_answers = 2
                while proxy.lost < lost + 2:
                    await asyncio.sleep(0.05)
                await system.ledger.grown(10)
        await system.stored_once(database)
        assert proxy.lost == 6
        # Not one for each: the driver itself repeats a request once whose connection was reset.
        assert (await state_of(system))["retries"] >= 1


async def test_a_slow_store_holds_up_no_sender(new_system: NewSystem, database: Database) -> None:
    async with proxied(database.store.port) as proxy:
        system = new_system({"store": clickhouse(database, proxy.port, timeout="10s")})
        await system.start()
        proxy.delay = 0.5
        async with system.senders.running():
            await system.ledger.grown(60)
            assert system.ledger.refused == 0
        proxy.delay = 0.0
        await system.stored_once(database)


async def test_a_connection_to_the_store_is_half_open(new_system: NewSystem, database: Database) -> None:
    async with proxied(database.store.port) as proxy:
        system = new_system({"store": clickhouse(database, proxy.port, **FAST_TIMEOUT)})
        await system.start()
        async with system.senders.running():
            while (await state_of(system))["written"] == 0:
                await asyncio.sleep(0.05)
            proxy.hold()
            await proxy.swallowed.wait()
            while (await state_of(system))["state"] != "retrying":
                await asyncio.sleep(0.05)
            await system.ledger.grown(20)
            proxy.flow()
            await system.ledger.grown(10)
        await system.stored_once(database)


async def test_one_of_two_exporters_is_dead(new_system: NewSystem, database: Database) -> None:
    other = database.store.database()
    async with proxied(database.store.port) as proxy:
        system = new_system({"store": clickhouse(database), "dead": clickhouse(other, proxy.port)})
        await system.start()
        await proxy.stop()
        async with system.senders.running():
            await system.ledger.grown(40)
        await system.stored_once(database)
        dead = await state_of(system, "dead")
        assert dead["lag"] > 0
        await proxy.start()
        await system.stored_once(database, other)


async def test_the_process_is_killed_while_the_store_is_down(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    database.store.kill()
    async with system.senders.running():
        for _ in range(2):
            await system.start()
            await system.ledger.grown(20)
            await system.kill()
        await system.start()
        await system.ledger.grown(5)
    database.store.start()
    await system.stored_once(database)
