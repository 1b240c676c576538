"""Load for minutes while the store is restarted at random: nothing lost, nothing that grows."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

from tests.faults.conftest import NewSystem
from tests.faults.store import Database
from tests.faults.system import FULL, System, clickhouse

SECONDS = float(os.environ.get("SPANLEDGER_SOAK_SECONDS", "600" if FULL else "25"))
PROBE_SECONDS = 10 if FULL else 4
SENDERS = 4
MEMORY = 4 << 20
"""Bytes of the trace memory: soon full, so that what grows after that is a leak."""
FLAT = 3.0
"""MiB a minute in the second half that are no leak yet: 30 in ten minutes."""
SHARE = 0.8


def resident(system: System) -> float:
    """MiB in memory."""
    status = Path(f"/proc/{system.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def descriptors(system: System) -> int:
    return len(os.listdir(f"/proc/{system.pid}/fd"))


def slope(samples: list[tuple[float, float]]) -> float:
    """Growth per minute, by least squares."""
    times, values = zip(*samples, strict=True)
    mean_time, mean_value = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - mean_time) ** 2 for at in times)
    together = sum((at - mean_time) * (value - mean_value) for at, value in samples)
    return float(60 * together / spread)


async def capacity(system: System) -> float:
    """Requests a second that are received, stored and acknowledged on this machine."""
    began = time.monotonic()
    system.senders.pause = 0
    async with system.senders.running(http=SENDERS - 1):
        await asyncio.sleep(PROBE_SECONDS)
    while (await system.status())["pipeline"]["exporters"]["clickhouse/store"]["lag"]:
        await asyncio.sleep(0.05)
    return system.ledger.requests / (time.monotonic() - began)


async def test_soak(new_system: NewSystem, database: Database) -> None:
    chance = random.Random(11)
    system = new_system({"store": clickhouse(database)})
    await system.start(f"service.mapping.memory.max_bytes={MEMORY}")
    rate = await capacity(system)
    system.senders.pause = SENDERS / rate * (1 / SHARE - 1)
    samples: list[tuple[float, float]] = []
    files = [descriptors(system)]
    restarts = 0
    before = system.ledger.requests
    end = time.monotonic() + SECONDS
    next_restart = time.monotonic() + chance.uniform(2, 8)
    async with system.senders.running(http=SENDERS - 1):
        while (now := time.monotonic()) < end:
            await asyncio.sleep(1)
            samples.append((now, resident(system)))
            files.append(descriptors(system))
            if now >= next_restart:
                database.store.kill()
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                await asyncio.to_thread(database.store.start)
                restarts += 1
                next_restart = now + chance.uniform(3, 30 if FULL else 12)
    await system.stored_once(database)
    requests = system.ledger.requests - before
    later = samples[len(samples) // 2 :]
    print(
        f"soak: {SECONDS:g} s, {requests} requests ({requests / SECONDS:.0f}/s of {rate:.0f}/s), "
        f"{restarts} restarts of the store; memory {samples[0][1]:.0f} to {samples[-1][1]:.0f} MiB, "
        f"{slope(later):+.2f} MiB/min in the second half; descriptors {files[0]} to {files[-1]}, at most {max(files)}"
    )
    assert restarts
    if FULL:
        assert slope(later) < FLAT
    assert max(files[len(files) // 2 :]) <= max(files[: len(files) // 2]) + 20
