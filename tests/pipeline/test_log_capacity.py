"""A log that is full: who is refused, who waits, what gives way."""

from __future__ import annotations

import asyncio

import pytest

from spanledger.errors import LogError, Overloaded
from spanledger.pipeline import WhenFull
from spanledger.pipeline.settings import WarmUpSettings
from tests.pipeline.doubles import FakeClock, NewLog, bodies, request, settled, trimmed

SIZE = 256 + len("span a")
"""Of one entry as the log counts it."""


async def test_a_full_log_refuses_until_a_store_has_taken_something(new_log: NewLog) -> None:
    log = new_log(max_bytes=3 * SIZE)
    await log.open()
    await log.register(["store"])
    for name in "abc":
        await log.append(request(f"span {name}"))
    with pytest.raises(Overloaded, match=f"the log is full \\({3 * SIZE} of {3 * SIZE} bytes") as refusal:
        await log.append(request("span d"))
    assert refusal.value.retry_after == 30
    await log.save_cursors({"store": 1})
    await log.append(request("span e"))
    assert await bodies(log) == ["span b", "span c", "span e"]
    assert log.status().refused == 1


async def test_a_full_log_says_so_before_a_request_is_read(new_log: NewLog) -> None:
    log = new_log(max_bytes=3 * SIZE)
    await log.open()
    await log.register(["store"])
    for name in "ab":
        await log.append(request(f"span {name}"))
    log.check_room(SIZE)
    log.check_room(None)
    await log.append(request("span c"))
    with pytest.raises(Overloaded):
        await log.append(request("span d"))
    for size in (1, None):
        with pytest.raises(Overloaded, match="the log is full"):
            log.check_room(size)
    assert log.status().refused == 3
    await log.save_cursors({"store": 1})
    log.check_room(SIZE)


@pytest.mark.parametrize("when_full", [WhenFull.BLOCK, WhenFull.DROP_OLDEST])
async def test_a_log_that_refuses_nobody_lets_every_request_be_read(new_log: NewLog, when_full: WhenFull) -> None:
    log = new_log(max_bytes=SIZE, when_full=when_full)
    await log.open()
    await log.append(request("span a"))
    log.check_room(SIZE)


async def test_the_delay_of_a_refusal_follows_the_drain_rate(new_log: NewLog, clock: FakeClock) -> None:
    log = new_log(max_bytes=100 * SIZE, warm_up=WarmUpSettings(max_entries=0))
    await log.open()
    await log.register(["store"])
    await asyncio.gather(*(log.append(request("span a")) for _ in range(100)))
    await log.save_cursors({"store": 20})
    await trimmed(log, clock)
    await asyncio.gather(*(log.append(request("span a")) for _ in range(20)))
    await clock.advance(10)
    with pytest.raises(Overloaded) as refusal:
        await log.append(request("span a"))
    rate = log.status().drain_rate
    assert rate == pytest.approx(20 * SIZE / 10, rel=0.15)
    assert refusal.value.retry_after == pytest.approx(6 * SIZE / rate)  # itself, and 5 % of the bound


async def test_what_is_kept_for_the_warm_up_gives_way_first(new_log: NewLog) -> None:
    log = new_log(max_bytes=3 * SIZE)
    await log.open()
    await log.register(["store"])
    for name in "abc":
        await log.append(request(f"span {name}"))
    await log.save_cursors({"store": 3})
    assert await bodies(log) == ["span a", "span b", "span c"]
    await log.append(request("span d"))
    assert await bodies(log) == ["span d"]


async def test_a_request_larger_than_the_log_is_taken_when_it_is_alone(new_log: NewLog) -> None:
    log = new_log(max_bytes=SIZE)
    await log.open()
    assert await log.append(request("span " + "a" * 1000)) == 1
    with pytest.raises(Overloaded):
        await log.append(request("span b"))


async def test_blocked_senders_are_served_in_turn(new_log: NewLog) -> None:
    log = new_log(max_bytes=2 * SIZE, when_full=WhenFull.BLOCK)
    await log.open()
    await log.register(["store"])
    for name in "ab":
        await log.append(request(f"span {name}"))
    waiting = [asyncio.create_task(log.append(request(f"span {name}"))) for name in "cd"]
    await settled(log)
    assert not any(task.done() for task in waiting)
    await log.save_cursors({"store": 2})
    assert await asyncio.gather(*waiting) == [3, 4]
    assert (await bodies(log))[-2:] == ["span c", "span d"]


async def test_a_small_request_does_not_overtake_a_blocked_large_one(new_log: NewLog) -> None:
    log = new_log(max_bytes=3 * SIZE, when_full=WhenFull.BLOCK)
    await log.open()
    await log.register(["store"])
    for name in "ab":
        await log.append(request(f"span {name}"))
    large = asyncio.create_task(log.append(request("span " + "c" * SIZE)))
    await settled(log)
    small = asyncio.create_task(log.append(request("span d")))
    await settled(log)
    assert not small.done()
    await log.save_cursors({"store": 2})
    assert list(await asyncio.gather(large, small)) == [3, 4]


async def test_a_blocked_sender_that_leaves_gives_its_place_up(new_log: NewLog) -> None:
    log = new_log(max_bytes=2 * SIZE, when_full=WhenFull.BLOCK)
    await log.open()
    await log.register(["store"])
    for name in "ab":
        await log.append(request(f"span {name}"))
    leaving = asyncio.create_task(log.append(request("span c")))
    staying = asyncio.create_task(log.append(request("span d")))
    await settled(log)
    leaving.cancel()
    await log.save_cursors({"store": 1})
    assert await staying == 3
    assert await bodies(log) == ["span b", "span d"]


async def test_a_blocked_sender_is_answered_when_the_log_closes(new_log: NewLog) -> None:
    log = new_log(max_bytes=SIZE, when_full=WhenFull.BLOCK)
    await log.open()
    await log.append(request("span a"))
    waiting = asyncio.create_task(log.append(request("span b")))
    await settled(log)
    await log.close()
    with pytest.raises(LogError, match=r"the log is (closed|not open)"):
        await waiting


async def test_dropping_the_oldest_is_counted(new_log: NewLog, caplog: pytest.LogCaptureFixture) -> None:
    log = new_log(max_bytes=3 * SIZE, when_full=WhenFull.DROP_OLDEST)
    await log.open()
    await log.register(["store"])
    for name in "abcd":
        await log.append(request(f"span {name}"))
    assert await bodies(log) == ["span b", "span c", "span d"]
    assert log.status().dropped == 1
    assert "dropped the 1 oldest entries" in caplog.text


async def test_a_large_request_drops_as_many_as_it_needs(new_log: NewLog) -> None:
    log = new_log(max_bytes=4 * SIZE, when_full=WhenFull.DROP_OLDEST)
    await log.open()
    for name in "abcd":
        await log.append(request(f"span {name}"))
    await log.append(request("span " + "e" * SIZE))
    assert [body[:6] for body in await bodies(log)] == ["span c", "span d", "span e"]
    assert log.status().bytes <= 4 * SIZE


async def test_a_log_whose_oldest_entry_waits_too_long_is_full(new_log: NewLog, clock: FakeClock) -> None:
    log = new_log(max_age=60.0)
    await log.open()
    await log.register(["store"])
    await log.append(request("span a", at_ns=clock.time_ns()))
    await clock.advance(50)
    await log.append(request("span b", at_ns=clock.time_ns()))
    await clock.advance(20)
    with pytest.raises(Overloaded, match="waits for the exporters longer than max_age"):
        await log.append(request("span c", at_ns=clock.time_ns()))
    await log.save_cursors({"store": 1})
    await log.append(request("span d", at_ns=clock.time_ns()))
    await clock.advance(50)
    with pytest.raises(Overloaded):
        await log.append(request("span e", at_ns=clock.time_ns()))
    await log.save_cursors({"store": 3})
    await log.append(request("span f", at_ns=clock.time_ns()))


async def test_blocked_senders_go_on_when_what_was_too_old_is_written(new_log: NewLog, clock: FakeClock) -> None:
    log = new_log(max_age=60.0, when_full=WhenFull.BLOCK)
    await log.open()
    await log.register(["store"])
    await log.append(request("span a", at_ns=clock.time_ns()))
    await clock.advance(70)
    waiting = asyncio.create_task(log.append(request("span b", at_ns=clock.time_ns())))
    await settled(log)
    assert not waiting.done()
    await log.save_cursors({"store": 1})
    assert await waiting == 2


async def test_only_what_waited_too_long_is_dropped_for_its_age(new_log: NewLog, clock: FakeClock) -> None:
    log = new_log(max_age=60.0, when_full=WhenFull.DROP_OLDEST)
    await log.open()
    await log.register(["store"])
    await log.append(request("span a", at_ns=clock.time_ns()))
    await clock.advance(50)
    await log.append(request("span b", at_ns=clock.time_ns()))
    await clock.advance(20)
    await log.append(request("span c", at_ns=clock.time_ns()))
    assert await bodies(log) == ["span b", "span c"]
    assert log.status().dropped == 1


@pytest.mark.parametrize("when_full", [WhenFull.REFUSE, WhenFull.DROP_OLDEST])
async def test_a_clock_that_is_set_ahead_makes_nothing_too_old(
    new_log: NewLog, clock: FakeClock, when_full: WhenFull
) -> None:
    log = new_log(max_age=60.0, when_full=when_full)
    await log.open()
    await log.register(["store"])
    await log.append(request("span a", at_ns=clock.time_ns()))
    clock.wall_ns += 365 * 86_400 * 10**9
    await log.append(request("span b", at_ns=clock.time_ns()))
    assert await bodies(log) == ["span a", "span b"]
    assert log.status().dropped == 0
