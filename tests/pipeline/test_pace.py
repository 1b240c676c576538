"""When a group of appends is given to the writer."""

from __future__ import annotations

import asyncio

from spanledger.pipeline.pace import Pace
from tests.pipeline.doubles import FakeClock

WINDOW = 0.002


class Groups:
    """What a log does with its pace: gathers, hands over, and hears of the end of a sync when the test says so."""

    def __init__(self, clock: FakeClock, window: float = WINDOW) -> None:
        self.gathered = 0
        self.handed: list[int] = []
        self.pace = Pace(window, clock, self.hand_over)

    def hand_over(self) -> None:
        self.handed.append(self.gathered)
        self.gathered = 0
        self.pace.handed(self.handed[-1])

    async def add(self, count: int, size: int = 1) -> None:
        for _ in range(count):
            self.gathered += 1
            self.pace.added(self.gathered, size)
        await asyncio.sleep(0)

    async def settle(self) -> None:
        self.pace.settled(self.gathered)
        await asyncio.sleep(0)

    async def rounds(self, clock: FakeClock, count: int, number: int = 8) -> None:
        """So many groups of so many, one after the other."""
        for _ in range(number):
            await self.add(count)
            if self.gathered:
                await clock.advance(WINDOW)
            await self.settle()
        self.handed.clear()


async def test_a_sender_that_is_alone_waits_for_nobody(clock: FakeClock) -> None:
    groups = Groups(clock)
    await groups.rounds(clock, 1)
    await groups.add(1)
    assert groups.handed == [1]


async def test_at_first_nobody_knows_how_many_senders_there_are(clock: FakeClock) -> None:
    groups = Groups(clock)
    await groups.add(1)
    await groups.add(1)
    assert groups.handed == []
    await clock.advance(WINDOW)
    assert groups.handed == [2]


async def test_a_group_as_large_as_those_before_does_not_wait_for_its_time(clock: FakeClock) -> None:
    groups = Groups(clock)
    await groups.rounds(clock, 3)
    await groups.add(2)
    assert groups.handed == []
    await groups.add(1)
    assert groups.handed == [3]


async def test_a_group_that_is_large_enough_waits_for_no_more(clock: FakeClock) -> None:
    groups = Groups(clock)
    await groups.rounds(clock, 100)
    await groups.add(31)
    assert groups.handed == []
    await groups.add(1)
    assert groups.handed == [32]


async def test_senders_that_left_are_waited_for_only_a_while(clock: FakeClock) -> None:
    groups = Groups(clock)
    await groups.rounds(clock, 3)
    await groups.rounds(clock, 1)
    await groups.add(1)
    assert groups.handed == [1]


async def test_what_comes_during_a_sync_shares_the_next_one(clock: FakeClock) -> None:
    groups = Groups(clock)
    await groups.rounds(clock, 1)
    await groups.add(1)
    await groups.add(3)
    await clock.advance(1)
    assert groups.handed == [1]
    await groups.settle()
    assert groups.handed == [1, 3]


async def test_what_came_during_a_short_sync_waits_for_the_rest_of_its_time(clock: FakeClock) -> None:
    groups = Groups(clock)
    await groups.rounds(clock, 4)
    await groups.add(4)
    await groups.add(2)
    await clock.advance(WINDOW / 2)
    await groups.settle()
    assert groups.handed == [4]
    await clock.advance(WINDOW / 2)
    assert groups.handed == [4, 2]


async def test_a_large_group_waits_for_neither_time_nor_sync(clock: FakeClock) -> None:
    groups = Groups(clock)
    await groups.add(1, size=4 << 20)
    await groups.add(1, size=4 << 20)
    assert groups.handed == [1, 1]


async def test_without_a_window_everything_goes_at_once(clock: FakeClock) -> None:
    groups = Groups(clock, window=0)
    await groups.add(5)
    await groups.settle()
    await groups.add(1)
    assert groups.handed == [5, 1]
