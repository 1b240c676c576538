"""Messages that come slowly are given up when the process grows too much."""

from __future__ import annotations

import asyncio

import pytest

from spanledger.errors import Overloaded
from spanledger.receiver import slow_messages
from spanledger.receiver.memory import resident_bytes
from spanledger.receiver.slow_messages import SlowMessages


class Message:
    def __init__(self) -> None:
        self.given_up = asyncio.Event()

    def give_up(self) -> None:
        self.given_up.set()


class Memory:
    """Of a process, as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 1000
        monkeypatch.setattr(slow_messages, "resident_bytes", lambda: self.bytes)
        monkeypatch.setattr(slow_messages, "_INTERVAL", 0.001)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    return Memory(monkeypatch)


async def test_all_are_given_up_but_the_first(memory: Memory) -> None:
    slow, messages = SlowMessages(100), [Message() for _ in range(4)]
    slow.begin()
    for message in messages:
        slow.add(message)
    memory.bytes = 1101
    for message in messages[1:]:
        await message.given_up.wait()
    assert not messages[0].given_up.is_set()
    slow.remove(messages[0])


async def test_within_the_bound_nothing_is_given_up(memory: Memory) -> None:
    slow, messages = SlowMessages(100), [Message() for _ in range(4)]
    slow.begin()
    for message in messages:
        slow.add(message)
    memory.bytes = 1100
    await asyncio.sleep(0.01)
    assert not any(message.given_up.is_set() for message in messages)
    for message in messages:
        slow.remove(message)


async def test_what_came_before_a_message_was_known_to_be_slow_counts(memory: Memory) -> None:
    slow, first, second = SlowMessages(100), Message(), Message()
    slow.begin()
    memory.bytes = 1101
    slow.add(first)
    slow.add(second)
    await second.given_up.wait()
    slow.remove(first)


async def test_none_is_begun_while_the_others_take_too_much(memory: Memory) -> None:
    slow, first, second = SlowMessages(100), Message(), Message()
    slow.begin()
    slow.add(first)
    slow.add(second)
    memory.bytes = 1101
    await second.given_up.wait()
    with pytest.raises(Overloaded):
        slow.begin()
    slow.remove(first)
    slow.begin()


async def test_growth_counts_from_the_last_message_that_was_not_slow(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, before, first, second = SlowMessages(100), Message(), Message(), Message()
    slow.begin()
    slow.add(before)
    slow.remove(before)
    memory.bytes = 2000
    monkeypatch.setattr(slow_messages, "_SAMPLED_EVERY", 0)
    slow.begin()
    slow.add(first)
    slow.add(second)
    memory.bytes = 2050
    await asyncio.sleep(0.01)
    assert not second.given_up.is_set()
    memory.bytes = 2101
    await second.given_up.wait()
    slow.remove(first)


async def test_only_as_many_are_begun_as_could_all_be_of_the_largest_size() -> None:
    slow = SlowMessages(100, max_message=50)
    await slow.turn()
    await slow.turn()
    third = asyncio.create_task(slow.turn())
    await asyncio.sleep(0)
    assert not third.done()
    slow.leave()
    await third


def test_the_memory_of_this_process_is_known() -> None:
    assert resident_bytes() > 1 << 20
