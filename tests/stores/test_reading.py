"""What every store must do alike: the reading side."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from spanledger.exporters.store import By, Cursor, Grouping, RunFilter, Sort, Totals
from spanledger.model.records import Run, Usage
from tests.exporters.records import HOUR, PROJECT, make_run, priced, recent
from tests.stores.ledger import StoreLedger


def ids(runs: list[Run]) -> list[str]:
    return [run.run_id for run in runs]


async def test_pages_hold_every_run_once_newest_first(stored: StoreLedger) -> None:
    at = recent(1)
    # Groups of five start at the same time: the id decides.
    batch = [make_run(started_at=at - number // 5 * 997_000_000_000) for number in range(60)]
    await stored.write(*random.Random(2).sample(batch, len(batch)))

    seen, after = [], None
    while True:
        page = await stored.store.list_runs(RunFilter(PROJECT), 7, after)
        seen += [run["run_id"] for run in page.runs]
        if page.next is None:
            break
        after = Cursor.decode(page.next.encode())

    assert seen == ids(sorted(batch, key=lambda run: (run.started_at, run.run_id), reverse=True))


async def test_runs_that_arrive_meanwhile_move_no_page(stored: StoreLedger) -> None:
    at = recent(10)
    old = [make_run(started_at=at - number * 1_000) for number in range(4)]
    await stored.write(*old)
    first = await stored.store.list_runs(RunFilter(PROJECT), 2)

    await stored.write(make_run(started_at=at + 1_000))

    second = await stored.store.list_runs(RunFilter(PROJECT), 2, first.next)
    assert [run["run_id"] for run in [*first.runs, *second.runs]] == ids(old)
    assert second.next is None


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"types": ["tool"]}, {"c"}),
        ({"types": ["tool", "llm"]}, {"a", "b", "c"}),
        ({"models": ["gpt-5"]}, {"b"}),
        ({"users": ["ada"]}, {"a", "b"}),
        ({"users": ["ada", "bob"]}, {"a", "b", "c"}),
        ({"sessions": ["s1"]}, {"a"}),
        ({"sessions": ["s1", "s2"]}, {"a", "c"}),
        ({"statuses": ["error"]}, {"c"}),
        ({"names": ["a", "d"]}, {"a", "d"}),
        ({"tags": ["x"]}, {"a", "b"}),
        ({"tags": ["x", "y"]}, {"a", "b", "d"}),
        ({"billable": True}, {"a"}),
        ({"trace_id": "0" * 31 + "1"}, {"d"}),
        ({"users": ["ada"], "models": ["gpt-5"]}, {"b"}),
        ({"users": ["nobody"]}, set()),
        ({"users": ["a\0b"]}, set()),
    ],
)
async def test_filters(stored: StoreLedger, filters: dict[str, object], names: set[str]) -> None:
    await stored.write(
        priced("1", name="a", user_id="ada", session_id="s1", tags=["x"]),
        make_run(name="b", user_id="ada", model="gpt-5", tags=["x", "z"]),
        make_run(name="c", user_id="bob", session_id="s2", type="tool", status="error"),
        make_run(name="d", tags=["y"], trace_id="0" * 31 + "1", type="agent"),
    )

    assert {run["name"] for run in await stored.listed(**filters)} == names


async def test_a_time_begins_with_its_first_nanosecond_and_ends_before_its_last(stored: StoreLedger) -> None:
    at = recent(HOUR / 1e9)
    batch = [make_run(started_at=at + number) for number in (-1, 0, 5, 9, 10)]
    await stored.write(*batch)

    found = await stored.listed(started_from=at, started_to=at + 10)

    assert [run["run_id"] for run in found] == ids([batch[3], batch[2], batch[1]])


async def test_filters_see_only_the_winning_version(stored: StoreLedger) -> None:
    run = make_run(user_id="ada", version=1)
    await stored.write(run)

    await stored.write(make_run(span_id=run.span_id, started_at=run.started_at, user_id="bob", version=2))

    assert await stored.listed(users=["ada"]) == []
    assert len(await stored.listed(users=["bob"])) == 1


async def test_sums_of_a_user_are_of_the_winning_versions(stored: StoreLedger) -> None:
    run, gone, moved = (make_run(user_id="ada", session_id="s1", version=1) for _ in range(3))
    await stored.write(run, gone, moved)

    await stored.write(
        replace(run, user_id="bob", version=2),
        replace(gone, withdrawn=True, version=2),
        replace(moved, started_at=moved.started_at - 30 * 24 * HOUR, version=2),
    )

    async def runs(users: Sequence[str] = (), sessions: Sequence[str] = (), started_from: int | None = None) -> int:
        filter_ = RunFilter(PROJECT, users=users, sessions=sessions, started_from=started_from)
        return (await stored.store.totals(filter_)).runs

    assert (await runs(["ada"]), await runs(["bob"]), await runs((), ["s1"])) == (1, 1, 2)
    assert await runs(["ada"], ["s1"], moved.started_at - HOUR) == 0
    oldest = await stored.store.sorted_runs(RunFilter(PROJECT, users=("ada", "bob")), Sort.STARTED, descending=False)
    assert [each["run_id"] for each in oldest] == [moved.run_id, run.run_id]
    by_user = await stored.store.groups(RunFilter(PROJECT, sessions=("s1",)), Grouping(By.USER))
    assert [(group.key, group.totals.runs, group.sessions) for group in by_user] == [("ada", 1, 1), ("bob", 1, 1)]


async def test_totals_count_billable_runs_and_leave_unknown_unknown(stored: StoreLedger) -> None:
    await stored.write(
        priced("0.1"),
        priced("0.000000000002", usage=Usage(input_tokens=7, output_tokens=None)),
        make_run(billable=True, status="error"),
        priced("5", billable=False),
    )

    assert await stored.store.totals(RunFilter(PROJECT)) == Totals(
        runs=4,
        errors=1,
        billable_runs=3,
        unpriced_runs=1,
        input_tokens=17,
        output_tokens=2,
        cache_read_tokens=None,
        cache_write_tokens=None,
        reasoning_tokens=None,
        cost=Decimal("0.100000000002"),
    )


async def test_totals_of_nothing(stored: StoreLedger) -> None:
    assert await stored.store.totals(RunFilter(PROJECT)) == Totals()


async def test_absurd_counts_do_not_wrap_round(stored: StoreLedger) -> None:
    absurd = Usage(input_tokens=2**63 - 1)
    await stored.write(priced("1", usage=absurd), priced("1", usage=absurd))

    assert (await stored.store.totals(RunFilter(PROJECT))).input_tokens == 2**64 - 2


async def test_a_trace_comes_in_the_order_of_its_starts(stored: StoreLedger) -> None:
    at = recent(30)
    batch = [make_run(started_at=at + number) for number in (2, 0, 1)]
    await stored.write(*batch, make_run(trace_id="f" * 32))

    found = await stored.store.trace(PROJECT, str(batch[0].trace_id))

    assert [run["run_id"] for run in found] == ids([batch[1], batch[2], batch[0]])


async def test_what_is_no_id_finds_nothing(stored: StoreLedger) -> None:
    assert await stored.store.get_run(PROJECT, "nonsense") is None
    assert await stored.store.scores(PROJECT, "nonsense") == []
    assert await stored.store.trace(PROJECT, "nonsense") == []


async def test_a_scan_gives_every_run_once_while_it_is_corrected(stored: StoreLedger) -> None:
    at = recent(40 * HOUR / 1e9)
    batch = [priced("1", started_at=at + number * HOUR) for number in range(30)]
    await stored.write(*batch)

    seen = []
    async for page in stored.store.scan(RunFilter(PROJECT)):
        for run in page:
            run.version += 1
        seen += [run.run_id for run in page]
        await stored.write(*page)

    assert sorted(seen) == sorted(ids(batch))
    assert (await stored.store.totals(RunFilter(PROJECT))).cost == Decimal(30)
