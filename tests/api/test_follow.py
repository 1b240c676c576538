"""Runs as they arrive: told once each, whatever their place in the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from spanledger.api.follow import Follow
from spanledger.api.parameters import parse_time
from spanledger.model.records import rfc3339

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


class Ledger:
    """Lists as the API gives them, with a clock."""

    def __init__(self) -> None:
        self.now = 1_772_359_200 * SECOND
        self.runs: dict[str, dict[str, Any]] = {}
        self.asked = 0
        self.failing = False

    def add(self, name: str, seconds_ago: float = 0, status: str = "success") -> None:
        started_at = rfc3339(self.now - round(seconds_ago * SECOND))
        self.runs[name] = {"run_id": name, "started_at": started_at, "status": status}

    def __call__(self, *, limit: int, cursor: str | None, filters: Mapping[str, Any]) -> dict[str, Any]:
        self.asked += 1
        if self.failing:
            raise ConnectionError
        oldest = parse_time(filters["from"]) if "from" in filters else 0
        found = sorted(
            (run for run in self.runs.values() if parse_time(run["started_at"]) >= oldest),
            key=lambda run: (run["started_at"], run["run_id"]),
            reverse=True,
        )
        begin = int(cursor or 0)
        end = begin + limit
        return {"data": found[begin:end], "next_cursor": str(end) if end < len(found) else None}

    def follow(self) -> Follow:
        return Follow(self, {}, HOUR, lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


def names(runs: list[dict[str, Any]]) -> list[str]:
    return [run["run_id"] for run in runs]


def test_it_begins_with_the_newest_oldest_first() -> None:
    ledger = Ledger()
    for seconds in range(5):
        ledger.add(f"run {seconds}", seconds)

    assert names(ledger.follow().begin(2)) == ["run 1", "run 0"]


def test_runs_that_are_too_old_to_change_are_shown_at_the_beginning_too() -> None:
    ledger = Ledger()
    ledger.add("old", 7200)
    ledger.add("new", 1)

    assert names(ledger.follow().begin(10)) == ["old", "new"]


def test_what_was_there_is_not_told_again() -> None:
    ledger = Ledger()
    for seconds in range(900):
        ledger.add(f"run {seconds}", seconds)
    follow = ledger.follow()
    follow.begin(0)
    ledger.wait(3600)

    assert follow.poll() == []


def test_a_run_is_told_once_and_again_when_it_ended() -> None:
    ledger = Ledger()
    follow = ledger.follow()
    follow.begin(10)
    ledger.add("a", 1, status="started")

    first, second = follow.poll(), follow.poll()
    ledger.add("a", 1)

    assert [names(first), second, names(follow.poll()), follow.poll()] == [["a"], [], ["a"], []]


def test_a_late_run_below_a_full_page_of_known_ones_is_told_with_the_next_whole_look() -> None:
    ledger = Ledger()
    for seconds in range(200):
        ledger.add(f"run {seconds}", seconds)
    follow = ledger.follow()
    follow.begin(0)
    ledger.add("late", 1800)

    assert follow.poll() == []
    ledger.wait(10)
    assert names(follow.poll()) == ["late"]


def test_more_than_a_page_at_once_is_told_whole_and_in_order() -> None:
    ledger = Ledger()
    follow = ledger.follow()
    follow.begin(0)
    for number in range(1200):
        ledger.add(f"run {number:04}", 1200 - number)

    assert names(follow.poll()) == [f"run {number:04}" for number in range(1200)]


def test_an_idle_look_reads_one_page() -> None:
    ledger = Ledger()
    for seconds in range(900):
        ledger.add(f"run {seconds}", seconds)
    follow = ledger.follow()
    follow.begin(0)
    before = ledger.asked
    follow.poll()

    assert ledger.asked == before + 1


def test_what_a_failed_look_missed_is_told_by_the_next() -> None:
    ledger = Ledger()
    follow = ledger.follow()
    follow.begin(0)
    ledger.add("a")
    ledger.failing = True
    with pytest.raises(ConnectionError):
        follow.poll()
    ledger.failing = False

    assert names(follow.poll()) == ["a"]


def test_memory_is_bounded() -> None:
    ledger = Ledger()
    for number in range(30_000):
        ledger.add(f"run {number:05}", number / 10)
    follow = ledger.follow()
    follow.begin(0)
    pages = ledger.asked
    ledger.wait(11)

    assert follow.poll() == []
    assert pages <= 42
    assert ledger.asked - pages <= 42
