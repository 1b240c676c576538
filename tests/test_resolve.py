"""Traces whose pieces never met in one mapping are put right in the store, and what is right is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from spanledger import resolve
from spanledger.exporters.base import WriteResult
from spanledger.exporters.store import RunFilter
from spanledger.mapping import Mapper
from spanledger.mapping.cost import PriceList
from spanledger.mapping.facts import Facts
from spanledger.model.records import Record, Run, Thread
from spanledger.resolve import Resolved, resolve_store, resolved_trace, threads_of
from tests.exporters.ledger import Ledger
from tests.mapping.build import PROJECT, T0, agent, chat, run_id, tool, trace_id
from tests.mapping.recordings import KEPT, case_files, otlp_items

CASES = sorted(path for path in KEPT.iterdir() if path.is_dir() and any(path.glob("traces-*")))
SECOND = 1_000_000_000
PRICES = PriceList()
CONTENT = '[{"role": "user", "parts": [{"type": "text", "content": "Where is order A-1001?"}]}]'


def apart(*pieces: Sequence[Facts]) -> list[Record]:
    """What several mappings make, each of one piece only."""
    return [record for piece in pieces for record in Mapper(PRICES).add(PROJECT, piece, T0)]


def runs_of(records: Sequence[Record]) -> list[Run]:
    return [record for record in records if isinstance(record, Run)]


async def resolved(ledger: Ledger, *, settled_ns: int = T0 + 3600 * SECOND, dry_run: bool = False) -> Resolved:
    return await resolve_store(
        ledger.store,
        None if dry_run else ledger.exporter,
        PRICES,
        since_ns=T0 - SECOND,
        until_ns=T0 + 3600 * SECOND,
        settled_ns=settled_ns,
    )


async def stored(ledger: Ledger, id: int) -> dict[str, object]:
    run = await ledger.store.get_run(PROJECT, run_id(id))
    assert run is not None
    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trace_that_was_mapped_whole_is_left_alone(case: Path) -> None:
    mapper = Mapper(PRICES)
    last: dict[str, Run] = {}
    for items in otlp_items(case_files(case)):
        last |= {run.run_id: run for run in runs_of(mapper.add(PROJECT, items))}
    traces: dict[str | None, list[Run]] = {}
    for run in last.values():
        if run.withdrawn:
            continue
        traces.setdefault(run.trace_id, []).append(run)

    changed = [run for runs in traces.values() for run in resolved_trace(runs, PRICES)]

    assert [(run.name, run.type, run.billable, run.user_id, run.session_id) for run in changed] == []


async def test_an_agent_that_repeats_its_call_stops_to_count(ledger: Ledger) -> None:
    await ledger.write(
        *apart([agent(tokens=(56, 5), id=1)], [chat({"gen_ai.input.messages": CONTENT}, id=2, parent=1)])
    )
    assert (await ledger.store.totals(RunFilter(PROJECT))).input_tokens == 112

    done = await resolved(ledger)

    totals = await ledger.store.totals(RunFilter(PROJECT))
    assert (done.changed, done.unbilled, totals.input_tokens, totals.billable_runs) == (1, 1, 56, 1)
    assert (await stored(ledger, 1))["cost"] is None
    call = await stored(ledger, 2)
    assert call["billable"] is True
    assert "A-1001" in str(call["input"])


async def test_user_and_session_come_down_from_the_parent_with_the_thread(ledger: Ledger) -> None:
    who = {"user.id": "ada", "session.id": "s-1"}
    pieces = [agent(who, id=1)], [tool(id=2, parent=1)], [chat({"gen_ai.input.messages": CONTENT}, id=3, parent=2)]
    await ledger.write(*apart(*reversed(pieces)))

    done = await resolved(ledger)

    call = await stored(ledger, 3)
    assert (call["user_id"], call["session_id"], call["inherited"]) == ("ada", "s-1", ["user_id", "session_id"])
    assert "A-1001" in str(call["input"])
    assert done.changed == 2
    assert await ledger.query("SELECT session_id, user_id FROM {db}.threads FINAL") == [("s-1", "ada")]


async def test_a_second_pass_changes_nothing(ledger: Ledger) -> None:
    pieces = [agent({"user.id": "ada"}, tokens=(56, 5), id=1)], [chat(id=2, parent=1)]
    await ledger.write(*apart(*pieces))

    first, second = await resolved(ledger), await resolved(ledger)

    assert (first.changed, second.changed) == (2, 0)


async def test_a_redelivery_does_not_undo_it(ledger: Ledger) -> None:
    records = apart([agent(tokens=(56, 5), id=1)], [chat(id=2, parent=1)])
    await ledger.write(*records)
    await resolved(ledger)

    await ledger.write(*records)

    assert (await ledger.store.totals(RunFilter(PROJECT))).input_tokens == 56


async def test_a_trace_longer_than_a_window_is_seen_whole(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "WINDOW_NS", 60 * SECOND)
    late = chat(id=2, parent=1, start=1800, end=1801)
    await ledger.write(*apart([agent({"user.id": "ada"}, tokens=(56, 5), id=1, end=1802)], [late]))

    await resolved(ledger)

    assert (await ledger.store.totals(RunFilter(PROJECT))).input_tokens == 56
    assert (await stored(ledger, 2))["user_id"] == "ada"


async def test_young_traces_wait(ledger: Ledger) -> None:
    await ledger.write(*apart([agent(tokens=(56, 5), id=1)], [chat(id=2, parent=1)]))

    done = await resolved(ledger, settled_ns=T0)

    assert (done.changed, done.young) == (0, 1)


async def test_a_dry_run_counts_and_writes_nothing(ledger: Ledger) -> None:
    await ledger.write(*apart([agent(tokens=(56, 5), id=1)], [chat(id=2, parent=1)]))

    done = await resolved(ledger, dry_run=True)

    assert done.unbilled == 1
    assert (await ledger.store.totals(RunFilter(PROJECT))).input_tokens == 112


async def test_projects_are_kept_apart(ledger: Ledger) -> None:
    mine, theirs = apart([agent({"user.id": "ada"}, id=1)]), apart([chat(id=2, parent=1)])
    others = [msgspec.structs.replace(run, project_id="other") for run in runs_of(theirs)]
    assert await ledger.write(*mine, *others) == WriteResult()

    assert (await resolved(ledger)).changed == 0


def test_the_parameter_of_a_call_is_no_word_about_the_whole_trace() -> None:
    runs = runs_of(apart([agent(id=1)], [chat({"gen_ai.request.user": "someone"}, id=2, parent=1)]))
    runs[1].user_id = "someone"

    assert [run.user_id for run in resolved_trace(runs, PRICES) if run.run_id == runs[0].run_id] == []


def test_a_thread_is_made_of_each_session() -> None:
    (run,) = runs_of(apart([chat({"session.id": "s-1"}, id=1)]))

    (thread,) = threads_of([run])

    assert isinstance(thread, Thread)
    assert (thread.session_id, thread.started_at, run.trace_id) == ("s-1", T0, trace_id(1))
