"""Tools offered to the model (conventions §2.7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spanledger.mapping import messages as m

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"name": "weather", "description": "Current weather", "parameters": SCHEMA}


def read(value: Any) -> Any:
    return m.tool_definitions(value, warnings=[], key="gen_ai.tool.definitions")


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", **WEATHER},
        {"type": "function", "function": WEATHER},
        {"name": "weather", "description": "Current weather", "input_schema": SCHEMA},
        {"type": "function", "name": "weather", "description": "Current weather", "inputSchema": SCHEMA},
        {"name": "weather", "description": "Current weather", "parameters_json_schema": SCHEMA, "kind": "function"},
        {"toolSpec": {"name": "weather", "description": "Current weather", "inputSchema": {"json": SCHEMA}}},
        {"function_declarations": [WEATHER]},
        {"functionDeclarations": [WEATHER]},
        {**WEATHER, "parameters": json.dumps(SCHEMA)},
        {"role": "tool", "content": json.dumps({"type": "function", "function": WEATHER})},
    ],
    ids=[
        "otel",
        "openai",
        "anthropic",
        "vercel",
        "pydantic",
        "bedrock",
        "adk",
        "gemini",
        "schema as text",
        "langgraph",
    ],
)
def test_every_shape_of_a_tool(tool: dict[str, Any]) -> None:
    assert read([tool]) == [WEATHER]
    assert read(json.dumps([tool])) == [WEATHER]
    assert read([json.dumps(tool)]) == [WEATHER]


def test_pydantic_request_parameters() -> None:
    body = {
        "function_tools": [{"name": "weather", "description": "Current weather", "parameters_json_schema": SCHEMA}],
        "output_tools": [{"name": "final_result", "parameters_json_schema": SCHEMA, "kind": "output"}],
        "output_mode": "tool",
    }

    assert read(json.dumps(body)) == [WEATHER, {"name": "final_result", "parameters": SCHEMA}]


def test_names_alone() -> None:
    assert read('["weather", "time"]') == [{"name": "weather"}, {"name": "time"}]
    assert read(["weather"]) == [{"name": "weather"}]


def test_a_tool_of_the_provider_keeps_its_settings() -> None:
    assert read([{"type": "provider-defined", "id": "openai.web_search", "args": {"n": 3}}]) == [
        {
            "name": "openai.web_search",
            "type": "provider-defined",
            "config": {"id": "openai.web_search", "args": {"n": 3}},
        }
    ]
    assert read([{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}]) == [
        {"name": "web_search", "type": "web_search_20250305", "config": {"max_uses": 5}}
    ]


def test_strictness_is_kept() -> None:
    assert read([{"type": "function", "function": {**WEATHER, "strict": True}}]) == [{**WEATHER, "strict": True}]


def test_an_object_of_tools() -> None:
    assert read({"weather": {"description": "Current weather", "inputSchema": SCHEMA}}) == [WEATHER]


def test_null_parameters_are_absent() -> None:
    assert read([{"type": "function", "name": "weather", "description": "", "parameters": None}]) == [
        {"name": "weather"}
    ]


@pytest.mark.parametrize("value", [None, "", "[]", [], {}, "{}", 7, "[null]"])
def test_no_tools(value: Any) -> None:
    assert read(value) is None


def test_cut_definitions_are_read_as_far_as_they_go() -> None:
    warnings: list[str] = []
    value = json.dumps(
        [{"type": "function", **WEATHER}, {"type": "function", "name": "time", "description": "Local ti"}]
    )

    found = m.tool_definitions(value[:-3], warnings=warnings, key="gen_ai.tool.definitions")

    assert found == [WEATHER, {"name": "time", "description": "Local ti"}]
    assert warnings == ["truncated_json:gen_ai.tool.definitions"]


def test_indexed_functions() -> None:  # OpenLLMetry before 0.5
    group = {
        "1.name": "time",
        "0.name": "weather",
        "0.description": "Current weather",
        "0.parameters": json.dumps(SCHEMA),
    }

    assert m.indexed_tool_definitions(group) == [WEATHER, {"name": "time"}]


def test_indexed_schemas() -> None:  # OpenInference
    openai = {"0.tool.json_schema": json.dumps({"type": "function", "function": WEATHER})}
    bare = {
        "0.tool.name": "weather",
        "0.tool.description": "Current weather",
        "0.tool.json_schema": json.dumps(SCHEMA),
    }

    assert m.indexed_tool_definitions(openai) == [WEATHER]
    assert m.indexed_tool_definitions(bare) == [WEATHER]
    assert m.indexed_tool_definitions({}) is None
