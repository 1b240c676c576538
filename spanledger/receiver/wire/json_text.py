"""JSON text to Python values, whatever state the text is in, for bodies that no struct of `json_messages` fits.

Bodies that are merely spelled otherwise are read by msgspec, which is fast and strict. What it refuses is read again by
the standard library's parser, which takes NaN and lone surrogates, after bytes that are no UTF-8 were made lone
surrogates; `mend` then replaces those. Both parsers recurse in C and stop with RecursionError: such a body is first
emptied below the level that any permitted value reaches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from spanledger.errors import PayloadError, PayloadTooLarge
from spanledger.receiver.wire.limits import Limits
from spanledger.receiver.wire.notes import note

_ENVELOPE_LEVELS: Final = 20
_LEVELS_PER_VALUE: Final = 4
"""`{"kvlistValue": {"values": [{"value": …` takes four brackets for one level of AnyValue."""
_STRUCTURE_PER_VALUE: Final = 8
_LARGE_BODY: Final = 1 << 20

_STRING: Final = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'  # an unclosed string ends with the text: no second attempts
_BRACKETS: Final = re.compile(rb'(?:[^"\[{\]}]++|' + _STRING + rb")*+([\[{]++|[\]}]++|\Z)", re.DOTALL)
_STRUCTURE: Final = re.compile(_STRING + rb"|[\[{,]", re.DOTALL)
_INSIDE_VALUES: Final = ("stringValue", "string_value", "arrayValue", "array_value", "values")
_LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]+")


def check_size(body: bytes, limits: Limits) -> None:
    """Raise `PayloadTooLarge` for a text that would become too many objects; to be asked before it is read."""
    most = limits.max_values * _STRUCTURE_PER_VALUE
    if len(body) > max(_LARGE_BODY, most) and _structure(body, most) > most:
        raise PayloadTooLarge(f"the JSON holds more than {most} values; send fewer items in a request")


def load(body: bytes, limits: Limits) -> tuple[Any, bool]:
    """(value, whether its strings may hold lone surrogates and need `mend`). Raises `PayloadError`."""
    try:
        return msgspec.json.decode(body), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        shallow = _emptied_below(body, limits)
    try:
        return msgspec.json.decode(shallow), False
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    text = shallow.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    try:
        return json.loads(text), True
    except json.JSONDecodeError as problem:
        if len(shallow) < len(body):
            deepest = _deepest(limits)
            raise PayloadError(f"malformed JSON, nested more than {deepest} levels deep: {problem.msg}") from None
        raise PayloadError(f"malformed JSON: {problem}") from None
    except ValueError:  # more digits than int() takes
        raise PayloadError("malformed JSON: a number has too many digits") from None


def mend(value: Any) -> tuple[Any, list[str]]:
    """A copy without lone surrogates, and what was mended, e.g. `invalid_utf8:gen_ai.prompt`."""
    repairs: list[str] = []
    return _mended(value, "", False, repairs), repairs


def _mended(value: Any, name: str, in_pair: bool, repairs: list[str]) -> Any:
    if isinstance(value, str):
        if value.isascii() or not _LONE_SURROGATES.search(value):
            return value
        note(repairs, "invalid_utf8", _LONE_SURROGATES.sub(_replacement, name))
        return _LONE_SURROGATES.sub(_replacement, value)
    if isinstance(value, list):
        return [_mended(member, name, in_pair, repairs) for member in value]
    if isinstance(value, dict):
        key = value.get("key")
        if not in_pair and isinstance(key, str) and "value" in value:
            name, in_pair = key, True
        return {
            _mended(key, name, in_pair, repairs): _mended(
                member, name if in_pair or (name and key in _INSIDE_VALUES) else key, in_pair, repairs
            )
            for key, member in value.items()
        }
    return value


def _replacement(match: re.Match[str]) -> str:
    """U+FFFD as a UTF-8 decoder would put it for escaped bytes, one for each surrogate that a sender cut in half."""
    try:
        return match[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return "\ufffd" * len(match[0])


def _structure(body: bytes, limit: int) -> int:
    """At least the number of members in all lists and objects, exact where a cheap estimate is over the limit."""
    count = body.count(b",") + body.count(b"[") + body.count(b"{")
    if count <= limit:
        return count
    count = 0
    for token in _STRUCTURE.finditer(body):
        if body[token.start()] != 0x22:
            count += 1
            if count > limit:
                break
    return count


def _emptied_below(body: bytes, limits: Limits) -> bytes:
    """The text without what stands deeper than any value that would be kept: the containers there are empty."""
    return b"".join(_kept_parts(body, _deepest(limits), limits.max_values * _STRUCTURE_PER_VALUE))


def _deepest(limits: Limits) -> int:
    return limits.max_depth * _LEVELS_PER_VALUE + _ENVELOPE_LEVELS


def _kept_parts(body: bytes, deepest: int, most_tokens: int) -> Iterator[bytes]:
    depth = kept_to = 0
    for tokens, token in enumerate(_BRACKETS.finditer(body)):
        start, end = token.span(1)
        if tokens > most_tokens:
            raise PayloadTooLarge("the JSON holds too many nested values; send fewer items in a request")
        run = end - start
        if run == 0:
            break
        if body[start] in b"[{":
            if depth < deepest <= depth + run:
                yield body[kept_to : start + deepest - depth]
                kept_to = len(body)
            depth += run
        else:
            if depth - run < deepest <= depth:
                kept_to = start + depth - deepest
            depth -= run
    yield body[kept_to:]
