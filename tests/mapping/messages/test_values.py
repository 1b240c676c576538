"""Finish reasons, JSON texts, text of messages (conventions §2.13, §8.2)."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger.mapping import messages as m


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        (["stop"], ["stop"]),
        (["stop", "length"], ["stop", "length"]),
        ('["stop"]', ["stop"]),
        ("stop", ["stop"]),
        ("STOP", ["stop"]),
        ('["STOP"]', ["stop"]),
        ("FinishReason.STOP", ["stop"]),
        ("FinishReason.STOP,FinishReason.MAX_TOKENS", ["stop", "length"]),
        ("stop, tool_calls", ["stop", "tool_call"]),
        ("Stop", ["stop"]),
        ([["stop"]], ["stop"]),
        ("FINISH_REASON_STOP", ["stop"]),
        (["end_turn"], ["stop"]),
        (["max_tokens"], ["length"]),
        (["tool-calls"], ["tool_call"]),
        (["tool_use"], ["tool_call"]),
        (["SAFETY"], ["content_filter"]),
        (["refusal"], ["content_filter"]),
        (["guardrail_intervened"], ["content_filter"]),
        (["MALFORMED_FUNCTION_CALL"], ["error"]),
        (["OTHER"], ["error"]),
        (["other"], ["other"]),
        (["pause_turn"], ["pause_turn"]),
        ({"unified": "tool-calls", "raw": "tool_use"}, ["tool_call"]),
        (b'["stop"]', ["stop"]),
        ("none", []),
        ([""], []),
        ([None], []),
        ("", []),
        (None, []),
        ("[]", []),
        (7, []),
        ("unknown", []),
    ],
)
def test_finish_reasons(value: Any, reasons: list[str]) -> None:
    assert m.finish_reasons(value) == reasons


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('{"a": 1}', (True, {"a": 1})),
        (b'{"a": 1}', (True, {"a": 1})),
        ('"{\\"a\\": 1}"', (True, {"a": 1})),
        ('"{\\"a\\": \\"[1]\\"}"', (True, {"a": "[1]"})),
        ('"hello"', (True, "hello")),
        ("12", (True, 12)),
        ('{"a": NaN, "b": "\\ud83d", "c": "x\ny"}', (True, {"a": None, "b": "\ufffd", "c": "x\ny"})),
        ("hello", (False, None)),
        ('{"a": 1', (False, None)),
        ("", (False, None)),
        ({"a": b"\xff\x00"}, (True, {"a": "/wA="})),
        (None, (True, None)),
    ],
)
def test_parse_json(text: Any, result: tuple[bool, Any]) -> None:
    assert m.parse_json(text) == result


def test_parse_json_opens_as_many_layers_as_asked() -> None:
    assert m.parse_json('"[1]"', layers=1) == (True, "[1]")
    assert m.parse_json('"[1]"', layers=2) == (True, [1])


def test_values_are_cut_at_a_depth_that_encoders_can_follow() -> None:
    for depth in (100, 900, 100_000):
        found, value = m.parse_json('{"a":' * depth + "1" + "}" * depth)
        assert found
        for _ in range(64):
            value = value["a"]
        assert value == '{"a":' * (depth - 64) + "1" + "}" * (depth - 64)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('{"a": [1, {"b": "c', ({"a": [1, {"b": "c"}]}, True)),
        ('{"a": 1, "b', ({"a": 1}, True)),
        ('{"a": 1, "b":', ({"a": 1}, True)),
        ('{"a": 1,', ({"a": 1}, True)),
        ('{"a": 1, "b": 12', ({"a": 1}, True)),
        ('{"a": 1, "b": tru', ({"a": 1}, True)),
        ('["a\\', (["a"], True)),
        ('["a\\u00e', (["a"], True)),
        ('["a\\\\', (["a\\"], True)),
        ('["a", "b"', (["a", "b"], True)),
        ('{"a": 1, "b": "c"... (truncated)', ({"a": 1, "b": "c"}, True)),
        ('{"a": 1} ', ({"a": 1}, False)),
        ("[]", ([], False)),
        ("[", ([], True)),
        ('{"a" 1}', None),
        ("[1] is a footnote", None),
        ("hello", None),
        ("", None),
        ('"text', None),
    ],
)
def test_repair_json(text: str, result: Any) -> None:
    assert m.repair_json(text) == result


def test_text_of_messages() -> None:
    messages = m.parse_messages(
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": "https://x"}],
            },
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "r"}, {"type": "text"}]},
            {"role": "user", "content": "b"},
        ],
        default_role="user",
        warnings=[],
        key="k",
    )

    assert m.text_of(messages) == "a\nb"
