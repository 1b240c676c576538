"""Span events and log records that carry one message each (conventions §3.5, §3.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spanledger.mapping import messages as m


def event(name: str, body: Any = None, **attributes: Any) -> Any:
    return m.event_message(name, body, attributes, warnings=[])


def text(role: str, content: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}], **fields}


def result(id_: str | None, response: Any = "22C", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": id_, "response": response, **fields}]}


CALL = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Rome"}}
OPENAI_CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}


@pytest.mark.parametrize("encode", [lambda body: body, json.dumps, lambda body: json.dumps(body).encode()])
def test_bodies_as_objects_as_json_and_as_bytes(encode: Any) -> None:
    assert event("gen_ai.system.message", encode({"content": "Be brief"})) == ("input", [text("system", "Be brief")])
    assert event("gen_ai.user.message", encode({"content": "hi"})) == ("input", [text("user", "hi")])
    assert event("gen_ai.assistant.message", encode({"tool_calls": [OPENAI_CALL]})) == (
        "input",
        [{"role": "assistant", "parts": [CALL]}],
    )
    assert event("gen_ai.tool.message", encode({"id": "c1", "content": "22C"})) == ("input", [result("c1")])
    assert event(
        "gen_ai.choice",
        encode({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "22C"}}),
    ) == ("output", [text("assistant", "22C", finish_reason="stop")])


def test_the_role_of_the_body_beats_the_name() -> None:
    assert event("gen_ai.system.message", {"role": "developer", "content": "x"}) == ("input", [text("developer", "x")])


def test_calls_beside_the_message_of_a_choice() -> None:  # semconv up to 1.29
    assert event("gen_ai.choice", {"finish_reason": "tool_calls", "message": {}, "tool_calls": [OPENAI_CALL]}) == (
        "output",
        [{"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}],
    )


def test_events_without_content() -> None:
    assert event("gen_ai.user.message", None) == ("input", [{"role": "user", "parts": []}])
    assert event("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}) == (
        "output",
        [{"role": "assistant", "parts": [], "finish_reason": "stop"}],
    )


def test_text_of_a_user_is_never_parsed() -> None:
    assert event("gen_ai.user.message", {"content": '{"a": 1}'}) == ("input", [text("user", '{"a": 1}')])


def test_bodies_in_an_attribute() -> None:  # Azure AI Inference, Semantic Kernel for .NET
    choice = '{"message":{"role":"Assistant","content":"hi"},"finish_reason":"Stop","index":0}'

    assert event("gen_ai.choice", None, **{"gen_ai.event.content": choice}) == (
        "output",
        [text("assistant", "hi", finish_reason="stop")],
    )
    assert event("gen_ai.user.message", None, **{"gen_ai.event.content": '{"role":"user","content":"hi"}'}) == (
        "input",
        [text("user", "hi")],
    )


def test_strands_attributes() -> None:
    use = '[{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Rome"}}}]'
    results = '[{"toolResult": {"toolUseId": "c1", "status": "success", "content": [{"text": "22C"}]}}]'

    assert event("gen_ai.user.message", content='[{"text": "hi"}]') == ("input", [text("user", "hi")])
    assert event("gen_ai.assistant.message", content=use) == ("input", [{"role": "assistant", "parts": [CALL]}])
    assert event("gen_ai.tool.message", content=results) == ("input", [result("c1")])
    assert event("gen_ai.choice", message="22C\n", finish_reason="end_turn") == (
        "output",
        [text("assistant", "22C\n", finish_reason="stop")],
    )
    assert event("gen_ai.choice", message=use, finish_reason="tool_use") == (
        "output",
        [{"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}],
    )


def test_strands_on_the_span_of_a_tool() -> None:
    assert event("gen_ai.tool.message", role="tool", content='{"city": "Rome"}', id="c1") == (
        "input",
        [result("c1", '{"city": "Rome"}')],
    )
    assert event("gen_ai.choice", message='[{"text": "22C"}]', id="c1") == ("output", [result("c1")])


def test_strands_event_loop_carries_the_results_as_well() -> None:
    use = '[{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Rome"}}}]'
    results = '[{"toolResult": {"toolUseId": "c1", "status": "success", "content": [{"text": "22C"}]}}]'

    assert event("gen_ai.choice", message=use, **{"tool.result": results}) == (
        "output",
        [{"role": "assistant", "parts": [CALL]}, result("c1")],
    )


def test_botocore_blocks() -> None:
    use = {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Rome"}}}
    calls = [{"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"city": "Rome"}}}]
    answers = [{"toolResult": {"toolUseId": f"c{i}", "content": [{"text": "22C"}]}} for i in (1, 2)]

    assert event("gen_ai.user.message", {"content": [{"text": "hi"}]}) == ("input", [text("user", "hi")])
    assert event("gen_ai.assistant.message", {"content": [use], "tool_calls": calls}) == (
        "input",
        [{"role": "assistant", "parts": [CALL]}],
    )
    assert event("gen_ai.user.message", {"content": answers}) == ("input", [result("c1"), result("c2")])


def test_google_genai_content_objects() -> None:
    content = {"role": "user", "parts": [{"text": "hi"}]}

    assert event("gen_ai.user.message", {"content": content}) == ("input", [text("user", "hi")])
    assert event("gen_ai.user.message", {"content": "<elided>"}) == (
        "input",
        [{"role": "user", "parts": [{"type": "text", "content": None, "redacted": True}]}],
    )


def test_content_events() -> None:
    prompt = '[{"role":"user","content":"hi"}]'

    assert event("gen_ai.content.prompt", **{"gen_ai.prompt": prompt}) == ("input", [text("user", "hi")])
    assert event("gen_ai.content.prompt", **{"gen_ai.prompt": "system: Be brief\nuser: hi"}) == (
        "input",
        [text("system", "Be brief"), text("user", "hi")],
    )
    assert event("gen_ai.content.completion", **{"gen_ai.completion": "hello"}) == (
        "output",
        [text("assistant", "hello")],
    )
    assert event("gen_ai.content.completion", **{"gen_ai.completion": "None"}) == ("output", [])


def test_llamaindex_events() -> None:
    messages = '[{"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": "hi"}]}]'
    use = {"block_type": "tool_call", "tool_call_id": "c1", "tool_name": "weather", "tool_kwargs": '{"city":"Rome"}'}

    assert event("LLMChatStartEvent", messages=messages) == ("input", [text("user", "hi")])
    assert event(
        "LLMChatEndEvent",
        messages=messages,
        **{
            "response.message.role": "assistant",
            "response.message.blocks": json.dumps([use]),
            "response.message.additional_kwargs.tool_calls": json.dumps([OPENAI_CALL]),
            "response.raw.choices": '[{"finish_reason": "tool_calls", "index": 0}]',
        },
    ) == ("output", [{"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}])


@pytest.mark.parametrize(
    "name", ["", "exception", "gen_ai.client.inference.operation.details", "gen_ai.content.completion.chunk"]
)
def test_other_events_carry_no_message(name: str) -> None:
    assert event(name, {"content": "x"}) is None


def test_the_body_is_not_shared() -> None:
    body = {"tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Rome"}}}]}

    found = event("gen_ai.assistant.message", body)
    body["tool_calls"][0]["function"]["arguments"]["city"] = "Oslo"  # type: ignore[index]

    assert found == ("input", [{"role": "assistant", "parts": [CALL]}])
