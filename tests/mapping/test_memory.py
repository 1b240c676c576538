"""The trace memory: late facts correct what was given, versions tell which is newer, and its bounds hold."""

from __future__ import annotations

import gc
import itertools
import tracemalloc

import pytest

from spanledger.mapping import Mapper, MemoryLimits
from spanledger.model.received import Item
from spanledger.model.records import Run
from tests.mapping.build import PRICES, PROJECT, SECOND, Ledger, agent, at, chat, event, infrastructure, log, span, tool
from tests.mapping.recordings import KEPT, case_files, otlp_items

PROMPT = [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
ANSWER = [{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}]
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}


# --- late facts ------------------------------------------------------------------------------------------------------


def test_late_log_records_complete_a_run() -> None:
    ledger = Ledger(chat())
    assert (ledger.run(1).input, ledger.run(1).version) == (None, 1)
    ledger.add(log("gen_ai.user.message", body={"content": "Hi"}, time=0.1))
    assert (ledger.run(1).input, ledger.run(1).version) == (PROMPT, 2)
    ledger.add(log("gen_ai.choice", body=CHOICE, time=0.9))
    assert (ledger.run(1).output, ledger.run(1).finish_reasons, ledger.run(1).version) == (ANSWER, ["stop"], 3)


def test_log_records_may_come_before_their_span() -> None:
    ledger = Ledger(
        log("gen_ai.choice", body=CHOICE, time=0.9), log("gen_ai.user.message", body={"content": "Hi"}, time=0.1)
    )
    assert ledger.runs == []
    ledger.add(chat())
    assert (ledger.run(1).input, ledger.run(1).output) == (PROMPT, ANSWER)


def test_details_of_an_operation_come_as_a_log_record_too() -> None:
    """Semantic conventions 1.37 and newer: usage and parameters beside the messages."""
    details = {
        "gen_ai.input.messages": PROMPT,
        "gen_ai.output.messages": ANSWER,
        "gen_ai.usage.input_tokens": 56,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.request.temperature": 0.2,
    }
    ledger = Ledger(chat(tokens=None), log("gen_ai.client.inference.operation.details", details))
    run = ledger.run(1)
    assert (run.input, run.output, run.params) == (PROMPT, ANSWER, {"temperature": 0.2})
    assert ledger.billed() == {1: (56, 5)}


def test_of_several_details_each_adds_its_part() -> None:
    """Strands Agents sends three for one call."""
    name = "gen_ai.client.inference.operation.details"
    ledger = Ledger(
        chat(
            events=[
                event(name, {"gen_ai.input.messages": PROMPT}, time=0.1),
                event(name, {"gen_ai.output.messages": ANSWER}, time=0.8),
                event(name, {"gen_ai.request.temperature": 0.2}, time=0.9),
            ]
        )
    )
    run = ledger.run(1)
    assert (run.input, run.output, run.params) == (PROMPT, ANSWER, {"temperature": 0.2})


def test_what_the_span_says_beats_a_late_record() -> None:
    ledger = Ledger(chat(model="gpt-4o"))
    ledger.add(log("gen_ai.client.inference.operation.details", {"gen_ai.request.model": "other"}))
    assert ledger.run(1).request_model == "gpt-4o"


def test_a_record_of_anything_else_changes_nothing() -> None:
    ledger = Ledger(chat())
    assert ledger.add(log("http.request", {"gen_ai.request.temperature": 0.2}), log("", body="hello")) == []


def test_a_late_root_hands_its_user_down() -> None:
    ledger = Ledger(chat(id=2, parent=1))
    ledger.add(infrastructure(id=1, attributes={"user.id": "u1"}))
    assert (ledger.run(2).user_id, ledger.run(2).version) == ("u1", 2)


def test_a_span_that_comes_again_with_more_is_merged() -> None:
    pending, whole = chat({"gen_ai.request.seed": 7}, tokens=None, end=None), chat(end=2)
    for first, second in ((pending, whole), (whole, pending)):
        ledger = Ledger(first)
        ledger.add(second)
        run = ledger.run(1)
        assert (run.status, run.ended_at, run.params) == ("success", at(2), {"seed": 7})
        assert ledger.billed() == {1: (56, 5)}


# --- versions --------------------------------------------------------------------------------------------------------


def test_a_redelivery_gives_nothing() -> None:
    request: list[Item] = [
        agent({"session.id": "s1", "user.id": "u1"}, id=1),
        chat(id=2, parent=1, events=[event("gen_ai.user.message", {"content": "Hi"})]),
        log("gen_ai.choice", body=CHOICE, span=2),
    ]
    ledger = Ledger(*request)
    assert ledger.add(*request) == []


def test_a_redelivery_to_a_mapper_that_began_anew_gives_the_same_versions() -> None:
    request: list[Item] = [agent(id=1), chat(id=2, parent=1), tool(id=3, parent=1)]
    assert Ledger(*request).runs == Ledger(*request).runs


def test_runs_that_a_new_span_does_not_bear_on_are_not_given_again() -> None:
    ledger = Ledger(agent(id=1), chat(id=2, parent=1))
    again = ledger.add(tool(id=3, parent=1))
    assert [record.span_id for record in again if isinstance(record, Run)] == ["0000000000000003"]


def test_every_correction_has_a_higher_version() -> None:
    ledger = Ledger()
    versions = []
    for item in (
        chat(id=2, parent=1, tokens=None),
        chat(id=2, parent=1),
        agent({"user.id": "u1"}, id=1),
        log("gen_ai.user.message", {"content": "Hi"}, span=2),
        chat({"gen_ai.request.seed": 7}, id=2, parent=1),
    ):
        ledger.add(item)
        versions.append(ledger.run(2).version)
    assert versions == sorted(set(versions))


def test_a_memory_that_began_anew_never_overrules_one_that_knew_more() -> None:
    early, late = chat(id=2, parent=1), agent({"user.id": "u1"}, id=1)
    before = Ledger(early)
    before.add(late)
    restarted = Ledger(early)
    assert restarted.run(2).version < before.run(2).version


def test_the_last_version_of_a_run_is_the_same_state_in_any_order_of_arrival() -> None:
    items: list[Item] = [
        agent({"user.id": "u1"}, id=1),
        chat(id=2, parent=1),
        log("gen_ai.user.message", {"content": "Hi"}, span=2),
        infrastructure(id=3, parent=1),
        tool(id=4, parent=3),
    ]
    expected = None
    for order in itertools.permutations(items):
        ledger = Ledger()
        for item in order:
            ledger.add(item)
        told = sorted((run.run_id, run.parent_run_id, run.user_id, str(run.input), run.billable) for run in ledger.runs)
        expected = expected or told
        assert told == expected


def test_what_turns_out_to_be_no_run_is_withdrawn() -> None:
    ledger = Ledger(span(name="chat gpt-4o", id=1, scope="litellm"))
    assert ledger.has(1)
    ledger.add(span({"logfire.span_type": "pending_span", "x": 1}, name="chat gpt-4o", id=1, scope="litellm"))
    assert not ledger.has(1)


# --- bounds ----------------------------------------------------------------------------------------------------------


def memory_of(ledger: Ledger) -> set[int]:
    """Numbers of the traces that are remembered: a late root changes the runs of these alone."""
    found = set()
    for number in range(1, 8):
        changed = ledger.add(agent({"user.id": "late"}, id=1, trace=number))
        if any(isinstance(record, Run) and record.span_id == "0000000000000002" for record in changed):
            found.add(number)
    return found


def test_the_trace_touched_longest_ago_is_forgotten_first() -> None:
    ledger = Ledger(limits=MemoryLimits(max_items=3))
    for number in (1, 2, 3):
        ledger.add(chat(id=2, parent=1, trace=number))
    ledger.add(tool(id=3, parent=1, trace=1))
    # four items of three: 2 went, 3 and 1 are left
    assert ledger.add(agent({"user.id": "late"}, id=1, trace=2))[0].version == 1
    changed = ledger.add(log("gen_ai.user.message", {"content": "Hi"}, span=2, trace=1))
    assert [record.version for record in changed] == [3]


def test_items_are_bounded() -> None:
    ledger = Ledger(limits=MemoryLimits(max_items=2))
    for number in range(1, 6):
        ledger.add(chat(id=2, parent=1, trace=number))
    assert memory_of(ledger) <= {4, 5}


def test_log_records_count_as_items() -> None:
    ledger = Ledger(limits=MemoryLimits(max_items=4))
    ledger.add(chat(id=2, parent=1, trace=1))
    ledger.add(*(log("gen_ai.user.message", {"content": str(n)}, span=2, trace=2) for n in range(4)))
    assert memory_of(ledger) == set()


def test_a_trace_that_outgrows_its_bound_is_forgotten() -> None:
    ledger = Ledger(limits=MemoryLimits(max_items_per_trace=3))
    ledger.add(chat(id=2, parent=1, trace=1))
    ledger.add(*(tool(id=number, parent=1, trace=1) for number in range(3, 6)))
    ledger.add(chat(id=2, parent=1, trace=2))
    assert memory_of(ledger) == {2}


def test_a_trace_of_one_giant_request_is_mapped_whole_before_it_is_forgotten() -> None:
    ledger = Ledger(limits=MemoryLimits(max_items_per_trace=3))
    ledger.add(agent({"user.id": "u1"}, id=1), *(chat(id=number, parent=1) for number in range(2, 50)))
    assert {run.user_id for run in ledger.runs} == {"u1"}
    assert len(ledger.runs) == 49


def test_spans_that_say_nothing_are_bounded_too() -> None:
    mapper = Mapper(PRICES, MemoryLimits(max_items=6))
    for number in range(1, 6):
        mapper.add(PROJECT, [infrastructure(id=1, trace=number), infrastructure(id=2, parent=1, trace=number)])
    assert mapper.remembered()[:2] == (3, 6)


def test_a_trace_of_spans_that_say_nothing_is_forgotten_when_it_outgrows_its_bound() -> None:
    mapper = Mapper(PRICES, MemoryLimits(max_items_per_trace=3))
    mapper.add(PROJECT, [infrastructure(id=number) for number in range(1, 4)])
    assert mapper.remembered()[:2] == (1, 3)
    mapper.add(PROJECT, [infrastructure(id=4)])
    assert mapper.remembered() == (0, 0, 0)


def test_spans_that_say_nothing_age() -> None:
    mapper = Mapper(PRICES, MemoryLimits(max_age_ns=60 * SECOND))
    mapper.add(PROJECT, [infrastructure(id=1, trace=1)], 0)
    mapper.add(PROJECT, [infrastructure(id=2, trace=1)], 30 * SECOND)
    mapper.add(PROJECT, [infrastructure(id=1, trace=2)], 61 * SECOND)
    assert mapper.remembered()[0] == 2
    mapper.add(PROJECT, [infrastructure(id=2, trace=2)], 91 * SECOND)
    assert mapper.remembered()[0] == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_spans_that_say_nothing_keep_their_places_in_the_tree(order: tuple[int, ...]) -> None:
    """Whether they came before anybody of the trace said anything, or after."""
    spans = [
        agent({"user.id": "u1"}, id=1),
        infrastructure(id=2, parent=1),
        infrastructure(id=3, parent=2),
        chat(id=4, parent=3),
    ]
    ledger = Ledger()
    for place in order:
        ledger.add(spans[place])
    assert (ledger.run(4).parent_run_id, ledger.run(4).user_id) == (ledger.run(1).run_id, "u1")


def test_a_span_that_said_nothing_may_come_again_and_say_something() -> None:
    ledger = Ledger(infrastructure(id=1), infrastructure(id=2, parent=1))
    assert ledger.runs == []
    ledger.add(chat(id=2, parent=1))
    assert ledger.run(2).version == 3


def test_age_is_bounded() -> None:
    ledger = Ledger(limits=MemoryLimits(max_age_ns=60 * SECOND))
    ledger.add(chat(id=2, parent=1, trace=1), now=0)
    ledger.add(chat(id=2, parent=1, trace=2), now=30)
    ledger.add(chat(id=2, parent=1, trace=3), now=61)
    assert memory_of(ledger) == {2, 3}


def test_a_trace_that_is_touched_stays_young() -> None:
    ledger = Ledger(limits=MemoryLimits(max_age_ns=60 * SECOND))
    ledger.add(chat(id=2, parent=1, trace=1), now=0)
    ledger.add(tool(id=3, parent=1, trace=1), now=50)
    ledger.add(chat(id=2, parent=1, trace=2), now=100)
    assert memory_of(ledger) == {1, 2}


@pytest.mark.parametrize("where", ["value", "key", "name", "nested", "event", "link", "log"])
def test_bytes_are_bounded_wherever_they_stand(where: str) -> None:
    big = "x" * 100_000
    ledger = Ledger(limits=MemoryLimits(max_bytes=50_000))
    deep: object = big
    for _ in range(20):
        deep = [{"a": deep}]
    made = chat({"blob": deep if where == "nested" else big} if where in ("value", "nested") else {}, id=2, parent=1)
    if where == "key":
        made.rest[big] = 1
    elif where == "name":
        made.name = big
    elif where == "event":
        made.events.append(event("log", {"line": big}))
    elif where == "link":
        made.links = span(links=[(1, 1)]).links
        made.links[0].attributes = {"x": big}
    ledger.add(made)
    if where == "log":
        ledger.add(log("gen_ai.user.message", {"content": big}, span=2))
    assert memory_of(ledger) == set()


@pytest.mark.parametrize(("messages", "size"), [(1, 9000), (100, 10), (0, 0)])
def test_a_mapper_holds_about_as_many_bytes_as_its_bound_says(messages: int, size: int) -> None:
    """Several times the bound goes through. Short messages out of JSON are nine times their text."""
    mapper = Mapper(PRICES, MemoryLimits(max_bytes=500_000))
    said = '{"role":"user","parts":[{"type":"text","content":"%s"}]}' % ("x" * size)
    prompt = f"[{','.join([said] * messages)}]"

    def send(first: int, last: int) -> None:
        for number in range(first, last):
            mapper.add(PROJECT, [chat({"gen_ai.input.messages": prompt}, trace=number)])

    send(0, 50)
    tracemalloc.start()
    try:
        send(50, 250)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 125_000 < held < 1_000_000


def test_what_is_forgotten_is_gone_at_once() -> None:
    """The garbage collector, which frees what holds itself in a circle, comes rarely to a process under load."""
    recorded = [
        items
        for case in sorted(KEPT.iterdir())
        if case.is_dir()
        for items in otlp_items(file for file in case_files(case) if not file.name.startswith("ingest"))
    ]
    assert recorded
    gc.collect()
    gc.disable()
    try:
        mapper = Mapper(PRICES, MemoryLimits(max_items=50))
        while recorded:
            mapper.add(PROJECT, recorded.pop())
        del mapper
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_mapper_that_forgot_a_trace_starts_it_anew() -> None:
    ledger = Ledger(limits=MemoryLimits(max_items=1))
    ledger.add(chat(id=2, parent=1, trace=1))
    ledger.add(chat(id=2, parent=1, trace=2))
    records = ledger.add(agent({"user.id": "u1"}, id=1, trace=1))
    assert [record.version for record in records if isinstance(record, Run)] == [1]
