"""Tool runs read out of the conversation, where nobody traced the tool."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from spanledger.mapping import KEYS, Mapper
from spanledger.mapping.derived import ToolCalls
from spanledger.mapping.facts import Facts
from spanledger.model.records import Run

Message = dict[str, Any]


def asks(*numbers: int) -> Message:
    calls = [
        {"type": "tool_call", "id": f"call_{number}", "name": "weather", "arguments": {"city": "Rome"}}
        for number in numbers
    ]
    return {"role": "assistant", "parts": calls}


def answers(number: int, response: str) -> Message:
    return {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": f"call_{number}", "response": response}],
    }


ASKED = [asks(1)]
ANSWERED = [
    {"role": "user", "parts": [{"type": "text", "content": "Weather in Rome?"}]},
    asks(1),
    answers(1, "22 degrees"),
]


def span(trace: str, number: int, operation: str = "chat", **attributes: Any) -> Facts:
    facts = Facts()
    facts.trace_id, facts.span_id = trace * 32, f"{number:016x}"
    facts.name, facts.start_ns, facts.end_ns = operation, number * 1_000, number * 1_000 + 500
    KEYS.fill(facts, [("gen_ai.operation.name", operation), *attributes.items()])
    return facts


def chat(trace: str, number: int, *, asked: list[Message] | None = None, told: list[Message] | None = None) -> Facts:
    attributes: dict[str, Any] = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    for key, messages in (("gen_ai.input.messages", asked), ("gen_ai.output.messages", told)):
        if messages is not None:
            attributes[key] = json.dumps(messages)
    return span(trace, number, **attributes)


def tool_span(trace: str, number: int) -> Facts:
    return span(trace, number, "execute_tool", **{"gen_ai.tool.name": "weather"})


def tools(records: list[Any]) -> list[Run]:
    return [record for record in records if isinstance(record, Run) and record.type == "tool"]


def test_a_call_answered_in_another_trace_becomes_a_tool_run_below_the_model_call_that_asked() -> None:
    mapper = Mapper()
    first = mapper.add("default", [chat("a", 1, told=ASKED)])
    assert tools(first) == []

    (tool,) = tools(mapper.add("default", [chat("b", 2, asked=ANSWERED)]))

    assert isinstance(first[0], Run)
    assert (tool.parent_run_id, tool.trace_id) == (first[0].run_id, "a" * 32)
    assert (tool.name, tool.input, tool.output, tool.status) == ("weather", {"city": "Rome"}, "22 degrees", "success")
    assert (tool.started_at, tool.ended_at, tool.duration_ns) == (1_500, None, None)
    assert tool.warnings == ["derived_from_messages"]


def test_the_order_of_arrival_makes_no_difference() -> None:
    forward, backward = Mapper(), Mapper()
    forward.add("default", [chat("a", 1, told=ASKED)])
    last_forward = tools(forward.add("default", [chat("b", 2, asked=ANSWERED)]))
    backward.add("default", [chat("b", 2, asked=ANSWERED)])
    last_backward = tools(backward.add("default", [chat("a", 1, told=ASKED)]))

    for run in (*last_forward, *last_backward):
        run.version = 0
    assert last_forward == last_backward


def test_a_trace_that_several_traces_of_one_request_bear_on_is_given_once() -> None:
    mapper = Mapper()
    mapper.add("default", [chat("a", 1, told=[asks(1, 2)])])
    answered = [
        chat("b", 2, asked=[asks(1), answers(1, "22 degrees")]),
        chat("c", 3, asked=[asks(2), answers(2, "17 degrees")]),
    ]
    made = tools(mapper.add("default", answered))
    assert sorted((tool.trace_id, tool.output) for tool in made) == [("a" * 32, "17 degrees"), ("a" * 32, "22 degrees")]


def test_a_trace_with_a_tool_span_is_left_alone() -> None:
    mapper = Mapper()
    mapper.add("default", [chat("a", 1, told=ASKED), tool_span("a", 3)])

    assert tools(mapper.add("default", [chat("b", 2, asked=ANSWERED)])) == []


def traced(trace: str, number: int, city: str = "Rome", **attributes: Any) -> Facts:
    """A tool's span in a trace of its own."""
    arguments = {"gen_ai.tool.name": "weather", "gen_ai.tool.call.arguments": json.dumps({"city": city})}
    return span(trace, number, "execute_tool", **{**arguments, **attributes})


LATER = chat("b", 9_000, asked=ANSWERED)


@pytest.mark.parametrize(
    "executed",
    [
        traced("c", 5_000),
        traced("c", 5_000, **{"gen_ai.tool.call.arguments": '["Rome"]'}),
        traced("c", 5_000, "Oslo", **{"gen_ai.tool.call.id": "call_1"}),
    ],
    ids=["name and arguments", "arguments by position", "call id"],
)
def test_a_call_with_a_span_in_another_trace_is_not_derived(executed: Facts) -> None:
    for order in permutations([chat("a", 1, told=ASKED), executed, LATER]):
        (run,) = final_tools(Mapper(), *order)
        assert run.span_id == executed.span_id


@pytest.mark.parametrize(
    "executed",
    [traced("c", 5_000, "Oslo"), traced("c", 90_000), traced("c", 5_000, **{"gen_ai.tool.call.id": "call_2"})],
    ids=["other arguments", "after the request with the result", "another call id"],
)
def test_a_span_of_another_call_does_not_keep_a_call_from_being_derived(executed: Facts) -> None:
    for order in permutations([chat("a", 1, told=ASKED), executed, LATER]):
        assert len(final_tools(Mapper(), *order)) == 2


def test_a_tool_span_that_comes_late_withdraws_the_derived_run() -> None:
    mapper = Mapper()
    mapper.add("default", [chat("a", 1, told=ASKED)])
    (derived,) = tools(mapper.add("default", [chat("b", 2, asked=ANSWERED)]))

    given = {run.run_id: run for run in tools(mapper.add("default", [tool_span("a", 3)]))}

    assert given[derived.run_id].withdrawn
    assert given[derived.run_id].version > derived.version
    assert [run.name for run in given.values() if not run.withdrawn] == ["weather"]


def test_projects_do_not_answer_each_others_calls() -> None:
    mapper = Mapper()
    mapper.add("one", [chat("a", 1, told=ASKED)])

    assert tools(mapper.add("two", [chat("b", 2, asked=ANSWERED)])) == []


def kimi(trace: str, number: int, city: str, result: str | None = None) -> Facts:
    """A conversation whose model numbers its calls from nought; its first answer, or its second request."""
    asked = [{"type": "tool_call", "id": "functions.weather:0", "name": "weather", "arguments": {"city": city}}]
    call = {"role": "assistant", "parts": asked}
    if result is None:
        return chat(trace, number, told=[call])
    part = {"type": "tool_call_response", "id": "functions.weather:0", "response": result}
    return chat(trace, number, asked=[call, {"role": "tool", "parts": [part]}])


def final_tools(mapper: Mapper, *spans: Facts) -> list[Run]:
    final: dict[str, Run] = {}
    for one in spans:
        final.update((run.run_id, run) for run in tools(mapper.add("default", [one])))
    return [run for run in final.values() if not run.withdrawn]


def test_a_call_id_that_several_conversations_use_takes_no_result_from_another() -> None:
    rome = [kimi("a", 1, "Rome"), kimi("b", 2, "Rome", "22 degrees")]
    oslo = [kimi("c", 3, "Oslo"), kimi("d", 4, "Oslo", "-3 degrees")]

    assert [run.output for run in final_tools(Mapper(), *rome)] == ["22 degrees"]
    assert final_tools(Mapper(), *rome, *oslo) == []
    assert final_tools(Mapper(), *oslo, *rome) == []


def test_a_shared_call_id_completes_no_tool_span_of_another_conversation() -> None:
    executed = tool_span("c", 5)
    KEYS.fill(executed, [("gen_ai.operation.name", "execute_tool"), ("gen_ai.tool.call.id", "functions.weather:0")])
    spans = [kimi("a", 1, "Rome"), kimi("b", 2, "Rome", "22 degrees"), kimi("c", 3, "Oslo"), executed]

    assert [run.output for run in final_tools(Mapper(), *spans)] == [None]
    assert [run.output for run in final_tools(Mapper(), *reversed(spans))] == [None]


def test_a_call_that_application_and_gateway_report_is_one_call() -> None:
    mapper = Mapper()
    mapper.add("default", [chat("a", 1, told=ASKED), chat("c", 2, told=ASKED)])

    derived = tools(mapper.add("default", [chat("b", 3, asked=ANSWERED)]))

    assert {run.trace_id: run.output for run in derived} == {"a" * 32: "22 degrees", "c" * 32: "22 degrees"}


def test_an_id_of_absurd_length_is_not_remembered() -> None:
    calls = ToolCalls()
    part = {"type": "tool_call", "id": "x" * 100_000, "name": "weather", "arguments": {}}
    result = {"type": "tool_call_response", "id": "x" * 100_000, "response": "22 degrees"}
    run = Run(project_id="default", run_id="r", type="llm", started_at=1)
    run.input, run.output = [{"role": "tool", "parts": [result]}], [{"role": "assistant", "parts": [part]}]

    calls.note("default", "t", [run])

    assert calls.derive("default", "t", [run]) == []


def test_results_are_remembered_within_a_number_of_bytes() -> None:
    calls = ToolCalls(10_000)
    for number in range(50):
        answering = Run(project_id="default", run_id=str(number), type="llm", started_at=number)
        answering.input = [answers(number, "x" * 1_000)]
        calls.note("default", "t", [answering])

    asking = Run(project_id="default", run_id="r", type="llm", started_at=1, output=[asks(*range(50))])

    remembered = [run.tool for run in calls.derive("default", "t", [asking])]
    assert 5 <= len(remembered) <= 10
    assert remembered[-1] == {"name": "weather", "call_id": "call_49"}


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("Error: no such city", "error"),
        ({"error": "no such city"}, "error"),
        ({"error": None, "degrees": 22}, "success"),
        ("The error: none", "success"),
    ],
)
def test_a_result_that_is_nothing_but_an_error_failed(result: Any, status: str) -> None:
    answered = [
        ASKED[0],
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": result}]},
    ]
    mapper = Mapper()
    mapper.add("default", [chat("a", 1, told=ASKED)])

    (tool,) = tools(mapper.add("default", [chat("b", 2, asked=answered)]))

    assert tool.status == status
