"""Values printed by Python's `repr` where JSON belongs: dicts, lists, message objects. Never evaluates anything.

Seen from LiteLLM (`llm.<provider>.messages`), OpenLIT 1.33 (`gen_ai.response.tool_calls`), OpenInference for Haystack
and LlamaIndex (`ChatMessage(...)`), LangChain (`str()` of a message: `content='…' additional_kwargs={…} …`).
"""

from __future__ import annotations

import base64
import re
from typing import Final

from spanledger.mapping.messages.jsontext import MAX_DEPTH, clean
from spanledger.model.span import Value

CLASS: Final = "__class__"
"""Key under which the name of a constructor call is kept: `TextBlock(text='x')` → `{"__class__": "TextBlock", …}`."""

_SPACE: Final = re.compile(r"\s*+")
_STRING: Final = re.compile(
    r"(?P<prefix>[bBrRuU]{0,2})(?:'(?P<single>[^'\\]*+(?:\\.[^'\\]*+)*+)'|\"(?P<double>[^\"\\]*+(?:\\.[^\"\\]*+)*+)\")",
    re.DOTALL,
)
_NUMBER: Final = re.compile(r"[-+]?(?:\d[\d_]*+(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?")
_NAME: Final = re.compile(r"[A-Za-z_]\w*+(?:\.[A-Za-z_]\w*+)*+")
_ENUM: Final = re.compile(r"<[\w.]++: (?=['\"\d-])")
_ANGLE: Final = re.compile(r"<[^<>]*+>")
_ESCAPE: Final = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)", re.DOTALL)
_SIMPLE: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "\n": "", "0": "\0"}
_WORDS: Final[dict[str, Value]] = {"None": None, "True": True, "False": False, "nan": None, "inf": None}
_MAX_DIGITS: Final = 400  # int() of more is quadratic


class _NotRepr(Exception):
    """The text is no repr that this reader knows; never leaves this file."""


def parse_repr(text: str) -> tuple[bool, Value]:
    """(True, value) for the repr of a list, tuple, dict or object, or for `name=value …`; else (False, None).

    Objects become dicts of their keyword arguments plus `CLASS`; enums become their value; bytes become base64 text;
    `<anything else>` stays text.
    """
    reader = _Reader(clean(text))
    try:
        position = reader.skip(0)
        first = text[position : position + 1]
        if first in ("{", "[", "("):
            value, position = reader.value(position, 0)
        elif first.isalpha() or first == "_":
            value, position = reader.named(position)
        else:
            return False, None
    except _NotRepr:
        return False, None
    return (True, value) if reader.skip(position) >= len(reader.text) else (False, None)


class _Reader:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def skip(self, position: int) -> int:
        match = _SPACE.match(self.text, position)
        return match.end() if match is not None else position

    def named(self, position: int) -> tuple[Value, int]:
        """`Name(…)`, or the fields of a pydantic object as its `str()` prints them."""
        match = _NAME.match(self.text, position)
        if match is None:
            raise _NotRepr
        if self.text[match.end() : match.end() + 1] != "=":
            return self.value(position, 0)
        fields: dict[str, Value] = {}
        while match is not None and self.text[match.end() : match.end() + 1] == "=":
            fields[match[0]], position = self.value(match.end() + 1, 0)
            position = self.skip(position)
            match = _NAME.match(self.text, position)
        return fields, position

    def value(self, position: int, depth: int) -> tuple[Value, int]:
        if depth > MAX_DEPTH:
            raise _NotRepr
        text = self.text
        position = self.skip(position)
        character = text[position : position + 1]
        if character == "{":
            return self.braces(position + 1, depth)
        if character in ("[", "("):
            return self.sequence(position + 1, "]" if character == "[" else ")", depth)
        string = _STRING.match(text, position)
        if string is not None:
            return _string(string), string.end()
        number = _NUMBER.match(text, position)
        if number is not None:
            return _number(number[0]), number.end()
        if character == "<":
            return self.angle(position, depth)
        name = _NAME.match(text, position)
        if name is None:
            raise _NotRepr
        if text[name.end() : name.end() + 1] == "(":
            return self.call(name[0], name.end() + 1, depth)
        word = name[0]
        if word not in _WORDS and "." not in word:  # Enum.MEMBER is fine, a word of prose is not
            raise _NotRepr
        return _WORDS.get(word, word), name.end()

    def angle(self, position: int, depth: int) -> tuple[Value, int]:
        enum = _ENUM.match(self.text, position)  # <ChatRole.USER: 'user'>
        if enum is not None:
            value, end = self.value(enum.end(), depth + 1)
            if self.text[end : end + 1] == ">":
                return value, end + 1
        match = _ANGLE.match(self.text, position)
        if match is None:
            raise _NotRepr
        return match[0], match.end()

    def sequence(self, position: int, close: str, depth: int) -> tuple[Value, int]:
        items: list[Value] = []
        while True:
            position = self.skip(position)
            if self.text[position : position + 1] == close:
                return items, position + 1
            item, position = self.value(position, depth + 1)
            items.append(item)
            position = self.comma(position, close)

    def braces(self, position: int, depth: int) -> tuple[Value, int]:
        members: dict[str, Value] = {}
        items: list[Value] = []
        while True:
            position = self.skip(position)
            if self.text[position : position + 1] == "}":
                return (items if items else members), position + 1
            key, position = self.value(position, depth + 1)
            position = self.skip(position)
            if self.text[position : position + 1] == ":":
                members[str(key)], position = self.value(position + 1, depth + 1)
            else:
                items.append(key)
            position = self.comma(position, "}")

    def call(self, name: str, position: int, depth: int) -> tuple[Value, int]:
        fields: dict[str, Value] = {CLASS: name.rpartition(".")[2]}
        positional: list[Value] = []
        while True:
            position = self.skip(position)
            if self.text[position : position + 1] == ")":
                if positional:
                    fields["args"] = positional
                return fields, position + 1
            match = _NAME.match(self.text, position)
            if match is not None and self.text[match.end() : match.end() + 1] == "=":
                fields[match[0]], position = self.value(match.end() + 1, depth + 1)
            else:
                item, position = self.value(position, depth + 1)
                positional.append(item)
            position = self.comma(position, ")")

    def comma(self, position: int, close: str) -> int:
        position = self.skip(position)
        character = self.text[position : position + 1]
        if character == ",":
            return position + 1
        if character == close:
            return position
        raise _NotRepr


def _string(match: re.Match[str]) -> Value:
    body = match["single"] if match["single"] is not None else match["double"]
    prefix = match["prefix"].lower()
    text: str = body
    if "\\" in body and "r" not in prefix:
        text = _ESCAPE.sub(_unescape, body)
    if "b" in prefix:
        return base64.b64encode(text.encode("latin-1", "replace")).decode("ascii")
    return clean(text)


def _unescape(match: re.Match[str]) -> str:
    escape = match[0][1:]
    if escape[0] in "xuU" and len(escape) > 1:
        code = int(escape[1:], 16)
        return chr(code) if code <= 0x10FFFF else "\ufffd"
    if escape.isdigit() and escape.isascii() and all(digit < "8" for digit in escape):
        return chr(int(escape, 8))
    return _SIMPLE.get(escape, "\\" + escape)


def _number(text: str) -> Value:
    digits = text.replace("_", "")
    try:
        if len(digits) <= _MAX_DIGITS and digits.lstrip("+-").isdigit():
            return int(digits)
        number = float(digits)
    except ValueError:
        raise _NotRepr from None
    return number if abs(number) != float("inf") else None
