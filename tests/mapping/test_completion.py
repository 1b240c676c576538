"""Facts that an SDK lost in one model call of a conversation, out of another that repeats it."""

from __future__ import annotations

import json
import random
from itertools import permutations
from typing import Any

import pytest

from spanledger.mapping.completion import Conversations, Talk
from spanledger.mapping.facts import Facts
from spanledger.model.records import Run
from tests.mapping.build import Ledger, chat, only_run, tool

Message = dict[str, Any]

USER = {"role": "user", "parts": [{"type": "text", "content": "Weather in Rome and Oslo?"}]}
EMPTY: Message = {"role": "assistant", "parts": []}
ROME = {"type": "tool_call", "id": "call_rome", "name": "weather", "arguments": {"city": "Rome"}}
OSLO = {"type": "tool_call", "id": "call_oslo", "name": "weather", "arguments": {"city": "Oslo"}}
CALLS: Message = {"role": "assistant", "parts": [ROME, OSLO]}
ANSWER: Message = {"role": "assistant", "parts": [{"type": "text", "content": "22 in Rome, -3 in Oslo."}]}


def result(response: str | None, id: str | None = None, name: str | None = None) -> Message:
    part = {"type": "tool_call_response", "id": id, "response": response}
    if name is not None:
        part["name"] = name
    return {"role": "tool", "parts": [part]}


RESULTS = [result("22", "call_rome"), result("-3", "call_oslo")]
LOST_IDS = [result("22"), result("-3")]


def call(
    given: list[Message], told: list[Message], *, id: int, trace: int = 1, user: str = "ada", start: float = 0.0
) -> Facts:
    attributes = {"user.id": user, "gen_ai.input.messages": json.dumps(given)}
    if told:
        attributes["gen_ai.output.messages"] = json.dumps(told)
    return chat(attributes, id=id, trace=trace, start=start, end=start + 1)


def parts(run: Run, where: str, kind: str) -> list[dict[str, Any]]:
    return [part for message in getattr(run, where) for part in message["parts"] if part["type"] == kind]


def test_results_without_ids_answer_the_calls_in_their_order() -> None:
    run = only_run(call([USER, CALLS, *LOST_IDS], [ANSWER], id=1))

    assert run.input == [USER, CALLS, *RESULTS]


def test_results_stay_without_ids_where_there_are_more_calls_than_results() -> None:
    run = only_run(call([USER, CALLS, result("22")], [ANSWER], id=1))

    assert run.input == [USER, CALLS, result("22")]


def test_results_with_names_go_to_no_call_of_another_name() -> None:
    others = [result("noon", name="clock"), result("midnight", name="clock")]

    run = only_run(call([USER, CALLS, *others], [ANSWER], id=1))

    assert run.input == [USER, CALLS, *others]


@pytest.mark.parametrize("lost", [[EMPTY], []], ids=["an empty message", "no message"])
def test_the_calls_that_a_request_lost_come_from_the_answer_before_it(lost: list[Message]) -> None:
    first, second = call([USER], [CALLS], id=1), call([USER, *lost, *LOST_IDS], [ANSWER], id=2, start=2)

    run = Ledger(first, second).run(2)

    assert run.input == [USER, CALLS, *RESULTS]
    assert run.warnings == []


def test_what_another_trace_tells_is_marked_unless_ids_prove_it() -> None:
    first = call([USER], [CALLS], id=1)
    doubted = call([USER, EMPTY, *LOST_IDS], [ANSWER], id=2, trace=2, start=2)
    certain = call([USER, EMPTY, *RESULTS], [ANSWER], id=3, trace=3, start=2)

    ledger = Ledger(first, doubted, certain)

    assert ledger.run(2, 2).input == ledger.run(3, 3).input == [USER, CALLS, *RESULTS]
    assert ledger.run(2, 2).warnings == ["completed_from_conversation"]
    assert ledger.run(3, 3).warnings == []


def test_the_id_of_a_result_finds_its_call_whatever_was_said_before() -> None:
    now = {"role": "system", "parts": [{"type": "text", "content": "It is noon."}]}
    later = {"role": "system", "parts": [{"type": "text", "content": "It is past noon."}]}
    spans = [call([now, USER], [CALLS], id=1), call([later, USER, EMPTY, *RESULTS], [ANSWER], id=2, trace=2, start=2)]

    for order in permutations(spans):
        ledger = Ledger()
        for span in order:
            ledger.add(span)
        assert ledger.run(2, 2).input == [later, USER, CALLS, *RESULTS]
        assert ledger.run(2, 2).warnings == []


def test_an_id_for_which_two_conversations_ask_finds_no_call() -> None:
    other = {"role": "assistant", "parts": [{**ROME, "arguments": {"city": "Bari"}}]}
    hi = {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    lost = [{**USER, "parts": [{"type": "text", "content": "And now?"}]}, EMPTY, RESULTS[0]]
    spans = [call([USER], [{**CALLS, "parts": [ROME]}], id=1), call([hi], [other], id=3, trace=3)]
    spans.append(call(lost, [ANSWER], id=2, trace=2, start=2))

    for order in permutations(spans):
        ledger = Ledger()
        for span in order:
            ledger.add(span)
        assert ledger.run(2, 2).input == lost


def test_text_beside_the_lost_calls_stays() -> None:
    text = {"type": "text", "content": "Let me look."}
    first = call([USER], [{"role": "assistant", "parts": [text, ROME]}], id=1)
    second = call([USER, {"role": "assistant", "parts": [text]}, result("22")], [ANSWER], id=2, start=2)

    assert Ledger(first, second).run(2).input == [
        USER,
        {"role": "assistant", "parts": [text, ROME]},
        result("22", "call_rome"),
    ]


def test_the_answer_that_a_span_lost_comes_from_the_next_request() -> None:
    ledger = Ledger(call([USER], [EMPTY], id=1), call([USER, CALLS, *RESULTS], [ANSWER], id=2, trace=2, start=2))

    assert ledger.run(1).output == [CALLS]
    assert ledger.run(1).warnings == ["completed_from_conversation"]


def test_calls_glued_together_are_taken_apart_where_the_next_request_has_the_same_arguments() -> None:
    glued = {"type": "tool_call", "id": None, "name": "weather", "arguments": '{"city":"Rome"}{"city":"Oslo"}'}
    answer = {"role": "assistant", "parts": [glued]}
    first, second = call([USER], [answer], id=1), call([USER, CALLS, *RESULTS], [ANSWER], id=2, start=2)
    other = [{**ROME, "arguments": {"city": "Bari"}}, OSLO]
    unlike = call([USER, {"role": "assistant", "parts": other}, *RESULTS], [ANSWER], id=2, start=2)

    assert Ledger(first, second).run(1).output == [CALLS]
    assert parts(Ledger(first, unlike).run(1), "output", "tool_call") == [glued]


def test_placeholders_become_the_calls_and_results_that_they_stand_for() -> None:
    asked = {"role": "assistant", "parts": [{"type": "text", "content": "[tool: weather][tool: weather]"}]}
    answered = result("[tool-result: weather][tool-result: weather]")
    executed = [
        tool({"gen_ai.tool.call.id": id, "gen_ai.tool.call.result": degrees}, name="weather", id=number)
        for number, (id, degrees) in enumerate((("call_oslo", "-3"), ("call_rome", "22")), 3)
    ]
    spans = [call([USER], [CALLS], id=1), call([USER, asked, answered], [ANSWER], id=2, start=2), *executed]

    assert Ledger(*spans).run(2).input == [
        USER,
        CALLS,
        result("22", "call_rome", "weather"),
        result("-3", "call_oslo", "weather"),
    ]
    assert (
        parts(only_run(spans[1]), "input", "tool_call")
        == [{"type": "tool_call", "id": None, "name": "weather", "arguments": None}] * 2
    )


def test_a_text_that_looks_like_a_placeholder_stays_a_text() -> None:
    asked = {"role": "assistant", "parts": [{"type": "text", "content": "[tool: hammer]"}]}

    assert only_run(call([USER, asked, USER], [ANSWER], id=1)).input == [USER, asked, USER]


SECOND = call([USER, EMPTY, *LOST_IDS], [ANSWER], id=2, trace=2, start=2)
UNLIKE = {
    "another user": [call([USER], [CALLS], id=1, user="eve"), SECOND],
    "another question": [call([{**USER, "parts": [{"type": "text", "content": "Hi"}]}], [CALLS], id=1), SECOND],
    "a later call": [call([USER], [CALLS], id=1, start=9), SECOND],
    "another number of calls": [call([USER], [{"role": "assistant", "parts": [ROME]}], id=1), SECOND],
    "two answers": [
        call([USER], [CALLS], id=1),
        call([USER], [{"role": "assistant", "parts": [OSLO, ROME]}], id=3, trace=3),
        SECOND,
    ],
}


@pytest.mark.parametrize("spans", UNLIKE.values(), ids=UNLIKE)
def test_nothing_is_taken_from(spans: list[Facts]) -> None:
    for order in permutations(spans):
        ledger = Ledger()
        for span in order:
            ledger.add(span)
        assert ledger.run(2, 2).input == [USER, EMPTY, *LOST_IDS]


def test_an_answer_is_taken_from_no_conversation_that_two_model_calls_may_have_led_to() -> None:
    spans = [call([USER], [EMPTY], id=1), call([USER], [EMPTY], id=3, trace=3)]
    spans.append(call([USER, CALLS, *RESULTS], [ANSWER], id=2, trace=2, start=2))

    for order in permutations(spans):
        ledger = Ledger()
        for span in order:
            ledger.add(span)
        assert ledger.run(1).output == ledger.run(3, 3).output == [EMPTY]


def test_withheld_content_is_like_no_other() -> None:
    withheld = {"role": "user", "parts": [{"type": "text", "content": None, "redacted": True}]}
    first = call([withheld], [CALLS], id=1)
    second = call([withheld, EMPTY, *LOST_IDS], [ANSWER], id=2, trace=2, start=2)

    assert parts(Ledger(first, second).run(2, 2), "input", "tool_call") == []


def test_what_comes_from_another_trace_makes_no_tool_runs() -> None:
    ledger = Ledger(call([USER], [EMPTY], id=1), call([USER, CALLS, *RESULTS], [ANSWER], id=2, trace=2, start=2))

    assert [run for run in ledger.runs if run.type == "tool"] == []


def test_usage_and_cost_stay_as_they_were() -> None:
    first, second = call([USER], [CALLS], id=1), call([USER, EMPTY, *LOST_IDS], [ANSWER], id=2, start=2)

    ledger, alone = Ledger(first, second), Ledger(second)

    assert ledger.billed() == {1: (56, 5), 2: (56, 5)}
    assert (ledger.run(2).usage, ledger.run(2).cost) == (alone.run(2).usage, alone.run(2).cost)


def conversation(turns: int) -> list[Facts]:
    """An agent's model calls, each in a trace of its own, whose requests lose calls and ids."""
    history: list[Message] = [USER]
    spans = []
    for number in range(turns):
        asked = [{"type": "tool_call", "id": f"call_{number}", "name": "weather", "arguments": {"day": number}}]
        spans.append(
            call(history, [{"role": "assistant", "parts": asked}], id=number + 1, trace=number + 1, start=2 * number)
        )
        history = [*history, EMPTY, result(f"{number} degrees")]
    return spans


def test_the_order_of_arrival_makes_no_difference() -> None:
    spans = conversation(6)
    expected = {run.run_id: run.input for run in Ledger(*spans).runs}
    assert parts(Ledger(*spans).run(6, 6), "input", "tool_call")[4]["arguments"] == {"day": 4}
    for seed in range(20):
        shuffled = list(spans)
        random.Random(seed).shuffle(shuffled)
        ledger = Ledger()
        for span in shuffled:
            ledger.add(span)
        assert {run.run_id: run.input for run in ledger.runs} == expected


def test_memory_is_bounded() -> None:
    memory = Conversations(limit=10)
    for number in range(50):
        run = Run(project_id="p", run_id=str(number), trace_id="t", type="llm", started_at=number)
        run.input, run.output = [{"role": "user", "parts": [{"type": "text", "content": str(number)}]}], [CALLS]
        memory.note("p", "t", [(run, Talk(run))])

    assert len(memory) == 10
