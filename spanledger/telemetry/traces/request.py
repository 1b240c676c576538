"""Own spans as one OTLP request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from spanledger._version import __version__
from spanledger.tracing import OWN_SCOPE, Kind, Span

_KINDS: Final = {
    Kind.INTERNAL: trace_pb2.Span.SPAN_KIND_INTERNAL,
    Kind.SERVER: trace_pb2.Span.SPAN_KIND_SERVER,
    Kind.CLIENT: trace_pb2.Span.SPAN_KIND_CLIENT,
}


def request_of(spans: Iterable[Span], resource: Mapping[str, str]) -> ExportTraceServiceRequest:
    """All of them, of one resource and one scope."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(_attributes(resource))
    scope = group.scope_spans.add()
    scope.scope.name, scope.scope.version = OWN_SCOPE, __version__
    for span in spans:
        _add(scope.spans.add(), span)
    return request


def _add(message: trace_pb2.Span, span: Span) -> None:
    message.trace_id, message.span_id = span.context.trace_id, span.context.span_id
    message.parent_span_id, message.trace_state = span.parent_id, span.context.state
    message.name = span.name
    message.kind = _KINDS[span.kind]
    message.start_time_unix_nano, message.end_time_unix_nano = span.start_ns, span.end_ns
    message.attributes.extend(_attributes(span.attributes))
    for at, name, attributes in span.events:
        message.events.add(time_unix_nano=at, name=name, attributes=_attributes(attributes))
    message.dropped_events_count = span.dropped
    for link in span.links:
        message.links.add(trace_id=link.trace_id, span_id=link.span_id, trace_state=link.state)
    if span.error is not None:
        message.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        message.status.message = span.error


def _attributes(values: Mapping[str, str | int | float | bool]) -> Iterable[KeyValue]:
    for name, value in values.items():
        attribute = KeyValue(key=name)
        match value:
            case bool():
                attribute.value.bool_value = value
            case int():
                attribute.value.int_value = value
            case float():
                attribute.value.double_value = value
            case _:
                attribute.value.string_value = value
        yield attribute
