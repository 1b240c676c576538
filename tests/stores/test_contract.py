"""What every store must do alike: the writing side."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.exporters.base import WRITTEN
from spanledger.exporters.store import RunFilter
from spanledger.model.ids import uuid8
from spanledger.model.records import Cost, Run, RunError
from tests.exporters.records import HOUR, PROJECT, as_json, make_run, make_score, priced, recent, runs
from tests.stores.ledger import StoreLedger

DAY = 24 * HOUR


def changed(run: Run, **facts: Any) -> Run:
    """A later version of a run."""
    return msgspec.structs.replace(run, **({"version": run.version + 1} | facts))


async def test_a_run_comes_back_as_it_was_written(stored: StoreLedger) -> None:
    run = priced(
        "0.000000000001",
        input=[{"role": "user", "parts": [{"type": "text", "content": "hello"}]}],
        output={"text": "a\0b"},
        metadata={"a": "b"},
        tags=["x", "y"],
        error=RunError(type="timeout", message="too slow", code="504", stack="at line 1"),
        user_id="",
        session_id=None,
        warnings=["estimated_usage"],
    )

    assert await stored.write(run) == WRITTEN

    assert await stored.store.get_run(PROJECT, run.run_id) == as_json(run)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batch=st.lists(runs, min_size=1, max_size=5, unique_by=lambda run: run.run_id))
async def test_any_run_without_nul_comes_back(stored: StoreLedger, batch: list[Run]) -> None:
    batch = [without_nul(run) for run in batch]

    assert await stored.write(*batch) == WRITTEN

    for run in batch:
        assert await stored.store.get_run(PROJECT, run.run_id) == as_json(run)


def without_nul(run: Run) -> Run:
    """The run without NUL outside its contents, which only ClickHouse takes everywhere."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("\0", "")
        if isinstance(value, list):
            return [clean(item) for item in value]
        if isinstance(value, dict):
            return {clean(key): clean(item) for key, item in value.items()}
        if isinstance(value, msgspec.Struct):
            return msgspec.structs.replace(value, **{n: clean(getattr(value, n)) for n in value.__struct_fields__})
        return value

    cleaned = clean(run)
    assert isinstance(cleaned, Run)
    return cleaned


async def test_a_redelivery_in_other_cuts_changes_nothing(stored: StoreLedger) -> None:
    batch = [priced("0.25", span_id=f"{number:016x}") for number in range(40)]
    await stored.write(*batch)
    before = await stored.listed()

    shuffled = random.Random(1).sample(batch, len(batch))
    await stored.write(*batch)
    for cut in (shuffled[:7], shuffled[7:33], shuffled[30:]):
        await stored.write(*cut)

    assert await stored.listed() == before
    assert (await stored.store.totals(RunFilter(PROJECT))).cost == Decimal(10)


async def test_a_run_that_is_twice_in_a_batch_is_one_run(stored: StoreLedger) -> None:
    run = make_run(name="first", input="first")
    later = changed(run, name="second", input="second")

    await stored.write(later, run)

    assert await stored.store.get_run(PROJECT, run.run_id) == as_json(later)
    assert len(await stored.listed()) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_the_highest_version_wins_in_whatever_order_they_come(stored: StoreLedger, order: Sequence[int]) -> None:
    run = priced("1", name="v0", input="v0")
    versions = [run, changed(run, name="v1", input="v1", version=1), changed(run, name="v2", input="v2", version=2)]

    for number in order:
        await stored.write(versions[number])

    assert await stored.store.get_run(PROJECT, run.run_id) == as_json(versions[2])
    assert (await stored.store.totals(RunFilter(PROJECT))).billable_runs == 1


async def test_of_equal_versions_the_later_counts(stored: StoreLedger) -> None:
    run = make_run(name="first")
    await stored.write(run)

    await stored.write(changed(run, name="second", version=run.version))

    assert [run["name"] for run in await stored.listed()] == ["second"]


async def test_a_late_parent_makes_its_children_inherit(stored: StoreLedger) -> None:
    child = make_run(name="child", user_id=None)
    parent = make_run(name="parent", type="agent", user_id="ada", started_at=child.started_at - 1_000)
    await stored.write(child)

    heir = changed(child, parent_run_id=parent.run_id, user_id="ada", inherited=["user_id"])
    await stored.write(parent, heir)

    assert {run["name"]: run["parent_run_id"] for run in await stored.listed(users=["ada"])} == {
        "child": parent.run_id,
        "parent": None,
    }


async def test_a_score_may_come_before_its_run_and_again(stored: StoreLedger) -> None:
    run = make_run()
    score = make_score(run, "thumb", "up")
    await stored.write(score)
    await stored.write(run)

    await stored.write(score)
    await stored.write(make_score(run, "thumb", "down", version=3, comment="no"))
    await stored.write(make_score(run, "thumb", "up", version=2))

    assert await stored.store.scores(PROJECT, run.run_id) == [
        as_json(make_score(run, "thumb", "down", version=3, comment="no"))
    ]


async def test_a_withdrawn_run_is_gone_whatever_comes_first(stored: StoreLedger) -> None:
    withdrawn_last, withdrawn_first = priced("1"), priced("2")
    await stored.write(withdrawn_last)
    await stored.write(changed(withdrawn_last, withdrawn=True))

    await stored.write(changed(withdrawn_first, withdrawn=True))
    await stored.write(withdrawn_first)

    assert await stored.listed() == []
    assert await stored.store.get_run(PROJECT, withdrawn_last.run_id) is None
    assert await stored.store.get_run(PROJECT, withdrawn_first.run_id) is None
    assert (await stored.store.totals(RunFilter(PROJECT))).runs == 0


async def test_a_withdrawn_run_that_was_one_after_all_comes_back(stored: StoreLedger) -> None:
    run = make_run(input="hello")
    await stored.write(run)
    await stored.write(changed(run, withdrawn=True, version=5))

    back = changed(run, version=6, input="again")
    await stored.write(back)

    assert await stored.store.get_run(PROJECT, run.run_id) == as_json(back)


async def test_a_correction_without_contents_keeps_the_contents(stored: StoreLedger) -> None:
    run = priced("1", input="the question", output="the answer")
    await stored.write(run)
    (page,) = [page async for page in stored.store.scan(RunFilter(PROJECT)) if page]

    dearer = changed(page[0], cost=Cost(total=Decimal(2), source="priced"))
    await stored.write(dearer)

    found = await stored.store.get_run(PROJECT, run.run_id)
    assert found == as_json(changed(run, cost=dearer.cost))


async def test_contents_that_come_after_a_correction_are_kept_with_it(stored: StoreLedger) -> None:
    run = make_run(name="as sent", input="the question")
    corrected = changed(run, name="corrected", version=2, without_contents=True)

    await stored.write(corrected)
    await stored.write(run)

    found = await stored.store.get_run(PROJECT, run.run_id)
    assert found is not None
    assert (found["name"], found["input"]) == ("corrected", "the question")


async def test_one_record_that_cannot_be_stored_does_not_hold_up_the_others(stored: StoreLedger) -> None:
    good = [make_run(), make_run(), make_run()]
    bad = make_run(run_id="no uuid")

    result = await stored.write(good[0], bad, *good[1:])

    assert result.retry is None
    assert [rejection.index for rejection in result.rejected] == [1]
    assert {run["run_id"] for run in await stored.listed()} == {run.run_id for run in good}


async def test_broken_text_is_repaired_and_named(stored: StoreLedger) -> None:
    run = make_run(name="half \ud83d", input={"text": "half \ud83d"})

    assert await stored.write(run) == WRITTEN

    found = await stored.store.get_run(PROJECT, run.run_id)
    assert found is not None
    assert (found["name"], found["input"]) == ("half �", {"text": "half �"})
    assert "invalid_unicode:name" in found["warnings"]


async def test_ids_as_long_as_a_page_are_kept_and_found(stored: StoreLedger) -> None:
    long = "x" * 5000
    run = make_run(user_id=long, session_id=long + "s", trace_id=long + "t", run_id=uuid8("long", "ids"))
    other = make_run(user_id=long + "!", session_id=long, trace_id=long, run_id=uuid8("other", "ids"))

    assert await stored.write(run, other) == WRITTEN

    assert [found["run_id"] for found in await stored.listed(users=[long])] == [run.run_id]
    assert [found["run_id"] for found in await stored.listed(sessions=[long + "s"])] == [run.run_id]
    assert [found["run_id"] for found in await stored.store.trace(PROJECT, long + "t")] == [run.run_id]


async def test_times_of_wrong_clocks_are_kept(stored: StoreLedger) -> None:
    starts = [0, 1, recent() - 20 * 365 * DAY, recent() + 300 * DAY, 9_214_646_400_000_000_000]
    batch = [make_run(started_at=start, input=str(start)) for start in starts]

    assert await stored.write(*batch) == WRITTEN

    for run in batch:
        assert await stored.store.get_run(PROJECT, run.run_id) == as_json(run)
    assert [run["run_id"] for run in await stored.listed()] == [run.run_id for run in reversed(batch)]


async def test_projects_do_not_see_each_other(stored: StoreLedger) -> None:
    mine, theirs = make_run(user_id="ada"), make_run(project_id="other", user_id="ada")
    await stored.write(mine, theirs)

    assert [run["run_id"] for run in await stored.listed(users=["ada"])] == [mine.run_id]
    assert await stored.store.get_run(PROJECT, theirs.run_id) is None
    assert await stored.store.projects(0, 2**62) == ["default", "other"]
