"""What editors and converters take: names, order and kinds of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from spanledger.processors.ottl.paths import Accessor, Item
from spanledger.processors.values import Value

REQUIRED: Final = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument. `kind` "value" is evaluated for each item; "place" is a path to read and write; "pattern" and
    "constant" are known when the statement is read; "function" names a converter."""

    name: str
    kind: str = "value"
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Converter:
    """A function of values."""

    parameters: tuple[Parameter, ...]
    call: Callable[..., Value]
    needs_item: bool = False
    """Whether the item is its first argument."""


@dataclass(frozen=True, slots=True)
class Editor:
    """A function that changes an item."""

    parameters: tuple[Parameter, ...]
    call: Callable[..., None]


Constant = Any
Place = Accessor
Run = Callable[[Item], Value]


def parameters(*given: str | Parameter) -> tuple[Parameter, ...]:
    """`"name"` is a required value, `"name?"` one that defaults to None, `"name:kind"` one of another kind."""
    found: list[Parameter] = []
    for parameter in given:
        if isinstance(parameter, Parameter):
            found.append(parameter)
            continue
        name, _, kind = parameter.partition(":")
        optional = name.endswith("?")
        found.append(Parameter(name.rstrip("?"), kind or "value", None if optional else REQUIRED))
    return tuple(found)
