from __future__ import annotations

import asyncio
import errno
import os
import stat
from pathlib import Path

import pytest

from spanledger.errors import LogError, Overloaded
from spanledger.pipeline import DurableLog, FileStorageSettings
from spanledger.pipeline.settings import WarmUpSettings
from tests.pipeline.doubles import START_NS, FakeClock, bodies, letter, opened, request, trimmed


async def test_concurrent_appends_share_a_commit(tmp_path: Path, clock: FakeClock) -> None:
    async with opened(FileStorageSettings(directory=tmp_path), clock) as log:
        appends = [asyncio.create_task(log.append(request(f"span {n}"))) for n in range(50)]
        await clock.armed()
        await clock.advance(0.002)
        assert await asyncio.gather(*appends) == list(range(1, 51))
        assert log.status().commits == 1
        assert log.status().entries_appended == 50


async def test_an_append_returns_only_after_its_commit(tmp_path: Path, clock: FakeClock) -> None:
    async with opened(FileStorageSettings(directory=tmp_path), clock) as log:
        append = asyncio.create_task(log.append(request("span a")))
        await clock.armed()
        await clock.advance(0.001)
        assert not append.done()
        assert await bodies(log) == []
        await clock.advance(0.001)
        assert await append == 1
        assert await bodies(log) == ["span a"]


async def test_a_large_group_does_not_wait_for_more(tmp_path: Path, clock: FakeClock) -> None:
    async with opened(FileStorageSettings(directory=tmp_path), clock) as log:
        large = request("span " + "a" * 5_000_000)
        assert list(await asyncio.gather(log.append(large), log.append(large))) == [1, 2]


async def test_a_lone_append_is_on_disk_when_it_returns(on_disk: FileStorageSettings) -> None:
    async with opened(on_disk) as log:
        await log.append(request("span a"))
        assert b"span a" in segments(on_disk)[-1].read_bytes()


async def test_everything_is_there_after_a_restart(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    async with opened(on_disk, clock) as log:
        await log.register(["store", "other"])
        for n in range(3):
            await log.append(request(f"span {n}"))
        await log.save_cursors({"store": 2})
        await log.add_dead_letters([letter("bad")])
    async with opened(on_disk, clock) as log:
        assert await log.register(["store", "other"]) == {"store": 2, "other": 0}
        assert await bodies(log) == ["span 0", "span 1", "span 2"]
        assert [one.letter for one in await log.dead_letters()] == [letter("bad")]
        assert log.status().dead_letters == 1
        assert log.status().bytes == 3 * (256 + 6)
        assert await log.append(request("span 3")) == 4


async def test_places_and_times_go_on_when_everything_was_deleted(
    on_disk: FileStorageSettings, clock: FakeClock
) -> None:
    settings = on_disk.model_copy(update={"warm_up": WarmUpSettings(max_entries=0)})
    async with opened(settings, clock) as log:
        await log.register(["store"])
        for _ in range(3):
            await log.append(request("span a", at_ns=START_NS))
        await log.save_cursors({"store": 3})
        await trimmed(log, clock)
        assert await bodies(log) == []
        assert log.status().bytes == 0
    async with opened(settings, clock) as log:
        assert await log.append(request("span b", at_ns=START_NS)) == 4
        (entry,) = (await log.read(0, 4, 1)).entries
        assert entry.received_ns == START_NS + 3_000


async def test_what_the_warm_up_needs_stays_when_delivered(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    settings = on_disk.model_copy(update={"warm_up": WarmUpSettings(max_entries=2)})
    async with opened(settings, clock) as log:
        await log.register(["store"])
        for n in range(5):
            await log.append(request(f"span {n}"))
        await log.save_cursors({"store": 4})
        await trimmed(log, clock)
        assert await bodies(log) == ["span 2", "span 3", "span 4"]


async def test_one_process_at_a_time(on_disk: FileStorageSettings) -> None:
    async with opened(on_disk):
        with pytest.raises(
            LogError, match=f"the log in {on_disk.directory} is in use by process {os.getpid()}; stop it"
        ):
            await DurableLog(on_disk).open()
    async with opened(on_disk):
        pass


async def test_nobody_else_may_read_the_prompts(on_disk: FileStorageSettings) -> None:
    async with opened(on_disk) as log:
        await log.append(request("span a"))
        assert stat.S_IMODE(on_disk.directory.stat().st_mode) == 0o700
        for path in on_disk.directory.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogError, match=f"cannot use {tmp_path}/file/log for the log: Not a directory"):
        await DurableLog(FileStorageSettings(directory=tmp_path / "file" / "log")).open()


@pytest.mark.parametrize("module", ["segment", "cursor_file"])
async def test_a_log_of_a_newer_version_is_refused(
    on_disk: FileStorageSettings, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(f"spanledger.pipeline.{module}._VERSION", 99)
        async with opened(on_disk) as log:
            await log.append(request("span a"))
    with pytest.raises(LogError, match="was written by a newer spanledger"):
        await DurableLog(on_disk).open()


async def test_the_log_of_an_unreleased_version_is_refused_and_left_alone(on_disk: FileStorageSettings) -> None:
    (made(on_disk) / "log.db").write_bytes(b"old")
    with pytest.raises(LogError, match=r"log\.db is the log of an older spanledger"):
        await DurableLog(on_disk).open()
    assert [path.name for path in on_disk.directory.iterdir() if path.name != "lock"] == ["log.db"]


async def test_files_go_when_every_cursor_passed_them(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    settings = on_disk.model_copy(update={"warm_up": WarmUpSettings(max_entries=0), "segment_bytes": 1_000_000})
    async with opened(settings, clock) as log:
        await log.register(["store", "slow"])
        for _ in range(25):
            await log.append(request("span " + "a" * 1_000_000))
        assert len(segments(settings)) == 25
        await log.save_cursors({"store": 25, "slow": 10})
        await trimmed(log, clock)
        assert len(segments(settings)) == 15
        await log.save_cursors({"slow": 25})
        await trimmed(log, clock)
        assert len(segments(settings)) == 1, "the newest stays: it knows which places were given"


async def test_an_exporter_that_is_gone_does_not_hold_the_log(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    settings = on_disk.model_copy(update={"warm_up": WarmUpSettings(max_entries=0), "segment_bytes": 1})
    async with opened(settings, clock) as log:
        await log.register(["store", "gone"])
        for n in range(5):
            await log.append(request(f"span {n}"))
        await log.save_cursors({"store": 5})
    async with opened(settings, clock) as log:
        assert await log.register(["store"]) == {"store": 5}
        await log.save_cursors({"store": 5})
        await trimmed(log, clock)
        assert len(segments(settings)) == 1


async def test_a_start_reads_no_more_than_the_index_of_a_sealed_file(on_disk: FileStorageSettings) -> None:
    async with opened(on_disk) as log:
        for n in range(500):
            await log.append(request(f"span {n} " + "x" * 1_000))
    async with opened(on_disk) as log:
        assert log.status().bytes == sum(256 + len(body) for body in await bodies(log))
        assert [int(body.split()[1]) for body in await bodies(log)] == list(range(500))
        assert [int(body.split()[1]) for body in await bodies(log, after=321)] == list(range(321, 500))


async def test_the_age_of_what_waits_is_known_after_a_restart(on_disk: FileStorageSettings, clock: FakeClock) -> None:
    settings = on_disk.model_copy(update={"max_age": 60.0})
    async with opened(settings, clock) as log:
        await log.register(["store"])
        for name in "abc":
            await log.append(request(f"span {name}", at_ns=clock.time_ns()))
            await clock.advance(25)
        await log.save_cursors({"store": 1})
    async with opened(settings, clock) as log:
        await log.register(["store"])
        await log.append(request("span d", at_ns=clock.time_ns()))
        await clock.advance(20)
        with pytest.raises(Overloaded, match="longer than max_age"):
            await log.append(request("span e", at_ns=clock.time_ns()))


async def test_many_exporters_with_long_names_have_cursors(on_disk: FileStorageSettings) -> None:
    names = [f"clickhouse/{'region' * 10}-{n}" for n in range(200)]
    async with opened(on_disk) as log:
        await log.register(names)
        await log.append(request("span a"))
        await log.save_cursors(dict.fromkeys(names, 1))
    async with opened(on_disk) as log:
        assert await log.register(names) == dict.fromkeys(names, 1)


async def test_a_failed_sync_is_never_believed_later(
    on_disk: FileStorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kernel could not write it may take for written from then on. No disk here fails on command, so the call
    does."""

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with opened(on_disk) as log:
        await log.append(request("span a"))
        with monkeypatch.context() as broken:
            broken.setattr("os.fdatasync", fail)
            with pytest.raises(LogError, match=r"cannot be written: \[Errno 5\]"):
                await log.append(request("span b"))
        (first,) = segments(on_disk)
        left = first.read_bytes()
        assert b"span b" not in left
        await log.append(request("span c"))
        assert first.read_bytes() == left, "the next entry has a file of its own"
        assert await bodies(log) == ["span a", "span c"]
    async with opened(on_disk) as log:
        assert await bodies(log) == ["span a", "span c"]
        assert log.status().damaged == 0


async def test_cursors_are_tried_again_after_a_failed_sync(
    on_disk: FileStorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with opened(on_disk) as log:
        await log.register(["store"])
        await log.append(request("span a"))
        with monkeypatch.context() as broken:
            broken.setattr("os.fdatasync", fail)
            with pytest.raises(LogError):
                await log.save_cursors({"store": 1})
    async with opened(on_disk) as log:
        assert await log.register(["store"]) == {"store": 0} or await log.register(["store"]) == {"store": 1}
        await log.save_cursors({"store": 1})
    async with opened(on_disk) as log:
        assert await log.register(["store"]) == {"store": 1}


def made(settings: FileStorageSettings) -> Path:
    settings.directory.mkdir()
    return settings.directory


def segments(settings: FileStorageSettings) -> list[Path]:
    return sorted(settings.directory.glob("*.segment"))


async def test_what_is_kept_of_a_context_stays_with_its_entry(on_disk: FileStorageSettings) -> None:
    kept = '{"metadata.x-tenant":["acme"]}'
    first, second = request("span a"), request("span b")
    first.kept, second.kept, second.road = kept, kept, "traces/a,traces/b"
    async with opened(on_disk) as log:
        for one in (first, second, request("span c")):
            await log.append(one)
    async with opened(on_disk) as log:
        entries = (await log.read(0, 3, 10_000)).entries
        assert [(entry.context, entry.road) for entry in entries] == [
            (kept, ""),
            (kept, "traces/a,traces/b"),
            ("", ""),
        ]
        assert log.status().bytes == 3 * (256 + 6) + 2 * len(kept), "it counts against the bound"
        assert log.status().bytes == sum(entry.size for entry in entries)
