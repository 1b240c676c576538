"""When a worker that died is started again."""

from __future__ import annotations

from spanledger.workers.restarts import Restarts


def test_it_waits_twice_as_long_with_each_death_up_to_a_minute() -> None:
    restarts = Restarts()
    assert [restarts.died(ran_for=1) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert restarts.total == 9


def test_the_third_death_in_a_row_is_a_crash_loop() -> None:
    restarts = Restarts()
    told = []
    for _ in range(3):
        restarts.died(ran_for=1)
        told.append(restarts.is_crash_loop)
    assert told == [False, False, True]


def test_one_that_ran_long_begins_anew() -> None:
    restarts = Restarts()
    for _ in range(5):
        restarts.died(ran_for=1)
    assert restarts.died(ran_for=3600) == 0.5
    assert not restarts.is_crash_loop
