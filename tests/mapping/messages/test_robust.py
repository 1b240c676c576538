"""No input makes the normalisation raise, run without bound, or keep hold of what it was given."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.mapping import messages as m

_KEYS = (
    "role parts content type text id name arguments args input output result response tool_calls toolCalls function "
    "tool_call tool_call_id call_id message messages choices candidates generations lc kwargs data delta finish_reason "
    "event.name index system instructions prompt contents items reasoning summary thinking signature source image_url "
    "url image file file_id media_type mime_type modality toolUse toolResult functionCall functionResponse thought "
    "toolRequest toolResponse media origin audio images refusal annotations additional_kwargs _role _content blocks "
    "block_type kind json value tool_use_id toolCallId toolName is_error status error description parameters schema "
    "type toolSpec function_declarations message_content message.role __class__ object reasoningText files steps 0 1"
)
_WORDS = (
    "user assistant system tool human ai model AIMessage text tool_call tool_call_response tool_use tool_result image "
    "document thinking reasoning function_call function_call_output message web_search_call mcp_call tool-call "
    "tool-result file blob uri generic constructor gen_ai.choice gen_ai.user.message input_text image_url refusal stop "
    'base64 url data:image/png;base64,AAAA https://x/y.png b\'x\' <elided> [{"type":"text","text":"x"}] {"a":1 '
    "{'a':1} user:hi ChatMessage(role='user',content='x') remove 0 error"
)
KEYS = _KEYS.split()
WORDS = _WORDS.split()

EXAMPLES = settings(
    max_examples=120, derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=20)
    | st.binary(max_size=8)
)
keys = st.sampled_from(KEYS) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=25,
)
groups = st.dictionaries(
    st.lists(st.sampled_from([*KEYS, "message", "tool_calls", "contents", "10001", "²", "", "-1"]), max_size=7).map(
        ".".join
    ),
    scalars,
    max_size=12,
)
names = st.sampled_from(
    [
        "gen_ai.choice",
        "gen_ai.user.message",
        "gen_ai.tool.message",
        "gen_ai.unknown",
        "gen_ai.content.prompt",
        "LLMChatEndEvent",
        "other",
    ]
)


def as_json(value: Any) -> str:
    return json.dumps(value, default=repr)


def readers(value: Any) -> list[Callable[[], Any]]:
    """Every public function that takes a value."""
    return [
        lambda: m.parse_messages(value, default_role="user", warnings=[], key="k"),
        lambda: m.parse_messages(value, default_role="assistant", warnings=[], key="k", nested=True),
        lambda: m.parse_messages(value, default_role="user", warnings=[], key="k", strict=True),
        lambda: m.parse_instructions(value, warnings=[], key="k"),
        lambda: m.pydantic_events(value, warnings=[], key="k"),
        lambda: m.vercel_prompt(value, warnings=[], key="k"),
        lambda: m.vercel_response(value, value, value, value, value, warnings=[]),
        lambda: m.tool_definitions(value, warnings=[], key="k"),
        lambda: m.request_messages(value, warnings=[], key="k"),
        lambda: m.response_messages(value, warnings=[], key="k"),
        lambda: m.finish_reasons(value),
        lambda: m.parse_json(value),
    ]


def is_normal(messages: Any) -> None:
    """The normal form: roles are texts, parts have a type, results of tools stand alone; JSON can carry all of it."""
    for message in messages:
        assert isinstance(message["role"], str)
        kinds = [part["type"] for part in message["parts"]]
        if "tool_call_response" in kinds:
            assert message["role"] == "tool"
            assert kinds == ["tool_call_response"]
    msgspec.json.encode(messages)


@EXAMPLES
@given(values)
def test_any_value_gives_the_normal_form(value: Any) -> None:
    before = copy.deepcopy(value)
    for form in (value, as_json(value), repr(value)):
        for read in readers(form):
            read()
        is_normal(m.parse_messages(form, default_role="user", warnings=[], key="k"))
        is_normal(m.parse_messages(form, default_role="assistant", warnings=[], key="k"))
        is_normal(m.response_messages(form, warnings=[], key="k"))
    assert repr(value) == repr(before)


@EXAMPLES
@given(values, st.integers(min_value=0, max_value=400))
def test_json_cut_anywhere_gives_the_normal_form(value: Any, cut: int) -> None:
    text = as_json(value)[:cut]
    is_normal(m.parse_messages(text, default_role="user", warnings=[], key="k"))
    m.repair_json(text)


@EXAMPLES
@given(groups)
def test_any_indexed_group_gives_the_normal_form(group: dict[str, Any]) -> None:
    is_normal(m.indexed_messages(group, default_role="user", warnings=[], key="k"))
    is_normal(m.indexed_messages(group, default_role="assistant", warnings=[], key="k"))
    is_normal(m.openinference_messages(group, default_role="assistant", warnings=[], key="k"))
    m.indexed_tool_definitions(group)


@EXAMPLES
@given(
    names, values, st.dictionaries(st.sampled_from([*KEYS, "gen_ai.event.content", "tool.result"]), values, max_size=4)
)
def test_any_event_gives_the_normal_form(name: str, body: Any, attributes: dict[str, Any]) -> None:
    found = m.event_message(name, body, attributes, warnings=[])
    if found is not None:
        is_normal(found[1])


@EXAMPLES
@given(st.lists(values, max_size=4))
def test_any_carriers_merge(found: list[Any]) -> None:
    carriers = [m.parse_messages(value, default_role="user", warnings=[], key="k") for value in found]
    merged = m.merge_messages(*carriers)
    assert len(merged) <= sum(len(carrier) for carrier in carriers)
    assert isinstance(m.text_of(merged), str)


@EXAMPLES
@given(st.text(max_size=60))
def test_any_text_says_what_it_says(text: str) -> None:
    found = m.parse_messages(text, default_role="user", warnings=[], key="k")
    is_normal(found)


HOSTILE = {
    "deep lists": "[" * 500_000,
    "deep objects": '{"a":' * 100_000,
    "deep messages": '{"message":' * 100_000 + "1" + "}" * 100_000,
    "deep wrappers": '{"messages":[' * 400 + "]}" * 400,
    "deep contents": '[{"role":"user","content":' + "[" * 500 + "]" * 500 + "}]",
    "deep arguments": '[{"role":"assistant","tool_calls":[{"id":"c","name":"f","args":'
    + '{"a":' * 400
    + "1"
    + "}" * 404,
    "open string": '[{"role":"user","content":"' + "\\\\" * 1_000_000,
    "quotes": '"' * 2_000_000,
    "spaces": "[" + " " * 3_000_000,
    "many messages": "[" + '{"role":"user","content":"x"},' * 20_000 + "]",
    "many parts": '[{"role":"user","content":[' + '{"type":"text","text":"x"},' * 40_000 + '{"type":"x"}]}]',
    "many calls": '[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":{}}],"tool_calls":['
    + ",".join(json.dumps({"name": "f", "args": {"x": i}}) for i in range(20_000))
    + "]}]",
    "unanswered": "["
    + ",".join(
        json.dumps({"role": "assistant", "tool_calls": [{"id": f"c{i}", "name": "f", "args": {}}]})
        for i in range(5_000)
    )
    + "".join(',{"role":"tool","name":"g","content":"x"}' for _ in range(5_000))
    + "]",
    "role lines": "user: x\n" * 50_000,
    "python repr": "[" * 300_000 + "'",
    "repr strings": "['" + "\\'" * 1_000_000,
    "repr names": "ChatMessage(" * 200_000,
    "data url": '[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,'
    + "A" * 5_000_000
    + '"}}]}]',
    "digits": "[" + "9" * 1_000_000,
    "commas": "[" + "," * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_end(name: str) -> None:
    """Quadratic work on any of these would take hours; the suite's timeout would tell."""
    text = HOSTILE[name]
    for role in ("user", "assistant"):
        found = m.parse_messages(text, default_role=role, warnings=[], key="k")
        is_normal(found)
        m.request_messages(text, warnings=[], key="k")
    m.parse_instructions(text, warnings=[], key="k")
    m.tool_definitions(text, warnings=[], key="k")
    m.finish_reasons(text)
    ok, value = m.parse_json(text)
    if ok:
        msgspec.json.encode(value)


def test_long_conversations_merge_in_linear_time() -> None:
    ask = [{"role": "user", "parts": [{"type": "text", "content": f"{i}"}]} for i in range(10_000)]
    answer = [{"role": "assistant", "parts": [{"type": "text", "content": f"{i}"}]} for i in range(10_000)]

    assert len(m.merge_messages(ask, answer)) == 20_000
    assert m.merge_messages(ask, ask[::2]) == ask
    assert len(m.merge_messages(ask[::2], ask)) == 10_000


def test_structured_input_is_copied() -> None:
    arguments = {"city": "Rome"}
    value = [{"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "w", "arguments": arguments}]}]

    found = m.parse_messages(value, default_role="user", warnings=[], key="k")
    arguments["city"] = "Oslo"

    assert found[0]["parts"][0]["arguments"] == {"city": "Rome"}


def test_further_messages_than_the_limit_are_left_out_with_a_warning() -> None:
    warnings: list[str] = []
    value = [{"role": "user", "content": "x"}] * 10_001

    found = m.parse_messages(value, default_role="user", warnings=warnings, key="gen_ai.input.messages")

    assert len(found) == 10_000
    assert warnings == ["too_many_messages:gen_ai.input.messages"]
