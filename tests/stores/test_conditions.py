"""Conditions and groups: both stores against a few lines of Python that do the same."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from spanledger.exporters.conditions import (
    SEARCHED,
    TOTAL_TOKENS,
    All,
    Compare,
    Condition,
    Labelled,
    Not,
    Op,
    Scored,
    Some,
    Tagged,
    search,
)
from spanledger.exporters.store import By, GroupCursor, Grouping, GroupSort, RunFilter, RunJson, ScoreSort, Sort
from spanledger.model.records import Run, Score, Usage
from tests.exporters.records import HOUR, PROJECT, make_run, make_score, priced, recent
from tests.stores.ledger import StoreLedger

_WORDS = ("Ada", "ada l.", "50% off_", "ünï 'x'", 'a"b\\c', "gpt-4o", "Müller")


def _some_runs(chance: random.Random, number: int) -> list[Run]:
    """Runs of few different facts, so that conditions meet often."""

    def maybe(values: Iterable[Any]) -> Any:
        return chance.choice([None, *values])

    at = recent(1)
    return [
        priced(
            chance.choice(["0.5", "0.000000000001", "3"]),
            type=chance.choice(["llm", "tool", "agent"]),
            name=chance.choice(_WORDS),
            model=maybe(_WORDS),
            user_id=maybe(_WORDS),
            session_id=maybe(("s1", "s2")),
            parent_run_id=maybe(("00000000-0000-8000-8000-000000000001",)),
            status=chance.choice(["success", "error"]),
            duration_ns=maybe((0, 1_000, 2_000_000_000)),
            usage=chance.choice(
                [None, Usage(input_tokens=5), Usage(output_tokens=7), Usage(input_tokens=5, output_tokens=7)]
            ),
            billable=chance.choice([True, False]),
            tags=chance.sample(_WORDS, chance.randrange(3)),
            metadata={key: chance.choice(_WORDS) for key in chance.sample(("k", "K", "a.b"), chance.randrange(3))},
            prompt=maybe(({"name": chance.choice(_WORDS)}, {"name": "p", "version": chance.choice(_WORDS)}, {})),
            input=chance.choice([None, "What does Ada say?", "nothing"]),
            started_at=at - index * 1_000_000,
        )
        for index in range(number)
    ]


_TEXTS = ("name", "type", "status", "model", "user_id", "session_id", "prompt_name", "prompt_version")
_NUMBERS = ("duration_ns", "input_tokens", "output_tokens", TOTAL_TOKENS)
_ORDER = (Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.EXISTS)


def _condition(chance: random.Random, depth: int) -> Condition:
    """Any condition."""
    word = chance.choice([*_WORDS, "ADA", "error", "llm", "s1"])
    if depth and chance.random() < 0.5:
        inner = tuple(_condition(chance, depth - 1) for _ in range(chance.randrange(4)))
        trees: list[Condition] = [All(inner), Some(inner), Not(_condition(chance, depth - 1))]
        return chance.choice(trees)
    match chance.randrange(8):
        case 0:
            return Compare(chance.choice(_TEXTS), chance.choice([Op.EQ, Op.NE, Op.CONTAINS, Op.EXISTS]), word)
        case 1:
            return Compare(chance.choice(_TEXTS), chance.choice([Op.EQ, Op.NE]), (word, chance.choice(_WORDS)))
        case 2:
            return Compare(chance.choice(_NUMBERS), chance.choice(_ORDER), chance.choice([0, 5, 7, 12, 1_000, 10**18]))
        case 3:
            return Compare("cost", chance.choice(_ORDER), Decimal(chance.choice(["0.5", "0.000000000001", "2"])))
        case 4:
            others: list[Condition] = [Tagged(word), search(word), Compare("billable", Op.EQ, chance.randrange(2))]
            return chance.choice(others)
        case 5:
            ops = [Op.EQ, Op.NE, Op.CONTAINS, Op.EXISTS]
            return Labelled(chance.choice(["k", "a.b", "none"]), chance.choice(ops), word)
        case 6:
            return Scored("quality", chance.choice(_ORDER), chance.choice([0.0, 0.5, 1.0]))
        case _:
            return Scored(chance.choice(["thumb", "none"]), chance.choice([Op.EQ, Op.EXISTS]), "up")


def _holds(condition: Condition, run: RunJson, scores: list[Score]) -> bool:
    """The condition by hand."""
    match condition:
        case All(of):
            return all(_holds(each, run, scores) for each in of)
        case Some(of):
            return any(_holds(each, run, scores) for each in of)
        case Not(inner):
            return not _holds(inner, run, scores)
        case Tagged(tag):
            return tag in run["tags"]
        case Labelled(key, op, value):
            return _compares(run["metadata"].get(key), op, value)
        case Scored(name, op, value):
            own = [score.value for score in scores if score.run_id == run["run_id"] and score.name == name]
            own = [each for each in own if each is not None and isinstance(each, str) == isinstance(value, str)]
            return any(_compares(each, op, value) for each in own)
        case Compare(field, op, value):
            return _compares(_fact(run, field), op, value)


def _fact(run: RunJson, field: str) -> Any:
    usage = run["usage"] or {}
    if field == TOTAL_TOKENS:
        known = [usage[each] for each in ("input_tokens", "output_tokens") if usage.get(each) is not None]
        return sum(known) if known else None
    if field.endswith("_tokens"):
        return usage.get(field)
    if field.startswith("prompt_"):
        return (run.get("prompt") or {}).get(field.removeprefix("prompt_"))
    if field == "cost":
        return None if run["cost"] is None else Decimal(run["cost"]["total"])
    if field == "error_message":
        return (run["error"] or {}).get("message")
    return run[field]


def _compares(fact: Any, op: Op, value: Any) -> bool:
    if op is Op.NE:
        return fact not in value if isinstance(value, tuple) else fact != value
    if fact is None:
        return False
    match op:
        case Op.EXISTS:
            return True
        case Op.CONTAINS:
            return _lower(value) in _lower(fact)
        case Op.EQ:
            return fact in value if isinstance(value, tuple) else bool(fact == value)
        case Op.LT:
            return bool(fact < value)
        case Op.LE:
            return bool(fact <= value)
        case Op.GT:
            return bool(fact > value)
        case _:
            return bool(fact >= value)


def _lower(text: str) -> str:
    return "".join(each.lower() if each.isascii() else each for each in text)


async def test_every_condition_means_what_it_means_in_python(stored: StoreLedger) -> None:
    chance = random.Random(7)
    runs = _some_runs(chance, 80)
    scores = [
        make_score(run, name=name, value=value)
        for run in runs[:40]
        for name, value in (
            ("quality", chance.choice([0.0, 0.5, 1, True, None])),
            ("thumb", chance.choice(["up", "down"])),
        )
    ]
    await stored.write(*runs, *scores)
    everything = await stored.listed()
    assert len(everything) == len(runs)

    for _ in range(50):
        condition = _condition(chance, 3)
        found = {run["run_id"] for run in await stored.listed(where=condition)}
        expected = {run["run_id"] for run in everything if _holds(condition, run, scores)}
        assert found == expected, condition


async def test_a_search_looks_where_lists_show_something(stored: StoreLedger) -> None:
    await stored.write(
        make_run(name="a", input="Where is the LIGHTHOUSE?"),
        make_run(name="b", output="no lighthouse here"),
        make_run(name="c", user_id="lighthouse-keeper"),
        make_run(name="d"),
        found := make_run(name="e"),
    )

    assert {run["name"] for run in await stored.listed(where=search("lighthouse"))} == {"a", "b", "c"}
    assert [run["name"] for run in await stored.listed(where=search(found.run_id))] == ["e"]
    assert "output_preview" in SEARCHED


async def test_lists_sort_by_facts_with_the_unknown_last(stored: StoreLedger) -> None:
    await stored.write(
        priced("1", name="a", duration_ns=30, usage=Usage(input_tokens=1, output_tokens=1)),
        priced("3", name="b", duration_ns=None, usage=Usage(output_tokens=9)),
        priced("2", name="c", duration_ns=10, usage=None),
    )

    async def names(sort: Sort, *, descending: bool, **page: int) -> str:
        runs = await stored.store.sorted_runs(RunFilter(PROJECT), sort, descending=descending, **page)
        return "".join(run["name"] for run in runs)

    assert await names(Sort.COST, descending=True) == "bca"
    assert await names(Sort.COST, descending=False, limit=1, offset=1) == "c"
    assert await names(Sort.DURATION, descending=True) == "acb"
    assert await names(Sort.DURATION, descending=False) == "cab"
    assert await names(Sort.TOKENS, descending=True) == "bac"


async def test_lists_sort_by_the_newest_number_of_a_score(stored: StoreLedger) -> None:
    chance = random.Random(8)
    runs = _some_runs(chance, 40)
    scores = [
        make_score(run, f"{number}", chance.choice([0.0, 0.5, 1, -2, True, None, "text"]), at=recent(chance.random()))
        for run in runs
        for number in range(chance.randrange(3))
    ]
    for score in scores:
        score.name = chance.choice(["quality", "other"])
    taken_back = [replace(score, value=None, version=score.version + 1) for score in scores[:5]]
    await stored.write(*runs, *scores)
    await stored.write(*taken_back)
    last = {score.score_id: score for score in (*scores, *taken_back)}
    numbers: dict[str, tuple[int, str, float]] = {}
    for score in last.values():
        if score.name == "quality" and isinstance(score.value, int | float) and score.run_id is not None:
            found = (score.at or -1, score.score_id, float(score.value))
            numbers[score.run_id] = max(found, numbers.get(score.run_id, found))

    def place(run: Run, *, descending: bool) -> tuple[Any, ...]:
        number = numbers.get(run.run_id)
        value = 0.0 if number is None else number[2]
        return (number is None, -value if descending else value, -run.started_at)

    for descending in (True, False):
        expected = [
            run.run_id for run in sorted(runs, key=lambda run: place(run, descending=descending)) if run.billable
        ]
        listed = await stored.store.sorted_runs(
            RunFilter(PROJECT, billable=True), ScoreSort("quality"), descending=descending, limit=10, offset=3
        )
        assert [run["run_id"] for run in listed] == expected[3:13]


async def test_what_is_written_without_contents_keeps_its_prompt(stored: StoreLedger) -> None:
    await stored.write(make_run(prompt={"name": "greeting", "version": 7, "template": "Hi {name}"}))
    found = [run async for page in stored.store.scan(RunFilter(PROJECT)) for run in page]

    await stored.write(*(replace(run, version=run.version + 1, name="again") for run in found))

    (run,) = await stored.listed(where=Compare("prompt_version", Op.EQ, "7"))
    assert (run["name"], run["prompt"]) == ("again", {"name": "greeting", "version": "7"})
    whole = await stored.store.get_run(PROJECT, run["run_id"])
    assert whole is not None
    assert whole["prompt"] == {"name": "greeting", "version": 7, "template": "Hi {name}"}


async def test_groups_sum_by_fact(stored: StoreLedger) -> None:
    at = recent(1)
    await stored.write(
        priced("1", model="a", user_id="ada", tags=["x", "y"], duration_ns=10, started_at=at - 5),
        priced("2", model="a", user_id="bob", tags=["x"], duration_ns=20, status="error", started_at=at - 4),
        priced("4", model="b", user_id="bob", duration_ns=None, started_at=at - 3),
        make_run(model=None, type="tool", started_at=at - 2),
    )

    by_model = await stored.store.groups(RunFilter(PROJECT), Grouping(By.MODEL, latency=True))
    assert [(group.key, group.totals.runs, group.totals.errors, group.totals.cost) for group in by_model] == [
        ("a", 2, 1, Decimal(3)),
        ("b", 1, 0, Decimal(4)),
    ]
    assert [(group.first_at, group.last_at, group.users) for group in by_model] == [
        (at - 5, at - 4, 2),
        (at - 3, at - 3, 1),
    ]
    assert by_model[0].duration_ns == pytest.approx((15, 19, 19.5, 19.9))
    assert by_model[1].duration_ns in ((), (None, None, None, None))
    by_tag = await stored.store.groups(RunFilter(PROJECT), Grouping(By.TAG, sort=GroupSort.COST, descending=True))
    assert [(group.key, group.totals.cost) for group in by_tag] == [("x", Decimal(3)), ("y", Decimal(1))]
    (everything,) = await stored.store.groups(RunFilter(PROJECT), Grouping())
    assert (everything.key, everything.totals.runs, everything.totals.cost) == (None, 4, Decimal(7))
    named = await stored.store.groups(RunFilter(PROJECT), Grouping(By.USER, contains="BO"))
    assert [group.key for group in named] == ["bob"]


async def test_groups_by_time_begin_at_multiples_of_the_width(stored: StoreLedger) -> None:
    at = recent(0)
    await stored.write(
        priced("1", model="a", started_at=at - HOUR + 1),
        priced("2", model="a", started_at=at - 1),
        priced("4", model="b", started_at=at),
    )

    found = await stored.store.groups(RunFilter(PROJECT), Grouping(By.MODEL, HOUR))

    assert [(group.bucket, group.key, group.totals.cost) for group in found] == [
        (at - HOUR, "a", Decimal(3)),
        (at, "b", Decimal(4)),
    ]


async def test_pages_of_groups_hold_each_once_while_runs_arrive(stored: StoreLedger) -> None:
    at = recent(10)
    await stored.write(*(make_run(session_id=f"s{number}", started_at=at - number % 4) for number in range(9)))
    grouping = Grouping(By.SESSION, sort=GroupSort.LAST, descending=True, limit=4)
    seen: list[str] = []
    after: GroupCursor | None = None
    while True:
        page = await stored.store.groups(
            RunFilter(PROJECT), Grouping(By.SESSION, sort=grouping.sort, descending=True, limit=4, after=after)
        )
        seen += [str(group.key) for group in page]
        if not page:
            break
        after = GroupCursor.decode(GroupCursor(page[-1].last_at, str(page[-1].key)).encode())
        await stored.write(make_run(session_id=seen[0], started_at=at + len(seen)))

    assert sorted(seen) == [f"s{number}" for number in range(9)]


async def test_groups_of_nothing(stored: StoreLedger) -> None:
    assert await stored.store.groups(RunFilter(PROJECT), Grouping(By.MODEL, latency=True)) == []


async def test_scores_of_several_runs_come_at_once(stored: StoreLedger) -> None:
    first, second = make_run(), make_run()
    scores = [make_score(run, name="thumb", value="up", at=recent(1)) for run in (first, second)]
    await stored.write(first, second, *scores)

    found = await stored.store.scores_of(PROJECT, [first.run_id, second.run_id, "no id"])

    assert {score["run_id"] for score in found} == {first.run_id, second.run_id}
    assert await stored.store.scores_of(PROJECT, []) == []
