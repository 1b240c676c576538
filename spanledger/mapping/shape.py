"""Which facts a span states, and what follows from that alone: worked out once for all spans alike.

There are two hundred slots, and a span fills a dozen of them. Spans of one instrumentation fill the same ones, so of
each table by slots (signals of kinds, carriers of messages, counters, …) they need the same few rows. To look through
the tables for each span was a fifteenth of what mapping it cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from spanledger.mapping.facts import Facts

_Found = TypeVar("_Found")

_MOST: Final = 512
"""Shapes remembered. Applications write dozens; a stranger may write any number."""


class Shape:
    """The slots that a span fills, in the order in which they came."""

    __slots__ = ("_found", "slots")

    def __init__(self, slots: tuple[str, ...]) -> None:
        self.slots = slots
        self._found: dict[Callable[[tuple[str, ...]], Any], Any] = {}

    def of(self, select: Callable[[tuple[str, ...]], _Found]) -> _Found:
        """What `select` makes of these slots. It must be a function of a module, and what it gives is never changed."""
        try:
            found: _Found = self._found[select]
        except KeyError:
            found = self._found[select] = select(self.slots)
        return found


_shapes: dict[tuple[str, ...], Shape] = {}


def shape_of(span: Facts) -> Shape:
    """The shape of a span as it is now."""
    slots = tuple(vars(span))
    shape = _shapes.get(slots)
    if shape is None:
        if len(_shapes) >= _MOST:
            _shapes.clear()
        shape = _shapes[slots] = Shape(slots)
    return shape
