"""Room for requests: taken before they are read, given back afterwards, refused with a time to come back."""

from __future__ import annotations

import asyncio

import pytest

from spanledger.errors import Overloaded
from spanledger.receiver import memory
from spanledger.receiver.admission import Admission, Turnstile
from spanledger.receiver.memory import MemoryLimit


def test_room_is_taken_and_given_back() -> None:
    admission = Admission(100)
    with admission.reserve(60) as reservation:
        reservation.grow(90)
        assert admission.used == 90
        reservation.shrink(10)
        assert admission.used == 10
    assert admission.used == 0


def test_a_request_without_room_is_refused() -> None:
    admission = Admission(100)
    with admission.reserve(60):
        with pytest.raises(Overloaded, match="60 of 100 bytes are in flight"):
            admission.reserve(41)
        assert (admission.used, admission.refused) == (60, 1)


def test_a_request_that_grows_without_room_is_refused_and_gives_all_back() -> None:
    admission = Admission(100)
    with admission.reserve(60):
        with pytest.raises(Overloaded), admission.reserve(10) as growing:
            growing.grow(50)
        assert admission.used == 60


def test_a_request_larger_than_the_bound_passes_when_it_is_alone() -> None:
    admission = Admission(100)
    with admission.reserve(1000) as reservation:
        reservation.grow(2000)
        with pytest.raises(Overloaded):
            admission.reserve(1)


@pytest.mark.parametrize(("rate", "delay"), [(0.0, 1), (10.0, 5), (0.1, 30), (1000.0, 1)])
def test_the_delay_follows_the_drain_rate_within_bounds(rate: float, delay: float) -> None:
    admission = Admission(100, lambda: rate)
    with admission.reserve(100), pytest.raises(Overloaded) as refused:
        admission.reserve(50)
    assert refused.value.retry_after == delay


async def test_the_turnstile_lets_pass_in_order_as_room_comes() -> None:
    turnstile, passed = Turnstile(100), []

    async def go(size: int) -> None:
        await turnstile.wait(size)
        passed.append(size)

    assert turnstile.pass_at_once(80)
    others = [asyncio.ensure_future(go(size)) for size in (30, 60, 20)]
    await asyncio.sleep(0)
    assert not turnstile.pass_at_once(1), "nobody overtakes"
    turnstile.leave(80)
    await asyncio.wait(others[:2])
    assert passed == [30, 60]
    turnstile.leave(30)
    await others[2]
    assert passed == [30, 60, 20]


async def test_one_that_is_cancelled_while_it_waits_stands_in_nobodys_way() -> None:
    turnstile = Turnstile(100)
    assert turnstile.pass_at_once(80)
    large, small = (asyncio.ensure_future(turnstile.wait(size)) for size in (90, 10))
    await asyncio.sleep(0)
    large.cancel()
    await small
    turnstile.leave(80)
    turnstile.leave(10)
    assert turnstile.pass_at_once(100)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the process takes, as told; the last one counts."""
    told = [0]
    monkeypatch.setattr(memory, "resident_bytes", lambda: told[-1])
    monkeypatch.setattr(memory, "_SAMPLED_EVERY", 0)
    return told


async def test_the_door_is_closed_while_the_process_takes_too_much(taken: list[int]) -> None:
    admission = Admission(100, memory=MemoryLimit(1000))
    with admission.reserve(1):
        taken.append(800)
        with admission.reserve(1) as known:
            taken.append(801)
            known.grow(2)  # it was let in before
            with pytest.raises(Overloaded, match="memory"):
                admission.reserve(1)
    with pytest.raises(Overloaded):
        admission.reserve(1)
    taken.append(800)
    admission.reserve(1)


async def test_a_process_that_stays_above_takes_one_request_at_a_time(
    taken: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "_PASSES", 0)
    admission = Admission(100, memory=MemoryLimit(1000))
    taken.append(900)
    with admission.reserve(1), pytest.raises(Overloaded):
        admission.reserve(1)
    with admission.reserve(1):
        pass
    assert caplog.text.count("few requests are received now") == 1


def test_memory_can_be_given_back() -> None:
    memory.give_back()
