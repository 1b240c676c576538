"""OTLP requests for tests of processors."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.model.context import NO_CONTEXT, RequestContext
from spanledger.model.received import Signal
from spanledger.processors.base import Processor
from spanledger.processors.values import plain_map, put, write


def traces(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    """One resource, one scope, spans given as `{"name": …, "attributes": {…}, "events": […]}`."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in (resource or {"service.name": "shop"}).items():
        put(group.resource.attributes, key, value)
    scoped = group.scope_spans.add()
    scoped.scope.name = "library"
    for number, given in enumerate(spans, 1):
        span = scoped.spans.add()
        span.trace_id, span.span_id = bytes([number] * 16), bytes([number] * 8)
        for name, value in given.items():
            if name == "attributes":
                for key, inner in value.items():
                    put(span.attributes, key, inner)
            elif name == "events":
                for event in value:
                    added = span.events.add()
                    added.name = event["name"]
                    for key, inner in event.get("attributes", {}).items():
                        put(added.attributes, key, inner)
            elif name == "status":
                span.status.code = value
            else:
                setattr(span, name, value)
    return request


def logs(*records: dict[str, Any]) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scoped = request.resource_logs.add().scope_logs.add()
    for given in records:
        record = scoped.log_records.add()
        write(record.body, given.get("body"))
        record.severity_number = given.get("severity_number", 0)
        record.trace_id = given.get("trace_id", b"")
        for key, value in given.get("attributes", {}).items():
            put(record.attributes, key, value)
    return request


def metrics(**points: list[dict[str, Any]]) -> ExportMetricsServiceRequest:
    """Gauges by name, data points given by their attributes."""
    request = ExportMetricsServiceRequest()
    scoped = request.resource_metrics.add().scope_metrics.add()
    for name, given in points.items():
        metric = scoped.metrics.add()
        metric.name = name
        for attributes in given:
            point = metric.gauge.data_points.add()
            point.as_int = 1
            for key, value in attributes.items():
                put(point.attributes, key, value)
    return request


def spans_of(request: ExportTraceServiceRequest) -> list[Any]:
    return [span for group in request.resource_spans for scoped in group.scope_spans for span in scoped.spans]


def processed(
    processor: Processor, request: Any, signal: Signal = Signal.TRACES, context: RequestContext = NO_CONTEXT
) -> Any:
    processor.process(signal, request, context)
    return request


def attributes_after(processor: Processor, attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of one span after a processor."""
    (span,) = spans_of(processed(processor, traces({"name": "a", "attributes": attributes})))
    return plain_map(span.attributes)
