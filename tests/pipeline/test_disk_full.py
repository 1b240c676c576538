from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.errors import Overloaded
from spanledger.pipeline import DurableLog, FileStorageSettings
from spanledger.pipeline.settings import WarmUpSettings
from tests.pipeline.doubles import FakeClock, bodies, letter, opened, request


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def fill(log: DurableLog) -> list[int]:
    """Append until the disk is full; the numbers of the entries that were acknowledged."""
    acknowledged: list[int] = []
    for n in itertools.count():
        try:
            await log.append(request(f"span {n} " + "x" * 50_000))
        except Overloaded:
            break
        acknowledged.append(n)
    return acknowledged


async def test_the_log_refuses_before_the_disk_is_full(tmp_path: Path) -> None:
    settings = FileStorageSettings(directory=tmp_path, group_commit=0, min_free_bytes=2**60)
    async with opened(settings) as log:
        with pytest.raises(Overloaded, match=f"the disk of the log in {tmp_path} is full") as refusal:
            await log.append(request("span a"))
        assert refusal.value.retry_after == 15
        assert log.status().bytes == 0
        assert log.status().refused == 1


async def test_a_disk_that_was_full_a_moment_ago_is_not_worth_reading_for(tmp_path: Path) -> None:
    clock = FakeClock()
    settings = FileStorageSettings(directory=tmp_path, group_commit=0, min_free_bytes=2**60)
    async with opened(settings, clock) as log:
        log.check_room(1)
        with pytest.raises(Overloaded):
            await log.append(request("span a"))
        with pytest.raises(Overloaded, match="the disk of the log"):
            log.check_room(1)
        await clock.advance(1)
        log.check_room(1)


async def test_refused_appends_take_nothing_else_down_with_them(tmp_path: Path) -> None:
    """Appends share a sync with others, and the writer's thread with everything else."""
    settings = FileStorageSettings(directory=tmp_path, group_commit=0, min_free_bytes=2**60)
    async with opened(settings) as log:

        async def keep(number: int) -> None:
            for _ in range(number):  # some before the group of appends, some after
                await asyncio.sleep(0)
            await log.add_dead_letters([letter(f"letter {number}")])

        outcomes = await asyncio.gather(
            *(log.append(request(f"span {n}")) for n in range(10)),
            *(keep(n) for n in range(20)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [Overloaded] * 10 + [type(None)] * 20
        assert log.status().dead_letters == 20


async def test_a_full_disk_loses_nothing_and_takes_more_when_it_has_room_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 1_000_000)
    settings = FileStorageSettings(directory=small_disk / "log", group_commit=0, min_free_bytes=0)
    async with opened(settings) as log:
        acknowledged = await fill(log)
        ballast.unlink()
        await log.append(request("span after"))
    async with opened(settings) as log:
        assert [body.split()[1] for body in await bodies(log)] == [*map(str, acknowledged), "after"]
    assert acknowledged


async def test_cursors_are_noted_and_entries_deleted_while_appends_are_refused(small_disk: Path) -> None:
    settings = FileStorageSettings(
        directory=small_disk / "log", group_commit=0, min_free_bytes=1_000_000, max_bytes=10_000_000
    )
    async with opened(settings) as log:
        await log.register(["store"])
        await fill(log)
        await log.save_cursors({"store": log.last_seq})
        assert await log.register(["store"]) == {"store": log.last_seq}


async def test_cursors_are_noted_on_a_disk_without_a_single_byte_left(small_disk: Path, clock: FakeClock) -> None:
    """Only that makes room again."""
    settings = FileStorageSettings(
        directory=small_disk / "log",
        group_commit=0,
        min_free_bytes=0,
        segment_bytes=200_000,
        warm_up=WarmUpSettings(max_entries=0),
    )
    async with opened(settings, clock) as log:
        await log.register(["store"])
        acknowledged = await fill(log)
        with (small_disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"x" * 100)
        with pytest.raises(Overloaded):
            await log.append(request("span refused"))
        await log.save_cursors({"store": log.last_seq})
        await clock.advance(1)
        await log.register(["store"])  # comes after the deletion
        await log.append(request("span after"))
        assert await bodies(log) == ["span after"]
    async with opened(settings) as log:
        assert await log.register(["store"]) == {"store": len(acknowledged)}
        assert await bodies(log, after=len(acknowledged)) == ["span after"]


WRITE_ERROR = """
import asyncio, resource, sys
from pathlib import Path
from spanledger.errors import LogError
from spanledger.pipeline import DurableLog, FileStorageSettings
from tests.pipeline.doubles import FakeClock, bodies, request

async def main():
    log = DurableLog(FileStorageSettings(directory=Path(sys.argv[1]), group_commit=0))
    await log.open()
    await log.append(request("span a"))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        await log.append(request("span b" + "x" * 1_000_000))
    except LogError as error:
        print("refused:", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await log.append(request("span c"))
    print(await bodies(log), log.status().bytes)
    await log.close()

asyncio.run(main())
"""


def test_a_failing_disk_refuses_one_append_and_not_the_next(tmp_path: Path) -> None:
    """A bound on file sizes makes a write fail in its middle."""
    ran = subprocess.run(
        [sys.executable, "-c", WRITE_ERROR, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ran.stdout == "refused: the log cannot be written: [Errno 27] File too large\n['span a', 'span c'] 524\n", (
        ran.stderr
    )
