"""Rough sizes of decoded values, for memories that are bounded in bytes."""

from __future__ import annotations

from collections.abc import Collection

from spanledger.mapping.facts import Facts
from spanledger.model.records import Run

SIZE_OF_TRACE = 2_000
"""The books kept of a trace, whatever is in it (measured, and so are the others)."""
_RUN = 3_000
"""A run as it was drafted and as it was given."""


def size_of_span(span: Facts) -> int:
    """Rough bytes held by a span."""
    texts = len(span.name) + len(span.status_message) + len(span.trace_state)
    beside = [*(event.attributes for event in span.events), *(link.attributes for link in span.links)]
    return 512 + texts + sum(len(event.name) + 120 for event in span.events) + size_of([vars(span), span.rest, *beside])


def size_of_run(run: Run | None) -> int:
    """Rough bytes that the mapping adds to what a span holds: messages out of JSON are several times their text."""
    return size_of([run.input, run.output, run.tools, run.params]) + _RUN if run is not None else 500


def size_of(values: object) -> int:
    """Rough bytes held by decoded values, whatever their depth. Decoders make plain values and no subclasses, so that
    their type tells what they are: this looks at every value of every span, and calls cost more than comparisons."""
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
            elif type(member) is dict or type(member) is list:
                stack.append(member)
            elif type(member) is bytes:
                size += 56 + len(member)
            else:
                size += 32
    return size
