"""Several statements about one span made one: redelivered twins, event supplements, spans merged into their parent."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.dialects import EVENT_TABLES, KEYS
from spanledger.mapping.facts import Facts
from spanledger.model.keys import KeyTable
from spanledger.model.span import Event, LogRecord, Span, Value

SUPPLEMENTS: Final = frozenset(
    {
        "gen_ai.client.inference.operation.details",
        "gen_ai.content.prompt",
        "gen_ai.content.completion",
    }
)
"""Events whose attributes are span attributes that came by another way."""

_FIELDS: Final = ("name", "kind", "start_ns", "end_ns", "status_code", "status_message", "parent_span_id")


def same_span(first: Facts, second: Facts) -> bool:
    """Whether a redelivered span says nothing new."""
    return (
        all(getattr(first, field) == getattr(second, field) for field in _FIELDS)
        and vars(first) == vars(second)
        and first.rest == second.rest
        and _around(first) == _around(second)
        and len(first.events) == len(second.events)
        and all(
            a.name == b.name and a.time_ns == b.time_ns and a.attributes == b.attributes
            for a, b in zip(first.events, second.events, strict=True)
        )
    )


def merged(first: Facts, second: Facts) -> Facts:
    """Two different deliveries of one span as one: the fuller one, its gaps filled from the other.

    The order of arrival does not matter.
    """
    if _fullness(first) < _fullness(second):
        first, second = second, first
    whole = copied(first)
    whole.rest = {**second.rest, **first.rest}
    held = {identity_of(event) for event in first.events}
    whole.events = [*first.events, *(event for event in second.events if identity_of(event) not in held)]
    fill_gaps(whole, second)
    return whole


def copied(span: Facts) -> Facts:
    """The span once more, to be given facts of others. `copy.copy` goes by what pickling would do, and takes long."""
    made = Facts()
    for field in Span.__slots__:
        setattr(made, field, getattr(span, field))
    vars(made).update(vars(span))
    return made


def _fullness(span: Facts) -> tuple[bool, int, int, int, str, str]:
    return (
        span.end_ns != 0,
        len(vars(span)) + len(span.rest),
        len(span.events),
        span.end_ns,
        repr([[getattr(span, field) for field in _FIELDS], sorted(vars(span).items()), sorted(span.rest.items())]),
        repr([_around(span), [identity_of(event) for event in span.events]]),
    )


def _around(span: Facts) -> list[Value]:
    """Where a span comes from and points to; two exporters of one span may disagree on it."""
    links = [[link.trace_id, link.span_id, link.attributes] for link in span.links]
    return [span.resource.attributes, span.scope.name, span.scope.version, links]


def identity_of(event: Event) -> tuple[str, int, str]:
    """What makes an event the same one when it comes again."""
    return event.name, event.time_ns, repr(event.attributes)


def fill_gaps(span: Facts, other: Facts) -> None:
    """Take from `other` every fact that `span` lacks; groups are united."""
    for slot, value in vars(other).items():
        held = getattr(span, slot)
        if held is None:
            setattr(span, slot, value)
        elif isinstance(held, dict) and isinstance(value, dict):
            setattr(span, slot, {**value, **held})


def supplemented(span: Facts, events: list[Event]) -> Facts:
    """The span with the facts of its supplement events; the span itself when there are none.

    For one key the later event wins (Strands sends several, each with a part of the facts), the span's own
    attributes win over all.
    """
    attributes = {}
    for event in events:
        if event.name in SUPPLEMENTS:
            attributes.update(event.attributes)
    attributes.pop("body", None)
    told = [event for event in events if event.name in EVENT_TABLES]
    if not attributes and not told:
        return span
    whole = copied(span)
    if attributes:
        _state(whole, KEYS, attributes)
    for event in told:
        _state(whole, EVENT_TABLES[event.name], event.attributes)
    return whole


def _state(span: Facts, table: KeyTable, attributes: dict[str, Value]) -> None:
    extra = Facts()
    table.fill(extra, attributes.items())
    fill_gaps(span, extra)


def event_of(record: LogRecord) -> Event | None:
    """A log record that states facts of a span, as an event of it; None for any other log record.

    The name stands in the record's `event_name`, or in an attribute `event.name` / `event_name` (older SDKs).
    """
    name = record.event_name
    attributes = record.attributes
    if not name:
        said = attributes.get("event.name", attributes.get("event_name"))
        name = said if isinstance(said, str) else ""
    if not name.startswith("gen_ai.") and name != "exception":
        return None
    if record.body is not None:
        attributes = {**attributes, "body": record.body}
        if name in SUPPLEMENTS and isinstance(record.body, dict):
            attributes = {**record.body, **attributes}
    return Event(name, record.time_ns or record.observed_ns, attributes)
