"""The messages of OTLP/JSON as msgspec structs.

Structs say where members stand, not what they hold: names and nesting are typed, so that msgspec reads a body straight
into them, and every value is `Any`, so that one wrong value costs one item and not the body. They know the names of the
specification only and forbid all others: a struct that ignored what it does not know would lose what senders spell
otherwise (snake_case, attributes as a plain object), without a word. A body that does not fit is read without structs
(`json_text`), and `of` makes these same structs from what was found.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from spanledger.model.received import Signal
from spanledger.receiver.wire.json_values import KeyValue, Members, field


class SpanMessage(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    trace_id: Any = None
    span_id: Any = None
    parent_span_id: Any = None
    name: Any = None
    kind: Any = None
    start_time_unix_nano: Any = None
    end_time_unix_nano: Any = None
    attributes: list[KeyValue] | None = None
    status: Any = None
    events: Any = None
    links: Any = None
    trace_state: Any = None
    flags: Any = None
    dropped_attributes_count: Any = None
    dropped_events_count: Any = None
    dropped_links_count: Any = None


class LogMessage(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    trace_id: Any = None
    span_id: Any = None
    time_unix_nano: Any = None
    observed_time_unix_nano: Any = None
    severity_number: Any = None
    severity_text: Any = None
    event_name: Any = None
    body: Any = None
    attributes: list[KeyValue] | None = None
    flags: Any = None
    dropped_attributes_count: Any = None


class ScopeSpans(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    scope: Any = None
    items: list[SpanMessage] | None = msgspec.field(default=None, name="spans")
    schema_url: Any = None


class ScopeLogs(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    scope: Any = None
    items: list[LogMessage] | None = msgspec.field(default=None, name="logRecords")
    schema_url: Any = None


class ResourceSpans(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    resource: Any = None
    scopes: list[ScopeSpans] | None = msgspec.field(default=None, name="scopeSpans")
    schema_url: Any = None


class ResourceLogs(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    resource: Any = None
    scopes: list[ScopeLogs] | None = msgspec.field(default=None, name="scopeLogs")
    schema_url: Any = None


class TraceRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    groups: list[ResourceSpans] = msgspec.field(name="resourceSpans")


class LogRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    groups: list[ResourceLogs] = msgspec.field(name="resourceLogs")


_DECODERS: Final[dict[Signal, msgspec.json.Decoder[Any]]] = {
    Signal.TRACES: msgspec.json.Decoder(TraceRequest),
    Signal.LOGS: msgspec.json.Decoder(LogRequest),
}

_Message = TypeVar("_Message", SpanMessage, LogMessage)


def typed(signal: Signal, body: bytes) -> TraceRequest | LogRequest | None:
    """The request, or None where the body does not fit: it is no JSON, or spelled otherwise than the specification
    does, or holds metrics. Then it must be read without structs."""
    decoder = _DECODERS.get(signal)
    if decoder is None:
        return None
    try:
        request: TraceRequest | LogRequest = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return request


def of(kind: type[_Message], members: Members) -> _Message:
    """The message from a plain object, whichever names it uses."""
    return kind(*[field(members, camel, snake) for camel, snake in _names(kind)])


@cache
def _names(kind: type[msgspec.Struct]) -> list[tuple[str, str]]:
    return [(member.encode_name, member.name) for member in msgspec.structs.fields(kind)]
