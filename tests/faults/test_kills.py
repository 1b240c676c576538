"""Processes that die at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

from tests.faults.conftest import NewSystem
from tests.faults.senders import Senders
from tests.faults.store import Database, Store
from tests.faults.system import FULL, clickhouse

ROUNDS = 100 if FULL else 4


async def test_kill_9_at_random_moments(new_system: NewSystem, database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    system = new_system({"store": clickhouse(database)})
    async with system.senders.running():
        for _ in range(ROUNDS):
            await system.start()
            await system.ledger.grown(chance.randrange(1, 60))
            await asyncio.sleep(chance.random() / 20)
            await system.kill()
        await system.start()
        await system.ledger.grown(5)
    await system.stored_once(database)
    assert (await system.status())["pipeline"]["log"]["dead_letters"] == 0
    print(f"{ROUNDS} kills, {system.ledger.requests} requests acknowledged, slowest start {system.slowest_start:.1f} s")


async def test_kill_9_with_the_store_inside_the_process(new_system: NewSystem, tmp_path: Path) -> None:
    embedded = Store(tmp_path / "engine")
    system = new_system({"store": {"endpoint": f"chdb://{embedded.folder}"}})
    async with system.senders.running():
        for _ in range(ROUNDS // 2):
            await system.start()
            await system.ledger.grown(40)
            await system.kill()
        await system.start()
        await system.ledger.grown(5)
    assert await system.end() == 0, "everything is delivered within the grace"
    embedded.start()
    try:
        await system.stored_once(Database(embedded, "spanledger"))
    finally:
        embedded.kill()


async def test_kill_9_during_a_group_commit(new_system: NewSystem, database: Database) -> None:
    """With a window of 300 ms nearly every request waits for its sync when the process dies."""
    system = new_system({"store": clickhouse(database)})
    system.senders.pause = 0
    async with system.senders.running(http=8):
        for _ in range(ROUNDS // 2):
            await system.start("extensions.file_storage.group_commit=300ms")
            before = system.ledger.requests
            await system.ledger.grown(1)
            await asyncio.sleep(0.15)  # the next group is half gathered
            await system.kill()
            assert system.ledger.requests > before
        await system.start()
        await system.ledger.grown(5)
    await system.stored_once(database)


async def test_sigterm_under_load(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    async with system.senders.running():
        for _ in range(3):
            await system.start()
            await system.ledger.grown(20)
            assert await system.end(signal.SIGTERM) == 0
    await system.stored_once(database)


async def test_a_second_sigterm_cuts_the_stop_short_and_loses_nothing(
    new_system: NewSystem, database: Database
) -> None:
    system = new_system({"store": clickhouse(database)})
    database.store.kill()
    async with system.senders.running():
        await system.start(arguments=("--grace", "1h"))
        await system.ledger.grown(20)
    assert system.process is not None
    system.process.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(system.process.wait_for, "process  stopping")
    assert await system.end(signal.SIGTERM) == 0
    database.store.start()
    await system.start()
    await system.stored_once(database)


async def test_a_sender_that_repeats_itself_across_kills(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    system.senders.copies = 3
    async with system.senders.running():
        for _ in range(2):
            await system.start()
            await system.ledger.grown(20)
            await system.kill()
        await system.start()
        await system.ledger.grown(5)
    await system.stored_once(database)


async def test_a_worker_is_killed_under_load(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    async with many_connections(system.senders):
        await system.start(arguments=("--workers", "2"))
        for number in ("1", "2"):
            await system.ledger.grown(20)
            worker = (await system.status())["workers"][number]
            os.kill(worker["pid"], signal.SIGKILL)
            while (await system.status())["workers"][number]["restarts"] == 0:
                await asyncio.sleep(0.05)
            while (await system.status())["workers"][number]["state"] != "ready":
                await asyncio.sleep(0.05)
        await system.ledger.grown(5)
    await system.stored_once(database)
    assert await system.end() == 0


async def test_logs_of_workers_are_delivered_when_there_are_less(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    database.store.kill()
    async with many_connections(system.senders):
        await system.start(arguments=("--workers", "2", "--grace", "0s"))
        await system.ledger.grown(40)
    await system.end()
    assert {folder.name for folder in system.log.iterdir()} == {"supervisor", "worker-1", "worker-2"}
    database.store.start()
    await system.start()
    await system.stored_once(database)


def many_connections(senders: Senders):  # type: ignore[no-untyped-def] # whatever `running` gives
    """The kernel spreads connections over the workers, not requests."""
    return senders.running(http=12, grpc=2)
