"""What every log promises, on disk and in memory."""

from __future__ import annotations

import asyncio

import pytest

from spanledger.errors import LogError
from spanledger.model.received import Encoding, Received, Signal
from spanledger.pipeline.base import Committed, Entry
from spanledger.pipeline.settings import WarmUpSettings
from tests.pipeline.doubles import START_NS, FakeClock, NewLog, bodies, letter, request, trimmed


async def test_entries_come_back_in_the_order_of_the_appends(new_log: NewLog) -> None:
    log = new_log()
    await log.open()
    places = await asyncio.gather(*(log.append(request(f"span {n}")) for n in range(100)))
    assert places == sorted(places)
    assert await bodies(log) == [f"span {n}" for n in range(100)]


async def test_an_entry_keeps_everything_that_mapping_needs(new_log: NewLog) -> None:
    log = new_log()
    await log.open()
    seq = await log.append(Received("tenant-ü", Signal.LOGS, Encoding.JSON, b'{"\x00": 1}', (), START_NS))
    chunk = await log.read(0, seq, 1)
    assert chunk.entries == [Entry(seq, START_NS, "tenant-ü", Signal.LOGS, Encoding.JSON, b'{"\x00": 1}')]


async def test_reading_stops_at_the_bytes_asked_for(new_log: NewLog) -> None:
    log = new_log()
    await log.open()
    first, second, third = [await log.append(request(f"span {n}")) for n in "abc"]
    chunk = await log.read(0, third, 300)
    assert [entry.seq for entry in chunk.entries] == [first, second]
    assert chunk.through == second
    assert (await log.read(second, third, 1)).through == third
    assert (await log.read(third, third + 5, 1)).through == third + 5


async def test_time_never_runs_backwards_along_the_log(new_log: NewLog) -> None:
    log = new_log()
    await log.open()
    for at_ns in (START_NS, START_NS - 3_600_000_000_000, START_NS, START_NS + 5_000):
        await log.append(request("span a", at_ns=at_ns))
    chunk = await log.read(0, log.last_seq, 2**30)
    assert [entry.received_ns - START_NS for entry in chunk.entries] == [0, 1_000, 2_000, 5_000]


async def test_the_listener_hears_of_all_entries_even_if_the_sender_is_gone(new_log: NewLog) -> None:
    log = new_log()
    await log.open()
    heard: list[Committed] = []
    log.on_commit(heard.extend)
    sender = asyncio.create_task(log.append(request("span a")))
    await asyncio.sleep(0)
    sender.cancel()
    await log.append(request("span b"))
    assert [one.received.body for one in heard] == [b"span a", b"span b"]
    assert await bodies(log) == ["span a", "span b"]


async def test_entries_stay_until_every_cursor_passed_them(new_log: NewLog, clock: FakeClock) -> None:
    log = new_log(warm_up=WarmUpSettings(max_entries=0))
    await log.open()
    await log.register(["fast", "slow"])
    for n in range(5):
        await log.append(request(f"span {n}"))
    await log.save_cursors({"fast": 5, "slow": 3})
    await trimmed(log, clock)
    assert set(await bodies(log)) >= {"span 3", "span 4"}
    await log.save_cursors({"slow": 5})
    await trimmed(log, clock)
    await log.append(request("span 5"))
    assert "span 5" in await bodies(log)


@pytest.mark.parametrize(
    ("bounds", "start"),
    [
        (WarmUpSettings(max_entries=3), 5),
        (WarmUpSettings(max_bytes=2 * (256 + 6)), 6),
        (WarmUpSettings.model_validate({"max_age": "2500ns"}), 5),
        (WarmUpSettings(max_entries=0), 8),
        (WarmUpSettings(), 0),
    ],
)
async def test_the_warm_up_reaches_back_within_its_bounds(new_log: NewLog, bounds: WarmUpSettings, start: int) -> None:
    log = new_log(warm_up=bounds)
    await log.open()
    for n in range(10):
        await log.append(request(f"span {n}", at_ns=START_NS + n * 1_000))
    assert await log.warm_up_start(8) == start


async def test_a_new_exporter_begins_where_the_slowest_stands(new_log: NewLog) -> None:
    log = new_log()
    await log.open()
    assert await log.register(["a", "b"]) == {"a": 0, "b": 0}
    for n in range(4):
        await log.append(request(f"span {n}"))
    await log.save_cursors({"a": 4, "b": 2})
    assert await log.register(["a", "c"]) == {"a": 4, "c": 2}
    assert await log.register(["a", "b"]) == {"a": 4, "b": 2}


async def test_a_dead_letter_is_kept_once(new_log: NewLog) -> None:
    log = new_log()
    await log.open()
    await log.add_dead_letters([letter("one"), letter("two")])
    await log.add_dead_letters([letter("one")])
    stored = await log.dead_letters()
    assert [one.letter for one in stored] == [letter("one"), letter("two")]
    assert [one.at_ns for one in stored] == [START_NS, START_NS]
    assert [one.letter.reason for one in await log.dead_letters(after=stored[0].id)] == ["two"]
    assert log.status().dead_letters == 2


async def test_dead_letters_are_bounded_and_the_oldest_go(new_log: NewLog) -> None:
    log = new_log(dead_letters_max_bytes=250)
    await log.open()
    for name in ("one", "two", "three", "four"):
        await log.add_dead_letters([letter(name, size=100)])
    assert [one.letter.reason for one in await log.dead_letters()] == ["three", "four"]
    assert log.status().dead_letters_dropped == 2


async def test_a_dead_letter_larger_than_the_bound_is_kept_alone(new_log: NewLog) -> None:
    log = new_log(dead_letters_max_bytes=250)
    await log.open()
    await log.add_dead_letters([letter("small"), letter("large", size=1000)])
    assert [one.letter.reason for one in await log.dead_letters()] == ["large"]


async def test_a_closed_log_takes_nothing(new_log: NewLog) -> None:
    log = new_log()
    await log.open()
    await log.close()
    with pytest.raises(LogError, match="not open"):
        await log.append(request("span a"))
