"""What a broken disk leaves behind. Opening must tolerate it, and everything that can be read must be delivered."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from spanledger.pipeline import FileStorageSettings
from spanledger.pipeline.dead_letters import LetterKind
from tests.pipeline.doubles import bodies, letter, letters, opened, request

PAGE = 8192


async def filled(settings: FileStorageSettings, entries: int, size: int = 0) -> Path:
    """A closed log with entries of about a page each, half of them delivered; its file."""
    async with opened(settings) as log:
        await log.register(["store"])
        await asyncio.gather(*(log.append(request(f"span {n:04} " + "x" * size)) for n in range(entries)))
        await log.save_cursors({"store": entries // 2})
        await log.add_dead_letters([letter("old")])
    return settings.directory / "log.db"


async def numbers(settings: FileStorageSettings) -> list[int]:
    async with opened(settings) as log:
        return [int(body.split()[1]) for body in await bodies(log)]


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


async def test_an_entry_with_a_flipped_bit_becomes_a_dead_letter(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 10)
    overwrite(path, path.read_bytes().index(b"span 0004"), b"spam")
    async with opened(on_disk) as log:
        chunk = await log.read(0, log.last_seq, 2**30)
        assert [entry.seq for entry in chunk.entries] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
        assert chunk.through == 10
        (_, damaged) = await log.dead_letters()
        assert damaged.letter.kind is LetterKind.ENTRY
        assert damaged.letter.seq == 5
        assert damaged.letter.reason == "checksum mismatch: the entry was damaged on disk"
        assert damaged.letter.content_type == "traces/protobuf"
        assert damaged.letter.content == b"spam 0004 "
        assert log.status().damaged == 1
        await log.read(0, log.last_seq, 2**30)
        assert log.status().damaged == 1, "it is counted once"


async def test_an_entry_never_moves_to_another_project(on_disk: FileStorageSettings) -> None:
    await filled(on_disk, 3)
    with contextlib.closing(sqlite3.connect(on_disk.directory / "log.db")) as other:
        other.execute("UPDATE entries SET project_id = 'acmf' WHERE seq = 2")
        other.commit()
    assert await numbers(on_disk) == [0, 2]


async def test_an_entry_of_an_unknown_kind_is_kept_for_a_person(on_disk: FileStorageSettings) -> None:
    await filled(on_disk, 3)
    with contextlib.closing(sqlite3.connect(on_disk.directory / "log.db")) as other:
        other.execute("UPDATE entries SET signal = 'profiles' WHERE seq = 2")
        other.commit()
    async with opened(on_disk) as log:
        assert len(await bodies(log)) == 2
        assert (await letters(log))[-1] == (
            "entry",
            "log",
            "the entry cannot be read back: 'profiles' is not a valid Signal",
        )


async def test_a_damaged_cursor_delivers_again_instead_of_skipping(on_disk: FileStorageSettings) -> None:
    await filled(on_disk, 10)
    with contextlib.closing(sqlite3.connect(on_disk.directory / "log.db")) as other:
        other.execute("UPDATE cursors SET seq = 9")
        other.commit()
    async with opened(on_disk) as log:
        assert await log.register(["store"]) == {"store": 0}


@pytest.mark.parametrize("cut", [1, 100, 5_000, 40_000])
async def test_a_torn_tail_is_cut(on_disk: FileStorageSettings, tmp_path: Path, cut: int) -> None:
    """Power fails while the end of the write-ahead log is on its way to the disk."""
    crashed = FileStorageSettings(directory=tmp_path / "crashed", group_commit=0)
    async with opened(on_disk) as log:
        for n in range(20):
            await log.append(request(f"span {n:04} " + "x" * 4000))
        shutil.copytree(on_disk.directory, crashed.directory)
    wal = crashed.directory / "log.db-wal"
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size - cut)
    survived = await numbers(crashed)
    assert survived == list(range(len(survived)))
    assert len(survived) >= 20 - 1 - cut // 4000
    async with opened(crashed) as log:
        await log.append(request("span 0099"))
    assert await numbers(crashed) == [*survived, 99]


async def test_pages_destroyed_in_the_middle_cost_only_what_they_held(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 800, size=300)
    pages = path.stat().st_size // PAGE
    assert pages > 30, "the two in the middle hold entries"
    for page in (pages // 2, pages // 2 + 1):
        overwrite(path, page * PAGE, b"\xff" * PAGE)
    async with opened(on_disk) as log:
        assert await log.register(["store"]) == {"store": 400}
        survived = [int(body.split()[1]) for body in await bodies(log)]
        assert log.status().salvages == 1
        assert len(survived) >= 800 - 2 * PAGE // 300
        assert len(survived) < 800
        assert survived == sorted(survived)
        assert [one.letter.reason for one in await log.dead_letters()] == ["old"]
        assert await log.append(request("span 0800")) == 801
        assert (await bodies(log))[-1] == "span 0800"
        assert log.status().bytes == sum(256 + len(body) for body in await bodies(log))
    assert (on_disk.directory / "damaged-1" / "log.db").stat().st_size == pages * PAGE


async def test_a_long_destroyed_stretch_is_jumped_over(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 10_000)
    pages = path.stat().st_size // PAGE
    overwrite(path, pages // 2 * PAGE, b"\xff" * PAGE * 30)
    survived = await numbers(on_disk)
    assert 5_000 < len(survived) < 8_000
    assert (survived[0], survived[-1]) == (0, 9_999)
    assert survived == sorted(survived)


async def test_a_damaged_index_costs_nothing(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 400, size=300)
    with contextlib.closing(sqlite3.connect(path)) as other:
        (root,) = other.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entry_sizes'").fetchone()
    overwrite(path, (root - 1) * PAGE, b"\xff" * PAGE)
    async with opened(on_disk) as log:
        await log.append(request("span 0400"))
        assert [int(body.split()[1]) for body in await bodies(log)] == list(range(401))
        assert log.status().salvages == 1


async def test_a_file_that_is_no_database_is_kept_aside(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 3)
    path.write_bytes(b"this was a log once" * 1000)
    async with opened(on_disk) as log:
        assert log.status().salvages == 1
        assert await bodies(log) == []
        await log.append(request("span 0000"))
    assert (on_disk.directory / "damaged-1" / "log.db").read_bytes().startswith(b"this was a log once")
    path.write_bytes(b"and again" * 1000)
    assert await numbers(on_disk) == []
    assert (on_disk.directory / "damaged-2" / "log.db").exists()


async def test_an_empty_file_is_a_new_log(on_disk: FileStorageSettings) -> None:
    on_disk.directory.mkdir()
    (on_disk.directory / "log.db").write_bytes(b"")
    assert await numbers(on_disk) == []


async def test_a_salvage_that_was_interrupted_is_finished(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 3)
    path.rename(on_disk.directory / "log.db.salvaged")
    path.write_bytes(b"damaged")
    assert await numbers(on_disk) == [0, 1, 2]
    assert (on_disk.directory / "damaged-1" / "log.db").read_bytes() == b"damaged"
