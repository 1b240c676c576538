"""Comparison and arithmetic between values (pkg/ottl/LANGUAGE.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from spanledger.processors.ottl.errors import OttlError
from spanledger.processors.ottl.paths import type_name
from spanledger.processors.values import Value


@dataclass(frozen=True, slots=True, order=True)
class Time:
    """A point in time, nanoseconds since 1970."""

    ns: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in nanoseconds."""

    ns: int


_ORDERED: Final = (str, bytes, bool, Time, Duration)


def is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compare(operator: str, left: Value, right: Value) -> bool:
    """Values of different types are unequal, and neither is less. Integers and floats are compared as numbers."""
    comparable = (is_number(left) and is_number(right)) or type(left) is type(right)
    if not comparable:
        return operator == "!="
    match operator:
        case "==":
            return bool(left == right)
        case "!=":
            return bool(left != right)
    if not (is_number(left) or isinstance(left, _ORDERED)):
        return left is None and operator in ("<=", ">=")
    return bool(_ORDER[operator](left, right))


_ORDER: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    """Two integers, two floats, or times and durations. Raises `OttlError` for anything else and for division by
    zero."""
    if is_number(left) and type(left) is type(right):
        match operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
        if right == 0:
            raise OttlError("division by zero")
        if isinstance(left, int):  # Go's division cuts off towards zero
            quotient = abs(left) // abs(right)
            return quotient if (left < 0) == (right < 0) else -quotient
        return left / right
    match (operator, left, right):
        case ("-", Time(), Time()):
            return Duration(left.ns - right.ns)
        case ("+", Time(), Duration()):
            return Time(left.ns + right.ns)
        case ("+", Duration(), Time()):
            return Time(left.ns + right.ns)
        case ("-", Time(), Duration()):
            return Time(left.ns - right.ns)
        case ("+", Duration(), Duration()):
            return Duration(left.ns + right.ns)
        case ("-", Duration(), Duration()):
            return Duration(left.ns - right.ns)
    raise OttlError(f"{type_name(left)} {operator} {type_name(right)} is not possible")
