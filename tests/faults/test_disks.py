"""The log's disk: full, torn, damaged."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import NewSystem
from tests.faults.senders import batch
from tests.faults.store import Database
from tests.faults.system import System, clickhouse


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield disk
    # Lazily: the process on it is ended by another fixture, maybe after this one.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def segments(system: System) -> list[Path]:
    return sorted(path for path in system.log.glob("*.segment") if path.stat().st_size)


async def test_a_disk_is_full_and_then_freed(new_system: NewSystem, database: Database, small_disk: Path) -> None:
    system = new_system({"store": clickhouse(database)}, small_disk / "log")
    system.senders.text = "x" * 20_000
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(8 << 20))
    database.store.kill()
    await system.start(
        "extensions.file_storage.min_free_bytes=2097152", "extensions.file_storage.segment_bytes=1048576"
    )
    async with system.senders.running():
        while system.ledger.refused < 20:
            await system.ledger.refusal()
        assert (await system.status())["pipeline"]["log"]["refused"] > 0
        ballast.unlink()
        await system.ledger.grown(10)
        database.store.start()
        await system.ledger.grown(10)
    await system.stored_once(database)


async def test_a_disk_that_the_log_filled_is_freed_by_delivery(
    new_system: NewSystem, database: Database, small_disk: Path
) -> None:
    system = new_system({"store": clickhouse(database)}, small_disk / "log")
    system.senders.text = "x" * 20_000
    database.store.kill()
    await system.start(
        "extensions.file_storage.min_free_bytes=2097152",
        "extensions.file_storage.segment_bytes=1048576",
        "extensions.file_storage.warm_up.max_bytes=0",
    )
    async with system.senders.running():
        while system.ledger.refused < 20:
            await system.ledger.refusal()
        database.store.start()
        await system.ledger.grown(10)
    await system.stored_once(database)


@pytest.mark.parametrize("torn", [1, 7, 40])
async def test_the_last_record_is_torn(new_system: NewSystem, database: Database, torn: int) -> None:
    """What a power cut leaves of a record whose sync was never answered."""
    system = new_system({"store": clickhouse(database)})
    database.store.kill()
    await system.start()
    async with system.senders.running():
        await system.ledger.grown(20)
    await system.kill()
    last = segments(system)[-1]
    content = last.read_bytes()
    end = len(content.rstrip(b"\0"))
    with last.open("r+b") as file:
        file.seek(end)
        file.write(content[64 : 64 + torn])
    database.store.start()
    await system.start()
    async with system.senders.running():
        await system.ledger.grown(5)
    await system.stored_once(database)


async def test_a_record_in_the_middle_is_corrupted(new_system: NewSystem, database: Database) -> None:
    system = new_system({"store": clickhouse(database)})
    database.store.kill()
    await system.start()
    victim = batch()
    async with system.senders.running():
        await system.ledger.grown(10)
        assert await system.senders.send(victim)
        await system.ledger.grown(10)
    await system.kill()
    (segment,) = segments(system)
    content = bytearray(segment.read_bytes())
    at = content.index(victim.body)
    content[at + len(victim.body) // 2] ^= 0xFF
    segment.write_bytes(content)
    database.store.start()
    await system.start()
    await system.stored_once(database)
    assert not victim.tokens.keys() & (await database.runs()).keys()
    assert (await system.status())["pipeline"]["log"]["dead_letters"] == 1
