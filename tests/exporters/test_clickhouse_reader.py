"""What the reader shows: filters, pages, traces, totals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from spanledger.errors import StoreUnavailable
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.store import Cursor, RunFilter, Totals
from spanledger.model.ids import uuid8
from spanledger.model.records import Cost, Run, Usage
from tests.exporters.ledger import Ledger
from tests.exporters.records import HOUR, PROJECT, make_run, priced, recent

EVERYTHING = RunFilter(PROJECT)


async def found(ledger: Ledger, filter_: RunFilter) -> set[str]:
    return {run["run_id"] for run in (await ledger.store.list_runs(filter_, 500)).runs}


async def pages(ledger: Ledger, filter_: RunFilter, limit: int) -> list[list[str]]:
    result = []
    after = None
    while True:
        page = await ledger.store.list_runs(filter_, limit, after)
        result.append([run["run_id"] for run in page.runs])
        if page.next is None:
            return result
        after = Cursor.decode(page.next.encode())


@pytest.mark.parametrize(
    ("facts", "filter_"),
    [
        ({"type": "tool"}, RunFilter(PROJECT, types=["tool"])),
        ({"model": "claude"}, RunFilter(PROJECT, models=["claude", "other"])),
        ({"user_id": "ü'\\ \t1"}, RunFilter(PROJECT, users=["ü'\\ \t1"])),
        ({"session_id": "s-1"}, RunFilter(PROJECT, sessions=["s-1"])),
        ({"status": "error"}, RunFilter(PROJECT, statuses=["error"])),
        ({"name": "weather"}, RunFilter(PROJECT, names=["weather"])),
        ({"tags": ["a", "b"]}, RunFilter(PROJECT, tags=["b", "c"])),
        ({"trace_id": "f" * 32}, RunFilter(PROJECT, trace_id="f" * 32)),
        ({"project_id": "other"}, RunFilter("other")),
        ({"started_at": 5 * HOUR + 7}, RunFilter(PROJECT, started_from=5 * HOUR + 7, started_to=5 * HOUR + 8)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_filter_finds_what_it_names(ledger: Ledger, facts: dict[str, Any], filter_: RunFilter) -> None:
    wanted = make_run(**facts)
    await ledger.write(wanted, *(make_run(started_at=recent(seconds)) for seconds in range(5)))

    assert await found(ledger, filter_) == {wanted.run_id}
    assert (await ledger.store.totals(filter_)).runs == 1


values = st.sampled_from(["a", "b", ""])
some_values = st.lists(values, max_size=2, unique=True)
filters = st.builds(
    RunFilter,
    project_id=st.just(PROJECT),
    types=st.lists(st.sampled_from(["llm", "tool"]), max_size=2, unique=True),
    models=some_values,
    users=some_values,
    statuses=st.lists(st.sampled_from(["success", "error"]), max_size=1),
    tags=some_values,
    trace_id=st.none() | values,
    started_from=st.none() | st.integers(0, 5 * HOUR),
    started_to=st.none() | st.integers(0, 5 * HOUR),
)
small_runs = st.builds(
    make_run,
    span_id=st.sampled_from([f"{number:016x}" for number in range(1, 9)]),
    trace_id=values,
    type=st.sampled_from(["llm", "tool"]),
    model=values,
    user_id=values,
    status=st.sampled_from(["success", "error"]),
    tags=st.lists(values, max_size=2),
    started_at=st.integers(0, 5 * HOUR),
    billable=st.booleans(),
    usage=st.none() | st.builds(Usage, input_tokens=st.none() | st.integers(0, 9)),
)


def naive(runs: Sequence[Run], filter_: RunFilter) -> list[Run]:
    """The filter, as one would write it down."""
    tests: list[Callable[[Run], bool]] = [
        lambda run: not filter_.types or run.type in filter_.types,
        lambda run: not filter_.models or run.model in filter_.models,
        lambda run: not filter_.users or run.user_id in filter_.users,
        lambda run: not filter_.statuses or run.status in filter_.statuses,
        lambda run: not filter_.tags or bool(set(run.tags) & set(filter_.tags)),
        lambda run: filter_.trace_id is None or run.trace_id == filter_.trace_id,
        lambda run: filter_.started_from is None or run.started_at >= filter_.started_from,
        lambda run: filter_.started_to is None or run.started_at < filter_.started_to,
    ]
    matching = [run for run in runs if all(test(run) for test in tests)]
    return sorted(matching, key=lambda run: (run.started_at, run.run_id), reverse=True)


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    runs=st.lists(small_runs, max_size=12, unique_by=lambda run: run.run_id),
    changes=st.lists(small_runs, max_size=6),
    filter_=filters,
    limit=st.integers(1, 5),
)
async def test_lists_and_totals_agree_with_the_naive_filter(
    ledger: Ledger, runs: list[Run], changes: list[Run], filter_: RunFilter, limit: int
) -> None:
    for table in ("runs", "run_payloads"):
        await ledger.command(f"TRUNCATE TABLE {{db}}.{table}")
    latest = {run.run_id: run for run in runs}
    await ledger.write(*runs)
    for version, change in enumerate(changes, start=2):
        if change.run_id in latest:
            change.version = version
            change.started_at = latest[change.run_id].started_at
            latest[change.run_id] = change
            await ledger.write(change)

    expected = naive(list(latest.values()), filter_)

    listed = [id_ for page in await pages(ledger, filter_, limit) for id_ in page]
    assert listed == [run.run_id for run in expected]
    totals = await ledger.store.totals(filter_)
    known = [run.usage.input_tokens for run in expected if run.billable and run.usage]
    tokens = [count for count in known if count is not None]
    assert (totals.runs, totals.input_tokens) == (len(expected), sum(tokens) if tokens else None)


async def test_an_old_version_does_not_come_back_through_a_filter(ledger: Ledger) -> None:
    started_at = recent(60)
    await ledger.write(make_run(span_id="1", status="error", user_id="u1", started_at=started_at))
    await ledger.write(make_run(span_id="1", status="success", user_id="u2", version=2, started_at=started_at))

    assert await found(ledger, RunFilter(PROJECT, statuses=["error"])) == set()
    assert await found(ledger, RunFilter(PROJECT, users=["u1"])) == set()
    assert len(await found(ledger, RunFilter(PROJECT, users=["u2"]))) == 1
    assert (await ledger.store.totals(EVERYTHING)).errors == 0


async def test_a_start_corrected_within_its_hour_shows_one_run(ledger: Ledger) -> None:
    hour = recent(7200)
    before = make_run(span_id="1", started_at=hour + 5_000_000)
    after = make_run(span_id="1", started_at=hour + 9_000_000, version=2)
    between = make_run(started_at=hour + 7_000_000)
    await ledger.write(before)
    await ledger.write(after, between)

    assert await pages(ledger, EVERYTHING, 1) == [[after.run_id], [between.run_id]]


async def test_pages_stay_in_place_while_runs_arrive(ledger: Ledger) -> None:
    runs = [make_run(started_at=recent(seconds * 100)) for seconds in range(25)]
    await ledger.write(*runs)
    first = await ledger.store.list_runs(EVERYTHING, 10)

    await ledger.write(*(make_run(started_at=recent(-seconds)) for seconds in range(30)))
    second = await ledger.store.list_runs(EVERYTHING, 10, first.next)
    await ledger.write(make_run(span_id=runs[3].span_id, started_at=runs[3].started_at, version=2))
    third = await ledger.store.list_runs(EVERYTHING, 10, second.next)

    seen = [run["run_id"] for page in (first, second, third) for run in page.runs]
    assert seen == [run.run_id for run in runs]
    assert third.next is None


async def test_runs_of_the_same_instant_are_paged_by_their_id(ledger: Ledger) -> None:
    started_at = recent(60)
    runs = [make_run(started_at=started_at) for _ in range(7)]
    await ledger.write(*runs)

    ids = sorted((run.run_id for run in runs), reverse=True)
    assert await pages(ledger, EVERYTHING, 3) == [ids[:3], ids[3:6], ids[6:]]


async def test_a_page_reaches_over_long_silence(ledger: Ledger) -> None:
    starts = [0, 1, HOUR, 400_000 * HOUR, recent(), 9_214_646_400_000_000_000]
    runs = [make_run(started_at=started_at) for started_at in starts]
    await ledger.write(*runs)

    assert await pages(ledger, EVERYTHING, 2) == [
        [runs[5].run_id, runs[4].run_id],
        [runs[3].run_id, runs[2].run_id],
        [runs[1].run_id, runs[0].run_id],
    ]


async def test_a_trace_comes_in_the_order_of_its_starts(ledger: Ledger) -> None:
    started_at = recent(60)
    child = make_run(trace_id="a" * 32, started_at=started_at + 5)
    parent = make_run(trace_id="a" * 32, started_at=started_at)
    await ledger.write(child, make_run(trace_id="b" * 32), parent)
    await ledger.write(make_run(trace_id="a" * 32, span_id=child.span_id, started_at=child.started_at, version=2))

    trace = await ledger.store.trace(PROJECT, "a" * 32)

    assert [(run["run_id"], run["version"]) for run in trace] == [(parent.run_id, 1), (child.run_id, 2)]
    assert await ledger.store.trace("other", "a" * 32) == []


async def test_totals_count_billable_runs_only(ledger: Ledger) -> None:
    started_at = recent(60)
    agent = priced("0.003", type="agent", billable=False)
    call = priced("0.001", usage=Usage(input_tokens=10, output_tokens=2, cache_read_tokens=4), started_at=started_at)
    unpriced = make_run(billable=True, usage=Usage(input_tokens=1), cost=Cost(source="unknown_model"), status="error")
    await ledger.write(agent, call, unpriced)

    assert await ledger.store.totals(EVERYTHING) == Totals(
        runs=3,
        errors=1,
        billable_runs=2,
        unpriced_runs=1,
        input_tokens=11,
        output_tokens=2,
        cache_read_tokens=4,
        cost=Decimal("0.001"),
    )


async def test_totals_of_nothing_are_unknown_not_zero(ledger: Ledger) -> None:
    assert await ledger.store.totals(EVERYTHING) == Totals()


async def test_totals_do_not_wrap_round(ledger: Ledger) -> None:
    most = 2**63 - 1
    await ledger.write(*(make_run(billable=True, usage=Usage(input_tokens=most)) for _ in range(3)))

    assert (await ledger.store.totals(EVERYTHING)).input_tokens == 3 * most


@pytest.mark.parametrize("run_id", ["", "7", "not-a-uuid", uuid8("nobody"), "'; DROP TABLE runs"])
async def test_an_unknown_run_is_none(ledger: Ledger, run_id: str) -> None:
    assert await ledger.store.get_run(PROJECT, run_id) is None
    assert await ledger.store.scores(PROJECT, run_id) == []


async def test_a_run_of_another_project_is_none(ledger: Ledger) -> None:
    run = make_run(project_id="other")
    await ledger.write(run)

    assert await ledger.store.get_run(PROJECT, run.run_id) is None
    assert await ledger.store.get_run("other", run.run_id) is not None


async def test_deleted_runs_are_shown_nowhere(ledger: Ledger) -> None:
    run = priced("0.001", trace_id="a" * 32)
    await ledger.write(run)
    await ledger.command(
        "INSERT INTO {db}.runs SELECT * REPLACE (2 AS version, 1 AS is_deleted) FROM {db}.runs",
    )

    assert await found(ledger, EVERYTHING) == set()
    assert await ledger.store.get_run(PROJECT, run.run_id) is None
    assert await ledger.store.trace(PROJECT, "a" * 32) == []
    assert await ledger.store.totals(EVERYTHING) == Totals()


async def test_a_store_that_is_not_migrated_yet_is_unavailable(settings: ClickHouseSettings) -> None:
    store = ClickHouseStore(settings)
    await store.start()

    with pytest.raises(StoreUnavailable, match="UNKNOWN_"):
        await store.list_runs(EVERYTHING)

    await store.close()


@pytest.mark.parametrize("text", ["", "x", "AAAA", "WzEsMl0", "é", "W10"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        Cursor.decode(text)
