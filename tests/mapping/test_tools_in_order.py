"""Tools whose spans share no call id with the conversation: Google ADK's."""

from __future__ import annotations

import json

import pytest

from spanledger.mapping.facts import Facts
from spanledger.model.records import Run
from tests.mapping.build import Ledger, agent, chat, tool


def asking(*cities: str) -> Facts:
    calls = [
        {"type": "tool_call", "id": f"get_weather_{place}", "name": "get_weather", "arguments": {"city": city}}
        for place, city in enumerate(cities)
    ]
    said = json.dumps([{"role": "assistant", "parts": calls}])
    return chat({"gen_ai.output.messages": said}, id=2, parent=1, start=0.0, end=1.0)


def answering(*degrees: str) -> Facts:
    results = [
        {"type": "tool_call_response", "id": f"get_weather_{place}", "response": {"result": told}}
        for place, told in enumerate(degrees)
    ]
    return chat(
        {"gen_ai.input.messages": json.dumps([{"role": "tool", "parts": results}])}, id=9, parent=1, start=5.0, end=6.0
    )


def ran(number: int, start: float, name: str = "get_weather") -> Facts:
    made = tool({"gen_ai.tool.call.id": f"adk-{number}"}, name=name, id=number, parent=1)
    made.start_ns += round(start * 1e9)
    made.end_ns = made.start_ns + 1000
    return made


def content(run: Run) -> tuple[object, object]:
    return run.input, run.output


def test_arguments_and_results_by_name_and_order() -> None:
    ledger = Ledger(agent(id=1), asking("Paris", "London"), ran(3, 1.1), ran(4, 1.2), answering("21", "17"))

    assert [content(ledger.run(number)) for number in (3, 4)] == [({"city": "Paris"}, "21"), ({"city": "London"}, "17")]
    assert "matched_by_order" in ledger.run(3).warnings


@pytest.mark.parametrize(
    "tools",
    [
        [ran(3, 1.1)],  # fewer than were asked for
        [ran(3, 1.1), ran(4, 1.2), ran(5, 1.3)],  # more
        [ran(3, 1.1, "get_time"), ran(4, 1.2, "get_time")],  # another tool
        [ran(3, 0.1), ran(4, 0.2)],  # before the answer that asks
        [ran(3, 5.1), ran(4, 5.2)],  # after the next request
    ],
)
def test_where_order_proves_nothing_nothing_is_filled(tools: list[Facts]) -> None:
    ledger = Ledger(agent(id=1), asking("Paris", "London"), *tools, answering("21", "17"))

    assert {content(ledger.run(3)), content(ledger.run(len(tools) + 2))} == {(None, None)}


def test_a_span_that_tells_its_own_content_keeps_it() -> None:
    own = ran(3, 1.1)
    own.tool_input, own.tool_output = '{"city": "Rome"}', "30"
    ledger = Ledger(agent(id=1), asking("Paris"), own, answering("21"))

    assert content(ledger.run(3)) == ({"city": "Rome"}, "30")
