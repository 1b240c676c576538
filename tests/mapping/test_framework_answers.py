"""What a framework's chains tell of the model calls inside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from spanledger.mapping.facts import Facts
from spanledger.mapping.framework_answers import Answers, Told
from spanledger.model.records import Run
from tests.mapping.build import Ledger, chat, span

RESPONSE = "chatcmpl-8d2424850b11bb8413c5d901f2781"
OTHER = "chatcmpl-6b09fe27afb1b7e2bcf695ea35f42"
QUESTION = "Weather in Rome?"
CALL = {"type": "tool_call", "id": "call_rome", "name": "weather", "arguments": {"city": "Rome"}}


def message(
    content: str = "22 degrees.", *, id: str = RESPONSE, calls: bool = False, tokens: tuple[int, int] = (56, 5)
) -> dict[str, Any]:
    """An AIMessage as LangChain dumps it."""
    body: dict[str, Any] = {
        "id": id,
        "content": content,
        "response_metadata": {
            "finish_reason": "tool_calls" if calls else "stop",
            "model_name": "gpt-4o-2024-08-06",
        },
        "usage_metadata": {"input_tokens": tokens[0], "output_tokens": tokens[1]},
    }
    if calls:
        body["tool_calls"] = [{"name": "weather", "args": {"city": "Rome"}, "id": "call_rome", "type": "tool_call"}]
    return {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "AIMessage"], "kwargs": body}


HUMAN = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain_core", "messages", "HumanMessage"],
    "kwargs": {"content": QUESTION},
}


def chain(
    output: Sequence[Any], *, given: Sequence[Any] = (HUMAN,), id: int = 1, trace: int = 1, start: float = 0.0
) -> Facts:
    attributes = {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.input": json.dumps({"messages": given}),
        "traceloop.entity.output": json.dumps({"messages": output}),
    }
    return span(attributes, name="RunnableSequence", id=id, trace=trace, start=start, end=start + 3)


def call(
    told: str | None = "22 degrees.",
    *,
    id: int = 2,
    parent: int | None = 1,
    trace: int = 1,
    start: float = 1.0,
    response_id: str | None = None,
    question: str = QUESTION,
) -> Facts:
    parts = [{"type": "text", "content": told}] if told is not None else []
    attributes = {
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}]),
    }
    return chat(attributes, id=id, parent=parent, trace=trace, start=start, end=start + 1, response_id=response_id)


def known(run: Run) -> tuple[str | None, str | None, list[str]]:
    return run.response_id, run.model, run.finish_reasons


COMPLETE = (RESPONSE, "gpt-4o-2024-08-06", ["stop"])
LACKING: tuple[None, str, list[str]] = (None, "gpt-4o", [])


def test_text_and_token_counts_tell_whose_answer_a_message_of_the_same_trace_is() -> None:
    assert known(Ledger(chain([message()]), call()).run(2)) == COMPLETE


@pytest.mark.parametrize(
    "other",
    [message("23 degrees."), message(tokens=(56, 6)), message(tokens=(57, 5))],
    ids=["another text", "other output tokens", "other input tokens"],
)
def test_a_message_that_differs_is_no_answer_of_the_call(other: dict[str, Any]) -> None:
    assert known(Ledger(chain([other]), call()).run(2)) == LACKING


def test_two_messages_alike_complete_nothing() -> None:
    assert known(Ledger(chain([message(), message(id=OTHER)]), call()).run(2)) == LACKING


def test_two_calls_alike_get_nothing() -> None:
    ledger = Ledger(chain([message()]), call(), call(id=3, start=2))

    assert known(ledger.run(2)) == known(ledger.run(3)) == LACKING


def test_one_message_in_the_state_of_many_steps_is_one_answer() -> None:
    assert known(Ledger(chain([message()]), chain([message()], id=3), call()).run(2)) == COMPLETE


def test_a_response_id_tells_across_traces() -> None:
    lost = call(None, trace=2, parent=None, response_id=RESPONSE, start=50)

    run = Ledger(chain([message("", calls=True)]), lost).run(2, 2)

    assert run.finish_reasons == ["tool_call"]
    assert [message["parts"] for message in run.output] == [[CALL]]


def test_an_id_that_langchain_made_up_is_no_response_id() -> None:
    run = Ledger(chain([message(id="run-0b5f9c3a-7d7e-4c55-8d53-5d6f3d0a8f6e-0")]), call()).run(2)

    assert known(run) == (None, "gpt-4o-2024-08-06", ["stop"])


def test_steps_in_traces_of_their_own_complete_the_call_that_ran_inside_them() -> None:
    spans = [chain([message("", calls=True)]), call(None, trace=2, parent=None)]

    for order in permutations(spans):
        ledger = Ledger()
        for one in order:
            ledger.add(one)
        run = ledger.run(2, 2)
        assert known(run) == (RESPONSE, "gpt-4o-2024-08-06", ["tool_call"])
        assert run.output[0]["parts"] == [CALL]


@pytest.mark.parametrize(
    "spans",
    [
        [chain([message()]), call(trace=2, parent=None, start=20)],
        [chain([message()]), call(trace=2, parent=None, question="Weather in Oslo?")],
        [chain([message()]), call(trace=2, parent=None), call(trace=3, parent=None)],
        [chain([message()]), chain([message(id=OTHER)], trace=4), call(trace=2, parent=None)],
    ],
    ids=["another time", "another question", "two calls at once", "two answers at once"],
)
def test_another_trace_tells_nothing_of(spans: list[Facts]) -> None:
    for order in permutations(spans):
        ledger = Ledger()
        for one in order:
            ledger.add(one)
        assert known(ledger.run(2, 2)) == LACKING


def test_usage_cost_and_billing_stay_as_they_were() -> None:
    ledger, alone = Ledger(chain([message()]), call()), Ledger(call())

    assert ledger.billed() == {2: (56, 5)}
    assert (ledger.run(2).usage, ledger.run(2).cost) == (alone.run(2).usage, alone.run(2).cost)


def test_memory_is_bounded() -> None:
    memory = Answers(limit=10)
    for number in range(50):
        step = Run(project_id="p", run_id="r", trace_id="t", type="chain", started_at=0, ended_at=9)
        given = {"messages": [{**HUMAN, "kwargs": {"content": f"{number}"}}]}
        memory.note_told("p", "t", Told(step, given, {"messages": [message(id=f"chatcmpl-{number:024d}")]}))

    assert len(memory) == 10
