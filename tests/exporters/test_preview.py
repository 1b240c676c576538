from __future__ import annotations

from typing import Any

import pytest

from spanledger.exporters.preview import input_preview, output_preview, short
from spanledger.exporters.text import printable
from tests.exporters.records import make_run


def message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def said(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


CALL = {"type": "tool_call", "id": "1", "name": "weather", "arguments": {"city": "Rome"}}
RESULT = {"type": "tool_call_response", "id": "1", "response": "sunny"}


@pytest.mark.parametrize(
    ("value", "preview"),
    [
        ([message("system", said("brief")), message("user", said("one")), message("user", said("two"))], "two"),
        ([message("user", said("question")), message("tool", RESULT)], "question"),
        ([message("tool", RESULT)], "sunny"),
        ([message("user", {"type": "blob", "modality": "image"}, said("what is it?"))], "what is it?"),
        ([message("user", {"type": "uri", "modality": "image", "uri": "https://x"})], "[image]"),
        ([message("user")], ""),
        ({"city": "Rome"}, '{"city":"Rome"}'),
        (["first text", "second"], "first text"),
        ("plain\n\n text", "plain text"),
        (42, "42"),
        ("a\ud800", "a\ud800"),
        ({"k": "a\ud800"}, '{"k":"a\ufffd"}'),
        (None, ""),
        ([], ""),
        ([{"role": "user", "content": "not a message of ours"}], "not a message of ours"),
    ],
)
def test_the_input_is_what_was_asked_last(value: Any, preview: str) -> None:
    assert input_preview(make_run(input=value)) == preview


@pytest.mark.parametrize(
    ("value", "preview"),
    [
        ([message("assistant", said("one"), said("two"))], "one two"),
        ([message("assistant", {"type": "reasoning", "content": "hm"}, said("answer"))], "answer"),
        ([message("assistant", {"type": "reasoning", "content": "hm"}, CALL)], 'hm weather({"city":"Rome"})'),
        ([message("assistant"), message("assistant", said("second choice"))], "second choice"),
        ([{"id": "d1", "content": "document", "score": 0.5}], "document"),
    ],
)
def test_the_output_is_the_first_answer(value: Any, preview: str) -> None:
    assert output_preview(make_run(output=value)) == preview


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abcdef", "abcdef"), ("abcdefg", "abcde…"), ("a" + " " * 99 + "b", "a…"), ("a\n b\tc", "a b c")],
)
def test_short_says_when_something_is_missing(text: str, expected: str) -> None:
    assert short(text, 6) == expected


def test_no_text_gives_orders_to_a_terminal() -> None:
    assert printable("\x1b[31m\r\x07\x9b \u202e\ud800 ok\n\t") == "␛[31m␍␇� �� ok\n\t"
    assert printable("a\nb\tc", one_line=True) == "a⏎b c"
