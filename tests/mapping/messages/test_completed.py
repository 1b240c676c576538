"""What one carrier of a conversation lost and another still has; results that came without the id of their call."""

from __future__ import annotations

import json
from typing import Any

from spanledger.mapping import messages as m
from tests.mapping.messages.test_merge import call, result, say


def parse(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return m.parse_messages(json.dumps(messages), default_role="user", warnings=[], key="gen_ai.input.messages")


def asked(*ids: str) -> dict[str, Any]:
    calls = [{"type": "tool_call", "id": id_, "name": "weather", "arguments": {"city": id_}} for id_ in ids]
    return {"role": "assistant", "parts": calls}


def text_of_tool(content: str) -> dict[str, Any]:
    return {"role": "tool", "parts": [{"type": "text", "content": content}]}


def ids_of_results(messages: list[dict[str, Any]]) -> list[str | None]:
    return [message["parts"][0]["id"] for message in messages if message["role"] == "tool"]


def test_ids_and_arguments_come_from_the_body() -> None:
    found = m.completed([say("user", "?"), call(None, None)], [call("c1", {"city": "Rome"})])

    assert found == [say("user", "?"), call("c1", {"city": "Rome"})]


def test_a_call_of_another_tool_fills_nothing() -> None:
    found = m.completed([call(None, {"city": "Rome"})], [call("c1", {"city": "Rome"}, name="time")])

    assert found == [call(None, {"city": "Rome"})]


def test_a_body_with_more_results_is_taken_whole() -> None:
    body = [say("system", "Be brief"), asked("Rome", "Oslo"), result("Rome", "22"), result("Oslo", "8")]

    assert m.completed([asked("Rome", "Oslo"), result("Oslo", "8")], body) == body


def test_a_body_that_says_less_changes_nothing() -> None:
    messages = [asked("Rome"), result("Rome", "22")]

    assert m.completed(messages, [asked("Rome")]) is messages


def test_as_many_results_without_ids_as_open_calls_answer_them_in_order() -> None:
    found = parse(asked("c1", "c2"), text_of_tool("22"), text_of_tool("8"), say("assistant", "Done"))

    assert ids_of_results(found) == ["c1", "c2"]


def test_fewer_results_than_calls_could_answer_any_of_them() -> None:
    assert ids_of_results(parse(asked("c1", "c2"), text_of_tool("22"))) == [None]


def test_results_of_the_turn_before_are_settled_when_the_next_answer_begins() -> None:
    found = parse(asked("c1", "c2"), text_of_tool("1"), text_of_tool("2"), asked("c3", "c4"), text_of_tool("3"))

    assert ids_of_results(found) == ["c1", "c2", None]
