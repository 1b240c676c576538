"""What a broken disk leaves behind. Opening must tolerate it, and everything that can be read must be delivered."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.pipeline import FileStorageSettings
from spanledger.pipeline.dead_letters import LetterKind
from spanledger.pipeline.framing import Head, Window, crc32, heads
from spanledger.pipeline.segment import salt_of
from tests.pipeline.doubles import bodies, letter, letters, opened, request


async def filled(settings: FileStorageSettings, entries: int, size: int = 0) -> Path:
    """A closed log with its entries in one file, half of them delivered; the file."""
    async with opened(settings) as log:
        await log.register(["store"])
        await asyncio.gather(*(log.append(request(f"span {n:04} " + "x" * size)) for n in range(entries)))
        await log.save_cursors({"store": entries // 2})
        await log.add_dead_letters([letter("old")])
    (path,) = settings.directory.glob("*.segment")
    return path


async def numbers(settings: FileStorageSettings) -> list[int]:
    async with opened(settings) as log:
        return [int(body.split()[1]) for body in await bodies(log)]


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def unsealed(path: Path) -> list[Head]:
    """Cut the index off, as if the process had been killed; where the entries are."""
    salt = salt_of(path)
    assert salt is not None
    with path.open("r+b") as file:
        window = Window(file.fileno(), path.stat().st_size)
        found = [one for one in heads(window, 32, window.end, crc32(salt)) if isinstance(one, Head)]
        file.truncate(found[-1].end)
    return found


@pytest.mark.parametrize("sealed", [True, False])
async def test_an_entry_with_a_flipped_bit_becomes_a_dead_letter(on_disk: FileStorageSettings, sealed: bool) -> None:
    path = await filled(on_disk, 10)
    overwrite(path, path.read_bytes().index(b"span 0004"), b"spam")
    if not sealed:
        unsealed(path)
    async with opened(on_disk) as log:
        chunk = await log.read(0, log.last_seq, 2**30)
        assert [entry.seq for entry in chunk.entries] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
        assert chunk.through == 10
        (_, damaged) = await log.dead_letters()
        assert damaged.letter.kind is LetterKind.ENTRY
        assert damaged.letter.project_id == "acme"
        assert damaged.letter.seq == 5
        assert damaged.letter.reason == "checksum mismatch: the entry was damaged on disk"
        assert damaged.letter.content_type == "traces/protobuf"
        assert damaged.letter.content == b"spam 0004 "
        assert log.status().damaged == 1
        await log.read(0, log.last_seq, 2**30)
        assert log.status().damaged == 1, "it is counted once"


async def test_an_entry_never_moves_to_another_project(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 3)
    overwrite(path, path.read_bytes().rindex(b"acme"), b"acmf")
    assert await numbers(on_disk) == [0, 1]


async def test_bytes_inside_a_body_never_pass_for_an_entry(on_disk: FileStorageSettings, tmp_path: Path) -> None:
    """A sender who knows the format must not put an entry of another project where a search for the next one finds
    it."""
    forger = FileStorageSettings(directory=tmp_path / "forger", group_commit=0)
    forged = unsealed_bytes(await filled(forger, 3))
    async with opened(on_disk) as log:
        await log.register(["store"])
        await log.append(request("span 0000"))
        received = request("span 0001")
        received.body = forged
        await log.append(received)
        await log.append(request("span 0002"))
    (path,) = on_disk.directory.glob("*.segment")
    overwrite(path, unsealed(path)[1].at, b"????")
    assert await numbers(on_disk) == [0, 2]


def unsealed_bytes(path: Path) -> bytes:
    unsealed(path)
    return path.read_bytes()[32:]


async def test_an_entry_of_an_unknown_kind_is_kept_for_a_person(
    on_disk: FileStorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(on_disk) as log:
        await log.append(request("span 0"))
        newer = request("span 1")
        newer.signal = "profiles"  # type: ignore[assignment]
        await log.append(newer)
    async with opened(on_disk) as log:
        assert await bodies(log) == ["span 0"]
        assert await letters(log) == [
            ("entry", "log", "the entry cannot be read back: 'profiles' is not a valid Signal"),
        ]


@pytest.mark.parametrize("slots", [(0,), (1,), (0, 1)])
async def test_a_damaged_cursor_delivers_again_instead_of_skipping(
    on_disk: FileStorageSettings, slots: tuple[int, ...]
) -> None:
    async with opened(on_disk) as log:
        await log.register(["store"])
        await asyncio.gather(*(log.append(request(f"span {n}")) for n in range(10)))
        await log.save_cursors({"store": 3})
        await log.save_cursors({"store": 7})
    for slot in slots:
        overwrite(on_disk.directory / "cursors", slot * 4096 + 30, b"\xff" * 10)
    async with opened(on_disk) as log:
        (cursor,) = (await log.register(["store"])).values()
        assert cursor in ({3, 7} if len(slots) == 1 else {0})
        assert len(await bodies(log)) == 10


@pytest.mark.parametrize("content", [b"", b"no cursors", b"\0" * 100_000])
async def test_a_file_that_holds_no_cursors_is_written_anew(on_disk: FileStorageSettings, content: bytes) -> None:
    await filled(on_disk, 3)
    (on_disk.directory / "cursors").write_bytes(content)
    async with opened(on_disk) as log:
        assert await log.register(["store"]) == {"store": 0}
        assert await bodies(log) == ["span 0000 ", "span 0001 ", "span 0002 "]
        await log.save_cursors({"store": 2})
    async with opened(on_disk) as log:
        assert await log.register(["store"]) == {"store": 2}


async def test_a_torn_end_is_cut_wherever_it_was_torn(on_disk: FileStorageSettings, tmp_path: Path) -> None:
    """A process is killed, or power fails, while the last entry is on its way to the disk."""
    path = await filled(on_disk, 5)
    last = unsealed(path)[-1]
    for size in range(last.at, last.end):
        crashed = FileStorageSettings(directory=tmp_path / f"{size}", group_commit=0)
        shutil.copytree(on_disk.directory, crashed.directory)
        with (crashed.directory / path.name).open("r+b") as file:
            file.truncate(size)
        async with opened(crashed) as log:
            assert log.status().torn_bytes == size - last.at
            assert log.status().damaged == 0
            assert await bodies(log) == [f"span {n:04} " for n in range(4)]
            assert await log.append(request("span 0099")) == 5
        assert await numbers(crashed) == [0, 1, 2, 3, 99]
        shutil.rmtree(crashed.directory)


async def test_room_that_was_never_written_is_cut(on_disk: FileStorageSettings) -> None:
    """Some file systems let a file grow before its bytes are there."""
    path = await filled(on_disk, 5)
    end = unsealed(path)[-1].end
    overwrite(path, end, b"\0" * 10_000)
    async with opened(on_disk) as log:
        assert log.status().torn_bytes == 10_000
        assert log.status().damaged == 0
        assert len(await bodies(log)) == 5


async def test_an_index_that_was_never_finished_is_no_damage(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 5)
    whole = path.read_bytes()
    end = unsealed(path)[-1].end
    for size in range(end, len(whole)):
        path.write_bytes(whole[:size])
        async with opened(on_disk) as log:
            assert log.status().damaged == 0
            assert log.status().torn_bytes == (size - end if size < end + 4 else 0), "less could be an entry as well"
            assert len(await bodies(log)) == 5


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 2_000), length=st.integers(1, 400), sealed=st.booleans())
def test_damage_costs_only_what_it_hit(
    tmp_path_factory: pytest.TempPathFactory, at: int, length: int, sealed: bool
) -> None:
    on_disk = FileStorageSettings(directory=tmp_path_factory.mktemp("log"), group_commit=0)

    async def scenario() -> None:
        path = await filled(on_disk, 20, size=20)
        places = _places(path) if sealed else unsealed(path)
        start, end = min(at, places[-1].end - 1), min(at + length, places[-1].end)
        overwrite(path, start, bytes(byte ^ 0xA5 for byte in path.read_bytes()[start:end]))
        untouched = [n for n, head in enumerate(places) if head.end <= start or head.at >= end]
        assert await numbers(on_disk) == untouched
        async with opened(on_disk) as log:
            await log.append(request("span 0099"))
            assert [int(body.split()[1]) for body in await bodies(log)] == [*untouched, 99]

    asyncio.run(scenario())
    shutil.rmtree(on_disk.directory)


def _places(path: Path) -> list[Head]:
    salt = salt_of(path)
    assert salt is not None
    with path.open("rb") as file:
        window = Window(file.fileno(), path.stat().st_size)
        return [one for one in heads(window, 32, window.end, crc32(salt)) if isinstance(one, Head)]


async def test_a_destroyed_stretch_is_skipped_and_kept_aside(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 800, size=300)
    places = unsealed(path)
    overwrite(path, places[300].at, b"\xff" * (places[400].at - places[300].at))
    async with opened(on_disk) as log:
        assert await log.register(["store"]) == {"store": 400}
        assert [int(body.split()[1]) for body in await bodies(log)] == [*range(300), *range(400, 800)]
        assert log.status().damaged == 1
        (old, stretch) = await log.dead_letters()
        assert old.letter.reason == "old"
        kept = on_disk.directory / "damaged" / f"{path.stem}-{places[300].at}"
        size = places[400].at - places[300].at
        assert stretch.letter.reason == f"{size} bytes of {path.name} are no entries any more; kept in {kept}"
        assert kept.read_bytes() == b"\xff" * size
        assert await log.append(request("span 0800")) == 801
    async with opened(on_disk) as log:
        await bodies(log)
        assert len(await log.dead_letters()) == 2, "it is told once"


async def test_a_file_that_holds_no_entries_is_kept_aside(on_disk: FileStorageSettings) -> None:
    path = await filled(on_disk, 3)
    garbage = b"this was a log once" * 1000
    path.write_bytes(garbage)
    async with opened(on_disk) as log:
        assert log.status().damaged == 1
        assert await bodies(log) == []
        assert await log.append(request("span 0000")) > 3, "places that were used are not used again"
    (kept,) = (on_disk.directory / "damaged").iterdir()
    assert garbage.endswith(kept.read_bytes())
    assert await numbers(on_disk) == [0]


async def test_an_empty_file_is_a_new_log(on_disk: FileStorageSettings) -> None:
    on_disk.directory.mkdir()
    (on_disk.directory / f"{1:020}.segment").write_bytes(b"")
    async with opened(on_disk) as log:
        assert await log.append(request("span 0000")) == 1
    assert await numbers(on_disk) == [0]


async def test_a_file_that_vanished_costs_only_its_entries(on_disk: FileStorageSettings) -> None:
    small = on_disk.model_copy(update={"segment_bytes": 1})
    async with opened(small) as log:
        await log.register(["store"])
        for n in range(5):
            await log.append(request(f"span {n}"))
    sorted(small.directory.glob("*.segment"))[2].unlink()
    assert await numbers(small) == [0, 1, 3, 4]


async def test_damaged_dead_letters_are_put_aside_and_stop_nothing(on_disk: FileStorageSettings) -> None:
    await filled(on_disk, 3)
    (on_disk.directory / "dead-letters.db").write_bytes(b"no database" * 1000)
    async with opened(on_disk) as log:
        assert len(await bodies(log)) == 3
        await log.add_dead_letters([letter("new")])
        assert [one.letter.reason for one in await log.dead_letters()] == ["new"]
    kept = on_disk.directory / "damaged" / "dead-letters.db.1"
    assert kept.read_bytes().startswith(b"no database")
