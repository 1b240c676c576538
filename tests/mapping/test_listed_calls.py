"""Calls that a model asked for, in other places than among the parts of its answer."""

from __future__ import annotations

import json

import pytest

from spanledger.model.span import Value
from tests.mapping.build import chat, event, only_run, span


def test_langtrace_for_javascript_prints_calls_as_the_answers_text_and_packs_texts_twice() -> None:
    asked = '[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{\\"city\\": \\"Paris\\"}"}}]'
    answer = json.dumps([{"role": "assistant", "content": asked}])
    scope = "@langtrase/typescript-sdk"
    call = only_run(chat(scope=scope, events=[event("gen_ai.content.completion", {"gen_ai.completion": answer})]))
    texts = {"gen_ai.operation.name": "embed", "gen_ai.request.embedding_inputs": '[["rivers","lakes"]]'}

    assert call.output[0]["parts"] == [
        {"type": "tool_call", "id": "c1", "name": "get_weather", "arguments": {"city": "Paris"}}
    ]
    assert only_run(span(texts, scope=scope)).input == ["rivers", "lakes"]


@pytest.mark.parametrize(
    "said",
    [
        '[{"id":"c1","type":"function","function":{"name":"a","arguments":"{}"}}, {"id":"c2"}]',
        '[{"id":"c1","type":"function","function":{"name":"a"}}]',
        '[{"id": 7, "price": 3}]',
    ],
)
def test_an_answer_in_json_that_is_no_list_of_calls_stays_a_text(said: str) -> None:
    answer = json.dumps([{"role": "assistant", "content": said}])
    (message,) = only_run(chat({"gen_ai.output.messages": answer})).output
    assert message["parts"] == [{"type": "text", "content": said}]


@pytest.mark.parametrize(
    ("beside", "calls"),
    [
        (
            {
                "gen_ai.tool.name": "get_weather, get_time",
                "gen_ai.tool.call.id": "c1, c2",
                "gen_ai.tool.args": '{"city": "Paris"}, {"zone": "CET, or so"}',
            },
            [("c1", "get_weather", {"city": "Paris"}), ("c2", "get_time", {"zone": "CET, or so"})],
        ),
        (
            {
                "gen_ai.tool.name": "get_weather",
                "gen_ai.tool.call.id": "None",
                "gen_ai.tool.args": "{'city': 'Paris'}",
            },
            [(None, "get_weather", {"city": "Paris"})],
        ),
        ({"gen_ai.tool.name": "a, b", "gen_ai.tool.args": "{}"}, []),
        ({"gen_ai.tool.name": "a, b", "gen_ai.tool.call.id": "c1, c2, c3", "gen_ai.tool.args": "{}, {}"}, []),
        ({"gen_ai.tool.name": "a"}, []),
    ],
)
def test_openlit_joins_the_calls_of_an_answer_with_commas(
    beside: dict[str, Value], calls: list[tuple[str | None, str, Value]]
) -> None:
    output = only_run(chat(beside)).output or []
    found = [part for message in output for part in message["parts"] if part["type"] == "tool_call"]
    assert [(part["id"], part["name"], part["arguments"]) for part in found] == calls
