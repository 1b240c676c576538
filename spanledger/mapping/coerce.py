"""Lenient reading of attribute values: numbers as strings, booleans as words, empty as absent."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from spanledger.model.span import Value

_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no"})
_MAX_COUNT: Final = 1 << 53
_SMALLEST, _LARGEST = -24, 12
"""Powers of ten of an amount of money. 1e999999999 is a finite Decimal, and writing it out takes a gigabyte."""


def text(value: Value) -> str | None:
    """A non-empty string; numbers are written out, booleans, lists and objects are no text.

    A JSON string literal is opened: MLflow and Langfuse write every attribute as JSON (`"\\"gpt-4o\\""`)."""
    if value is None:
        return None
    if isinstance(value, str):
        found: str = value.strip()
        if not found:
            return None
        return (_literal(found) or None) if found[0] == '"' and found[-1] == '"' and len(found) > 1 else found
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return str(value)
    return None


def _literal(value: str) -> str:
    try:
        return msgspec.json.decode(value, type=str).strip()
    except msgspec.DecodeError:
        return value


def number(value: Value) -> int | float | None:
    """A finite number from an int, a float or a numeric string. A bool is not a number."""
    if value is None or value is True or value is False:
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < _MAX_COUNT else value
    if isinstance(value, str) and 0 < len(value) <= 40:
        try:
            return int(value)
        except ValueError:
            pass
        try:
            return number(float(value))
        except ValueError:
            return None
    return None


def count(value: Value) -> int | None:
    """A number of tokens: zero or more, whole; anything else is unknown."""
    found = number(value)
    return found if isinstance(found, int) and 0 <= found <= _MAX_COUNT else None


def flag(value: Value) -> bool | None:
    """A boolean, also when written as a word."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    return None


def money(value: Value) -> Decimal | None:
    """An amount of money in USD, zero or more. `0.0015USD` is accepted, other currencies are not."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        value = repr(value)
    if not isinstance(value, str) or len(value) > 60:
        return None
    written = value.strip().removeprefix("$").removesuffix("USD").strip()
    try:
        amount = Decimal(written)
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0 or not _SMALLEST <= amount.adjusted() <= _LARGEST:
        return None
    return amount
