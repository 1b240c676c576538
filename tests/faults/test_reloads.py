"""Configurations that change while everything is under way."""

from __future__ import annotations

import asyncio
import json
import random

from tests.faults.conftest import NewSystem
from tests.faults.store import Database
from tests.faults.system import FULL, clickhouse

ROUNDS = 30 if FULL else 3


async def test_configurations_change_while_the_store_is_down(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    patient = system.text.replace('"timeout": "2s"', '"timeout": "3s"')
    async with system.senders.running():
        await system.start()
        await system.ledger.grown(20)
        database.store.kill()
        await system.ledger.grown(20)
        await system.reload(patient)
        await system.ledger.grown(20)
        database.store.start()
        await system.reload(system.text)
        await system.ledger.grown(20)
    await system.stored_once(database)


async def test_receivers_are_replaced_under_load(new_system: NewSystem, database: Database) -> None:
    """Their ports stay; what changes is a limit, so that each is stopped and its successor listens."""
    system = new_system({"store": clickhouse(database)})
    grpc, http = f'"127.0.0.1:{system.grpc}"', f'"127.0.0.1:{system.http}"'
    async with system.senders.running():
        await system.start()
        for number in range(ROUNDS):
            text = system.text.replace(grpc, f"{grpc}, max_recv_msg_size_mib: {number + 10}")
            await system.ledger.grown(20)
            await system.reload(text)
            await system.ledger.grown(20)
            await system.reload(text.replace(http, f"{http}, max_request_body_size: {(number + 10) << 20}"))
        await system.ledger.grown(20)
    await system.stored_once(database)


async def test_an_exporter_joins_and_leaves_under_load(new_system: NewSystem, database: Database) -> None:
    other = database.store.database()
    system = new_system({"store": clickhouse(database)})
    added = json.dumps({"clickhouse/other": clickhouse(other)})[1:-1]
    together = system.text.replace("exporters: {", f"exporters: {{{added}, ", 1)
    together = together.replace("[clickhouse/store]", "[clickhouse/store, clickhouse/other]")
    async with system.senders.running():
        await system.start()
        await system.ledger.grown(20)
        await system.reload(together)
        before = frozenset(system.ledger.acknowledged)
        await system.ledger.grown(20)
    await system.stored_once(database)
    await system.stored_once(other, without=before)
    async with system.senders.running():
        await system.ledger.grown(5)
        await system.reload(system.text)
        await system.ledger.grown(5)
    await system.stored_once(database)


async def test_kill_9_while_a_configuration_is_taken_over(new_system: NewSystem, database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    system = new_system({"store": clickhouse(database)})
    async with system.senders.running():
        for number in range(ROUNDS):
            await system.start()
            await system.ledger.grown(20)
            system.ask_to_reload(system.text.replace('"timeout": "2s"', f'"timeout": "{number + 3}s"'))
            await asyncio.sleep(chance.random() / 2)
            await system.kill()
        await system.start()
        await system.ledger.grown(5)
    await system.stored_once(database)
