"""Token buckets and quotas, with a clock in the test's hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.access.allowance import Allowance
from spanledger.access.settings import LimitSettings
from spanledger.access.tally import Tally
from spanledger.errors import Throttled


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def wait_of(allowance: Allowance) -> float:
    try:
        allowance.enter()
    except Throttled as refused:
        return refused.retry_after
    return 0.0


def test_requests_may_come_in_a_burst_and_then_at_the_rate() -> None:
    clock = Clock()
    allowance = Allowance(LimitSettings(requests_per_second=2, burst=2), clock)
    assert [wait_of(allowance) for _ in range(4)] == [0, 0, 0, 0]
    assert wait_of(allowance) == pytest.approx(0.5)
    clock.now = 0.5
    assert wait_of(allowance) == 0


def test_a_request_beyond_the_allowance_is_taken_and_paid_for_after() -> None:
    clock = Clock()
    allowance = Allowance(LimitSettings(mib_per_second=1, burst=1), clock)
    allowance.enter()
    allowance.charge(items=1, size=5 << 20)
    assert wait_of(allowance) == pytest.approx(4.0, abs=0.01)
    clock.now = 4.01
    assert wait_of(allowance) == 0


def test_a_quota_ends_at_midnight_utc() -> None:
    clock, wall = Clock(), Clock(86_400 * 20_000 + 80_000)
    allowance = Allowance(LimitSettings(items_per_day=100), clock, wall)
    allowance.enter()
    allowance.charge(items=100, size=0)
    assert wait_of(allowance) == 6_400
    wall.now += 6_400
    assert wait_of(allowance) == 0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=60))
def test_whatever_comes_the_rate_is_held(requests: list[tuple[float, int]]) -> None:
    """Items taken never exceed burst + rate x time by more than the last request."""
    clock = Clock()
    allowance = Allowance(LimitSettings(items_per_second=10, burst=2), clock)
    taken = 0
    for pause, items in requests:
        clock.now += pause
        if wait_of(allowance) == 0:
            assert taken <= 20 + 10 * clock.now + 1e-6
            allowance.charge(items, 0)
            taken += items


def test_processes_that_share_a_tally_count_together(tmp_path: Path) -> None:
    clock, wall = Clock(5.0), Clock(1_772_359_200.0)
    limits = LimitSettings(requests_per_second=1, burst=3, items_per_day=100)
    tallies = [Tally(tmp_path / "tally") for _ in range(2)]
    first, second = (Allowance(limits, clock, wall, tally.slot("shop")) for tally in tallies)
    assert [wait_of(one) for one in (first, second, first)] == [0, 0, 0]
    assert wait_of(second) == pytest.approx(1.0)
    clock.now += 3600
    first.charge(100, 0)
    assert wait_of(second) > 0
    for tally in tallies:
        tally.close()


def test_a_quota_outlives_a_restart_and_a_machine_that_starts_anew(tmp_path: Path) -> None:
    wall = Clock(1_772_359_200.0)
    limits = LimitSettings(items_per_second=10, burst=1, items_per_day=100)
    for uptime, expected in ((9_000.0, False), (9_001.0, True), (3.0, True)):
        tally = Tally(tmp_path / "tally")
        allowance = Allowance(limits, Clock(uptime), wall, tally.slot("shop"))
        assert (wait_of(allowance) > 0) is expected
        allowance.charge(100, 0)
        tally.close()


def test_every_name_has_a_slot_of_its_own(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally")
    slots = [tally.slot(f"project {number}") for number in range(300)]
    for number, slot in enumerate(slots):
        assert slot is not None
        with slot.numbers() as numbers:
            numbers[0] = number + 1
    again = Tally(tmp_path / "tally")
    for number in range(300):
        slot = again.slot(f"project {number}")
        assert slot is not None
        with slot.numbers() as numbers:
            assert numbers[0] == number + 1
    tally.close()
    again.close()
