"""Room that is written ahead at the end of a log file: what a crash leaves in it is told from damage."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from spanledger.pipeline import FileStorageSettings
from spanledger.pipeline.framing import Head, Window, crc32, frame, heads
from spanledger.pipeline.reserve import RESERVE_BYTES, fill, used
from spanledger.pipeline.segment import salt_of
from tests.pipeline.doubles import bodies, opened, request

PAGE = 4096
_HEADER = 32


async def crashed(settings: FileStorageSettings, entries: int, size: int = 0) -> FileStorageSettings:
    """The log of a process that was killed, with the room that it had written ahead."""
    after = settings.model_copy(update={"directory": settings.directory.with_name("crashed")})
    async with opened(settings) as log:
        await asyncio.gather(*(log.append(request(f"span {n:04} " + "x" * size)) for n in range(entries)))
        shutil.copytree(settings.directory, after.directory)
    return after


def segment(settings: FileStorageSettings) -> tuple[Path, bytes]:
    """The one file, and the salt in it."""
    (path,) = settings.directory.glob("*.segment")
    salt = salt_of(path)
    assert salt is not None
    return path, salt


def places(path: Path, salt: bytes) -> list[Head]:
    with path.open("rb") as file:
        window = Window(file.fileno(), path.stat().st_size)
        return [one for one in heads(window, _HEADER, window.end, crc32(salt)) if isinstance(one, Head)]


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


async def test_small_groups_find_their_room_written(on_disk: FileStorageSettings) -> None:
    async with opened(on_disk) as log:
        await log.append(request("span 0"))
        path, _ = segment(on_disk)
        size = path.stat().st_size
        for n in range(1, 20):
            await log.append(request(f"span {n}"))
        assert path.stat().st_size == size > RESERVE_BYTES
    assert path.stat().st_size < RESERVE_BYTES, "a finished file keeps none of it"


async def test_large_groups_make_no_room(on_disk: FileStorageSettings) -> None:
    async with opened(on_disk) as log:
        await log.append(request("span " + "x" * 100_000))
        assert segment(on_disk)[0].stat().st_size < 110_000


async def test_room_that_was_not_used_is_no_torn_entry(on_disk: FileStorageSettings) -> None:
    async with opened(await crashed(on_disk, 3)) as log:
        assert log.status().torn_bytes == 0
        assert await bodies(log) == ["span 0000 ", "span 0001 ", "span 0002 "]


async def test_an_entry_that_was_begun_in_the_room_is_cut(on_disk: FileStorageSettings) -> None:
    after = await crashed(on_disk, 2)
    path, salt = segment(after)
    told = set()
    whole = path.read_bytes()
    end = used(salt, 0, whole)
    async with opened(after) as log:
        entry = (await log.read(0, 2, 1)).entries[0]
    begun = frame(entry, crc32(salt)) + entry.body
    for size in range(1, len(begun) - 3):  # three bytes of room could be chance
        path.write_bytes(whole)
        overwrite(path, end, begun[:size])
        async with opened(after) as log:
            assert log.status().damaged == 0
            assert await bodies(log) == ["span 0000 ", "span 0001 "]
            told.add(log.status().torn_bytes)
    assert max(told) == len(begun), "a good head tells how much it is"


async def test_pages_that_never_came_to_the_disk_cost_only_what_was_not_acknowledged(
    on_disk: FileStorageSettings,
) -> None:
    """Power fails while a group is synced: a disk writes pages in any order."""
    after = await crashed(on_disk, 20, size=1500)
    path, salt = segment(after)
    found = places(path, salt)
    overwrite(path, 2 * PAGE, fill(salt, 2 * PAGE, PAGE))
    untouched = [n for n, head in enumerate(found) if head.end <= 2 * PAGE or head.at >= 3 * PAGE]
    assert 0 < len(untouched) < 20
    for _ in range(2):  # the file stays as it is
        async with opened(after) as log:
            assert [int(body.split()[1]) for body in await bodies(log)] == untouched
            assert log.status().damaged == 0
            assert not await log.dead_letters()


async def test_the_last_entry_before_the_room_is_damaged(on_disk: FileStorageSettings) -> None:
    after = await crashed(on_disk, 3)
    path, _ = segment(after)
    overwrite(path, path.read_bytes().index(b"span 0002"), b"spam")
    async with opened(after) as log:
        assert log.status().torn_bytes == 0
        assert await bodies(log) == ["span 0000 ", "span 0001 "]
        (damaged,) = await log.dead_letters()
        assert damaged.letter.content == b"spam 0002 "


@pytest.mark.parametrize("same", [1, 3, 40])
async def test_an_entry_that_ends_like_the_room_behind_it_is_kept(on_disk: FileStorageSettings, same: int) -> None:
    async with opened(on_disk) as log:
        await log.append(request("span 0"))
        path, salt = segment(on_disk)
        like = request("span 1")
        head = len(frame((await log.read(0, 1, 1)).entries[0], crc32(salt)))
        at = used(salt, 0, path.read_bytes()) + head + 10
        like.body = b"span 1 xxx" + fill(salt, at, same)
        await log.append(like)
        copied = on_disk.model_copy(update={"directory": on_disk.directory.with_name("copied")})
        shutil.copytree(on_disk.directory, copied.directory)
    async with opened(copied) as log:
        assert [entry.body for entry in (await log.read(0, 2, 2**20)).entries] == [b"span 0", like.body]
        assert log.status().torn_bytes == 0
