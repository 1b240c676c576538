"""Model calls that only log records tell apart: several whole `operation.details` records on one span.

OpenInference for Google ADK puts its own span in place of the one that ADK opens for each call, so that all calls of
an agent's turn write their attributes over each other; ADK's log records, one for each call, still tell them all.
Strands sends several such records for one call, each with a part of the facts: those state no usage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spanledger.mapping.dialects import KEYS
from spanledger.mapping.dialects.base import LLM
from spanledger.mapping.facts import Facts
from spanledger.mapping.kind import kind_of
from spanledger.mapping.merge import identity_of
from spanledger.model.ids import uuid8
from spanledger.model.span import Event

_DETAILS: Final = "gen_ai.client.inference.operation.details"
_WHOLE: Final = ("gen_ai.usage.input_tokens", "gen_ai.output.messages")
_MOST: Final = 256
"""Calls of one span. A turn with more has its last ones told apart."""


def calls_apart(span: Facts, events: list[Event]) -> tuple[list[Event], Sequence[Facts]]:
    """The events that are the span's own, and a span for each model call that its log records tell of beside it.

    `events` are in order of time. A model call's span keeps the last record, since that call wrote its attributes
    last; any other span keeps none, and the calls stand below it.
    """
    whole = [event for event in events if event.name == _DETAILS and all(key in event.attributes for key in _WHOLE)]
    if len(whole) < 2:
        return events, ()
    whole.sort(key=identity_of)
    whole.sort(key=lambda event: event.time_ns)
    is_call = kind_of(span) == LLM
    told = {id(event) for event in (whole[:-1] if is_call else whole)}
    found: list[Facts] = []
    start = span.start_ns
    for event in whole:
        if id(event) in told:
            found.append(_call(span, event, min(start, event.time_ns), is_sibling=is_call))
        start = event.time_ns
    return [event for event in events if id(event) not in told], found[-_MOST:]


def _call(span: Facts, event: Event, start_ns: int, *, is_sibling: bool) -> Facts:
    made = Facts()
    made.trace_id = span.trace_id
    made.span_id = uuid8("call apart", span.trace_id, span.span_id, repr(identity_of(event))).replace("-", "")[:16]
    made.parent_span_id = span.parent_span_id if is_sibling else span.span_id
    made.name, made.kind, made.scope, made.resource = span.name, span.kind, span.scope, span.resource
    made.start_ns, made.end_ns = start_ns, event.time_ns
    made.status_code = span.status_code
    stated = {"gen_ai.operation.name": "chat", **event.attributes}
    if is_sibling:
        for key, slot in (
            ("gen_ai.operation.name", "operation"),
            ("gen_ai.provider.name", "provider"),
            ("gen_ai.request.model", "request_model"),
        ):
            if key not in event.attributes and (value := getattr(span, slot)) is not None:
                stated[key] = value
    stated.pop("body", None)
    KEYS.fill(made, stated.items())
    return made
