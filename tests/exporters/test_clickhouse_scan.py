"""Runs read back without their contents, and written again: what `spanledger reprice` does with a store."""

from __future__ import annotations

import uuid
from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from spanledger.exporters.store import SCAN_PAGE, RunFilter
from spanledger.model.records import Cost, Run
from tests.exporters.ledger import Ledger
from tests.exporters.records import HOUR, PROJECT, as_json, make_run, priced, recent, runs

BILLABLE = RunFilter(PROJECT, billable=True)


async def scanned(ledger: Ledger, filter_: RunFilter = BILLABLE) -> list[Run]:
    return [run async for page in ledger.store.scan(filter_) for run in page]


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(some=st.lists(runs, min_size=1, max_size=8))
async def test_runs_written_back_without_contents_are_whole_again(ledger: Ledger, some: list[Run]) -> None:
    everything = RunFilter(str(uuid.uuid4()))
    for run in some:
        run.project_id, run.run_id = everything.project_id, str(uuid.uuid4())
    await ledger.write(*some)
    before = (await ledger.store.list_runs(everything)).runs

    read = await scanned(ledger, everything)
    await ledger.write(*(msgspec.structs.replace(run, version=run.version + 1) for run in read))

    for run in some:
        expected = as_json(run) | {"version": run.version + 1}
        assert await ledger.store.get_run(run.project_id, run.run_id) == expected
    after = (await ledger.store.list_runs(everything)).runs
    assert after == [summary | {"version": summary["version"] + 1} for summary in before]


async def test_contents_are_not_written_again(ledger: Ledger) -> None:
    await ledger.write(priced("1", input="question"))

    (read,) = await scanned(ledger)
    await ledger.write(msgspec.structs.replace(read, version=2))

    assert await ledger.query("SELECT version FROM {db}.run_payloads") == [(1,)]


async def test_a_run_whose_contents_have_passed_their_retention_stays_without(ledger: Ledger) -> None:
    run = priced("1", input="question", output="answer")
    await ledger.write(run)
    await ledger.command("TRUNCATE TABLE {db}.run_payloads")
    before = await ledger.store.get_run(PROJECT, run.run_id)
    assert before is not None

    (read,) = await scanned(ledger)
    await ledger.write(msgspec.structs.replace(read, version=2))

    assert await ledger.store.get_run(PROJECT, run.run_id) == before | {"version": 2}
    (listed,) = (await ledger.store.list_runs(RunFilter(PROJECT))).runs
    assert (listed["input_preview"], listed["output_preview"]) == ("question", "answer")


async def test_it_meets_every_run_that_counts_once(ledger: Ledger) -> None:
    wanted = [
        priced("1", trace_id=f"{number % 7:032x}", started_at=recent(number * 17), input="?")
        for number in range(2 * SCAN_PAGE + 100)
    ]
    others = [
        make_run(),
        priced("1", project_id="other"),
        priced("1", withdrawn=True),
        priced("1", started_at=recent() + HOUR),
    ]
    await ledger.write(*wanted, *others)
    again = [msgspec.structs.replace(run, version=2, name="again") for run in wanted[::3]]
    gone = [msgspec.structs.replace(run, version=2, billable=False) for run in wanted[1::30]]
    await ledger.write(*again, *gone)

    found = await scanned(ledger, RunFilter(PROJECT, billable=True, started_to=recent() + 1))

    latest = {run.run_id: run for run in [*wanted, *again, *gone]}
    assert len({run.run_id for run in found}) == len(found)
    assert {(run.run_id, run.name, run.version) for run in found} == {
        (run.run_id, run.name, run.version) for run in latest.values() if run.billable
    }
    pages = [page async for page in ledger.store.scan(BILLABLE)]
    assert max(map(len, pages)) <= SCAN_PAGE


async def test_runs_that_are_written_meanwhile_are_not_met_again(ledger: Ledger) -> None:
    await ledger.write(*(priced("1", started_at=recent(number)) for number in range(SCAN_PAGE + 1)))

    met = []
    async for page in ledger.store.scan(BILLABLE):
        met += [run.run_id for run in page]
        await ledger.write(*(msgspec.structs.replace(run, version=run.version + 1) for run in page))

    assert len(met) == len(set(met)) == SCAN_PAGE + 1
    assert {run.version for run in await scanned(ledger)} == {2}


async def test_of_equal_versions_the_one_written_last_wins(ledger: Ledger) -> None:
    run = priced("1", input="before")
    await ledger.write(run)
    await ledger.command("SYSTEM STOP MERGES {db}.runs")
    for total in ("2", "3", "4"):
        cost = Cost(total=Decimal(total), source="priced")
        await ledger.write(msgspec.structs.replace(run, cost=cost, version=2))

    shown = [await ledger.store.get_run(PROJECT, run.run_id)]
    shown += (await ledger.store.list_runs(RunFilter(PROJECT))).runs
    shown += await ledger.store.trace(PROJECT, run.trace_id or "")

    assert [one and one["cost"]["total"] for one in shown] == ["4", "4", "4"]
    assert (await ledger.store.totals(BILLABLE)).cost == 4
    await ledger.command("SYSTEM START MERGES {db}.runs")
    await ledger.command("OPTIMIZE TABLE {db}.runs FINAL")
    assert (await ledger.store.totals(BILLABLE)).cost == 4


async def test_runs_of_a_wrong_clock_are_met_too(ledger: Ledger) -> None:
    times = [0, 4_294_965_600 * 10**9, 4_294_967_295 * 10**9 + 1, 9_000_000_000 * 10**9, 9_214_646_400 * 10**9]
    await ledger.write(*(priced("1", started_at=at) for at in times))

    assert sorted(run.started_at for run in await scanned(ledger)) == times


async def test_projects_with_runs_in_a_time(ledger: Ledger) -> None:
    await ledger.write(
        priced("1", project_id="b", started_at=5 * HOUR),
        priced("1", project_id="a", started_at=6 * HOUR),
        priced("1", project_id="c", started_at=7 * HOUR),
    )

    assert await ledger.store.projects(5 * HOUR, 7 * HOUR) == ["a", "b"]
