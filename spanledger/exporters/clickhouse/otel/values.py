"""Values of OTLP as texts and numbers of columns, as the Collector writes them (`AsString` of its pcommon.Value)."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import msgspec

LAST_TIME: Final = 2**63 - 1
"""DateTime64(9) is a signed number of nanoseconds."""
_PLAIN: Final = (1e-6, 1e21)
"""Numbers between these are written without an exponent (Go's encoding/json)."""


def attributes(pairs: Iterable[Any]) -> dict[str, str]:
    """A list of `KeyValue`. Of equal keys the last wins."""
    return {pair.key: text(pair.value) for pair in pairs}


def text(value: Any) -> str:
    """An `AnyValue`."""
    plain: str = value.string_value
    if plain:  # most are, and asking which is twice the work
        return plain
    match value.WhichOneof("value"):
        case "int_value":
            return str(value.int_value)
        case "bool_value":
            return "true" if value.bool_value else "false"
        case "double_value":
            return number(value.double_value)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode("ascii")
        case None | "string_value":
            return ""
        case _:
            return msgspec.json.encode(_plain(value)).decode()


def number(value: float) -> str:
    """A double, the shortest that reads back the same."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    shown = repr(value)
    if value == 0 or _PLAIN[0] <= abs(value) < _PLAIN[1]:
        return format(Decimal(shown), "f").removesuffix(".0")
    digits, _, exponent = shown.partition("e")
    return f"{digits.removesuffix('.0')}e{exponent[:1]}{exponent[1:].lstrip('0')}"


def identity(raw: bytes) -> str:
    """A trace or span id in hexadecimal; none is empty."""
    return raw.hex() if any(raw) else ""


def time(nanoseconds: int) -> int:
    """A time that its column holds."""
    return min(nanoseconds, LAST_TIME)


def _plain(value: Any) -> Any:
    """An `AnyValue` as JSON has it."""
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(member) for member in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode("ascii")
        case "double_value":
            whole = value.double_value
            return int(whole) if whole.is_integer() and abs(whole) < _PLAIN[1] else whole
        case None:
            return None
        case name:
            return getattr(value, name)
