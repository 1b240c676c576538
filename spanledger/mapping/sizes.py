"""Rough sizes of decoded values, for memories that are bounded in bytes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from spanledger.mapping.facts import Facts
from spanledger.model.records import Run

SIZE_OF_TRACE: Final = 2_000
"""The books kept of a trace, whatever is in it (measured, and so are the others)."""
SIZE_OF_QUIET_TRACE: Final = 1_400
"""The same of a trace in which nobody has said anything."""
_RUN: Final = 3_000
"""A run as it was drafted and as it was given. What it holds of messages is counted with its span."""
_NO_RUN: Final = 500
_READ: Final = 210
"""A dict or a list that is read out of JSON, with its members' places: messages are several times their text."""
_JSON: Final = ("{", "[", '"', " ", "\n")


def size_of_span(span: Facts) -> int:
    """Rough bytes held by a span and by what is read out of its JSON texts. The compiled decoder measures it on the
    way; doing that here is a sixth of the work that most spans are."""
    return span.size or _measured(span)


def size_of_run(run: Run | None) -> int:
    """Rough bytes that the mapping adds to what a span holds."""
    return _RUN if run is not None else _NO_RUN


def _measured(span: Facts) -> int:
    held = [
        vars(span),
        span.rest,
        *(event.attributes for event in span.events),
        *(link.attributes for link in span.links),
    ]
    texts = len(span.name) + len(span.status_message) + len(span.trace_state)
    return 512 + texts + sum(len(event.name) + 120 for event in span.events) + size_of(held, read=True)


def size_of(values: object, *, read: bool = False) -> int:
    """Rough bytes held by decoded values, whatever their depth; with `read`, and by what is read out of those that are
    JSON texts. Decoders make plain values and no subclasses, so that their type tells what they are."""
    size = 0
    stack = [values]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            size += 64 + 80 * len(value) + len("".join(value))
            members: Collection[object] = value.values()
        elif isinstance(value, list):
            size += 56 + 8 * len(value)
            members = value
        else:
            members = (value,)
        for member in members:
            if type(member) is str:
                # One code point beyond Latin-1 makes each of them take two bytes, or four.
                size += 56 + len(member) if member.isascii() else 56 + 2 * len(member)
                if read and member.startswith(_JSON):
                    size += 2 * len(member) + _READ * (member.count("{") + member.count("["))
            elif type(member) is dict or type(member) is list:
                stack.append(member)
            elif type(member) is bytes:
                size += 56 + len(member)
            else:
                size += 32
    return size
