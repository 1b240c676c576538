"""Rough sizes of decoded values, for memories that are bounded in bytes."""

from __future__ import annotations

from spanledger.mapping.facts import Facts


def size_of_span(span: Facts) -> int:
    """Rough bytes held by a span."""
    texts = len(span.name) + len(span.status_message) + len(span.trace_state)
    beside = [*(event.attributes for event in span.events), *(link.attributes for link in span.links)]
    return 512 + texts + sum(len(event.name) + 120 for event in span.events) + size_of([vars(span), span.rest, *beside])


def size_of(values: object) -> int:
    """Rough bytes held by decoded values, whatever their depth."""
    size = 0
    stack = [values]
    while stack:
        value = stack.pop()
        if isinstance(value, (str, bytes)):
            size += 56 + len(value)
        elif isinstance(value, dict):
            size += 64 + 80 * len(value) + sum(map(len, value))
            stack.extend(value.values())
        elif isinstance(value, list):
            size += 56 + 8 * len(value)
            stack.extend(value)
        else:
            size += 32
    return size
