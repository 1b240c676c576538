"""JSON out of attribute texts: nested encodings, truncation, unbounded depth, broken characters. Never raises.

`decode` is the fast way for values whose shape is read key by key. `parse_json` also bounds the depth and is for
values that are passed on as they are. `repair_json` reads as much as there is of a text that was cut off.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Final

import msgspec

from spanledger.model.span import Value

MAX_DEPTH: Final = 64
"""Deeper values are passed on as JSON text. Encoders downstream recurse, and nothing real nests half as deep."""

_NOTHING: Final = object()
_DECODE: Final = msgspec.json.Decoder().decode
_CONTAINERS: Final = (dict, list)

_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NUMBER: Final = re.compile(r"-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?")
_SPACE: Final = re.compile(r"[ \t\r\n]*+")
_BRACKET_OR_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]++|[\]}]++', re.DOTALL)
_WORDS: Final[dict[str, Value]] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": None,
    "Infinity": None,
    "-Infinity": None,
}
_CUT_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_TAIL: Final = 64
"""SDKs that cut values may append a mark such as `... (truncated)`; so much rubbish at the end is still a cut."""


_BEGINNINGS: Final = frozenset('{["-0123456789tfnNI \t\n\r')
"""First characters of JSON, with the standard library's NaN and Infinity."""


def clean(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def plain(value: Value, depth: int = MAX_DEPTH) -> Value:
    """A deep copy of JSON values only: bytes as text (base64 where they are none), no NaN, bounded depth."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bytes, bytearray)):
        return bytes_text(bytes(value))
    if isinstance(value, dict):
        if depth <= 0:
            return _as_text(value)
        return {clean(str(key)): plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if depth <= 0:
            return _as_text(value)
        return [plain(item, depth - 1) for item in value]
    return clean(str(value))


def bounded(value: Value) -> Value:
    """The same freshly decoded value where it is not nested deeper than `MAX_DEPTH`, else a copy cut there."""
    return value if _is_shallow(value) else plain(value)


def _is_shallow(value: Value) -> bool:
    if not isinstance(value, _CONTAINERS):
        return True
    level: list[Value] = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Value] = []
        for container in level:
            items = container.values() if isinstance(container, dict) else container
            deeper += [item for item in items if isinstance(item, _CONTAINERS)]
        if not deeper:
            return True
        level = deeper
    return False


def bytes_text(data: bytes) -> str:
    """UTF-8 text where it is such, else base64."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii")


def dump(value: Value) -> str:
    """Compact JSON text of a plain value."""
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, TypeError, ValueError, OverflowError):
        return _as_text(value)


def decode(text: str, layers: int = 3) -> tuple[bool, Value]:
    """(True, value) for JSON text, unwrapping strings that hold JSON again, at most `layers` texts deep.

    A string that does not hold an object, a list or a string is the value itself. Values are fresh, and as deep as
    the decoder allows.
    """
    value = _decode(text)
    if value is _NOTHING:
        return False, None
    for _ in range(layers - 1):
        if not isinstance(value, str) or not starts_json(value):
            break
        inner = _decode(value)
        if inner is _NOTHING:
            break
        value = inner
    return True, value


def parse_json(value: Value, *, layers: int = 3) -> tuple[bool, Value]:
    """(True, decoded value) of JSON text (str or bytes), at most `layers` texts inside each other; (False, None) for
    text that is no JSON. Structured values come back as a copy. Depth is bounded by `MAX_DEPTH`."""
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("utf-8", "replace")
    if not isinstance(value, str):
        return True, plain(value)
    found, decoded = decode(value, layers)
    if found and (value.count("{") + value.count("[") <= MAX_DEPTH or _is_shallow(decoded)):
        return True, decoded
    repaired = repair_json(value) if starts_json(value) else None
    if repaired is not None and not repaired[1]:  # whole, but deeper than decoders or encoders go
        return True, repaired[0]
    return found, plain(decoded)


def starts_json(text: str) -> bool:
    """Whether a text may be a JSON object, list or string."""
    first = text[:1]
    return first in ("{", "[", '"') or (first.isspace() and text.lstrip()[:1] in ("{", "[", '"'))


def _decode(text: str) -> Value:
    if text[:1] not in _BEGINNINGS:
        return _NOTHING  # words, mostly: an exception from each decoder costs more than reading most spans
    try:
        return _DECODE(text)
    except (ValueError, RecursionError):  # msgspec's errors, and lone surrogates in the text
        pass
    try:
        # The standard library takes what some SDKs write: raw control characters, NaN, lone surrogate escapes.
        return plain(json.loads(text, strict=False))
    except (ValueError, RecursionError):
        return _NOTHING


def _as_text(value: Value) -> str:
    try:
        return clean(json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":")))
    except (RecursionError, TypeError, ValueError):
        return "<nested too deep>"


def repair_json(text: str) -> tuple[Value, bool] | None:
    """(value, whether it was cut off) of a text that is JSON, or the beginning of JSON; None for anything else.

    Open strings, lists and objects are closed; a key without a value, a number and a word at the very end are
    dropped, as nobody knows how they went on. Linear in the length of the text.
    """
    text = clean(text)
    end = len(text)
    position = _skip(text, 0)
    if text[position : position + 1] not in ("{", "["):
        return None
    stack: list[Value] = []
    keys: list[str | None] = []
    root: Value = None
    expect_value = True
    comma_allowed = False
    while True:
        position = _skip(text, position)
        if position >= end:
            return root, True
        character = text[position]
        container = stack[-1] if stack else None
        if character in "]}":
            fits = isinstance(container, list) if character == "]" else isinstance(container, dict)
            if not fits or (stack and keys[-1] is not None):
                return _cut(root, position, end)
            stack.pop()
            keys.pop()
            position += 1
            if not stack:
                return (root, False) if _skip(text, position) >= end else None
            expect_value, comma_allowed = False, True
            continue
        if character == ",":
            if not comma_allowed:
                return _cut(root, position, end)
            position += 1
            expect_value, comma_allowed = True, False
            continue
        if not expect_value:
            return _cut(root, position, end)
        if isinstance(container, dict) and keys[-1] is None:
            match = _STRING.match(text, position)
            if match is None:
                return _cut(root, position, end) if character != '"' else (root, True)
            found, key = decode(match[0], 1)
            position = _skip(text, match.end())
            if position >= end:
                return root, True
            if not found or text[position] != ":":
                return _cut(root, position, end)
            keys[-1] = key
            position += 1
            continue
        if character in "{[":
            if len(stack) >= MAX_DEPTH:
                inner_end = _matching(text, position)
                _put(stack, keys, text[position:inner_end])
                if inner_end >= end:
                    return root, True
                position = inner_end
                expect_value, comma_allowed = False, True
                continue
            fresh: Value = {} if character == "{" else []
            if stack:
                _put(stack, keys, fresh)
            else:
                root = fresh
            stack.append(fresh)
            keys.append(None)
            position += 1
            comma_allowed = False
            continue
        scalar, position, cut = _scalar(text, position)
        if scalar is not _NOTHING:
            _put(stack, keys, scalar)
        elif not cut:
            return _cut(root, position, end)
        if cut:
            return root, True
        expect_value, comma_allowed = False, True


def _scalar(text: str, position: int) -> tuple[Value, int, bool]:
    """(value or _NOTHING, where it ends, whether the text ends inside of it)."""
    character = text[position]
    end = len(text)
    if character == '"':
        match = _STRING.match(text, position)
        if match is None:
            rest = text[position:]
            found, partial = decode(rest + '"', 1)
            if not found:
                found, partial = decode(_CUT_ESCAPE.sub("", rest) + '"', 1)
            return (partial if found else _NOTHING), end, True
        found, whole = decode(match[0], 1)
        return (whole if found else _NOTHING), match.end(), False
    number = _NUMBER.match(text, position)
    if number is not None:
        if number.end() >= end:
            return _NOTHING, end, True
        found, value = decode(number[0], 1)
        return (value if found else _NOTHING), number.end(), False
    for word, meaning in _WORDS.items():
        if text.startswith(word, position):
            return meaning, position + len(word), False
        if end - position < len(word) and word.startswith(text[position:]):
            return _NOTHING, end, True
    return _NOTHING, position, False


def _put(stack: list[Value], keys: list[str | None], value: Value) -> None:
    container, key = stack[-1], keys[-1]
    if isinstance(container, list):
        container.append(value)
    elif key is not None:
        container[key] = value
        keys[-1] = None


def _cut(root: Value, position: int, end: int) -> tuple[Value, bool] | None:
    return (root, True) if end - position <= _TAIL and root else None


def _matching(text: str, position: int) -> int:
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(text, position):
        run = match[0]
        if run[0] in "{[":
            depth += len(run)
        elif run[0] in "}]":
            if len(run) >= depth:
                return match.start() + depth
            depth -= len(run)
    return len(text)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match is not None else position
