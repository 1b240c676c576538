"""Tool calls that a model asked for, listed beside its answer: OpenLIT up to 1.34 joins names, ids and arguments of
all calls with commas, on the span of the model call."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.coerce import text
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.model.span import Value

_MOST: Final = 200
_LONGEST: Final = 100_000
_NO_ID: Final = ("", "None", "null")


def listed_calls(span: Facts) -> list[Value]:
    """The calls as `{id, name, arguments}`, where the span states names and how they were called; else none."""
    names = text(span.tool_name)
    if names is None or (span.tool_call_id is None and span.tool_input is None):
        return []
    named = [name.strip() for name in names.split(",", _MOST)][:_MOST]
    ids = [found.strip() for found in str(span.tool_call_id or "").split(",", _MOST)]
    arguments = [span.tool_input] if len(named) == 1 else _split(span.tool_input)
    if len(arguments) != len(named) or (len(ids) != len(named) and len(ids) > 1):
        return []
    ids += [""] * (len(named) - len(ids))
    return [
        {"id": call_id if call_id not in _NO_ID else None, "name": name, "arguments": _parsed(given)}
        for call_id, name, given in zip(ids, named, arguments, strict=False)
    ]


def _split(arguments: Value) -> list[Value]:
    """`{…}, {…}`, objects as JSON or as Python prints them."""
    if not isinstance(arguments, str) or len(arguments) > _LONGEST:
        return []
    found = _parsed(f"[{arguments}]")
    return found if isinstance(found, list) else []


def _parsed(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    ok, document = parse_json(value)
    if not ok and value[:1] in ("{", "["):
        ok, document = parse_repr(value)
    return document if ok else value
