"""Export requests with every field that the tables of the Collector's exporter have a column for."""

from __future__ import annotations

import base64
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.model.received import Signal, Telemetry

AT: Final = 1_772_359_200_000_000_000
"""2026-03-01T10:00:00Z."""
TRACE_ID: Final = bytes(range(16))
SPAN_ID: Final = bytes(range(8))
_REQUESTS: Final[dict[Signal, Any]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
RESOURCE: Final = {"attributes": [{"key": "service.name", "value": {"string_value": "shop"}}]}
SCOPE: Final = {"name": "openai", "version": "1.2"}


def attribute(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "value": value}


def telemetry(signal: Signal, content: dict[str, Any], project: str = "default") -> Telemetry:
    message = json_format.ParseDict(content, _REQUESTS[signal]())
    return Telemetry(project, signal, message.SerializeToString())


def spans(*made: dict[str, Any], project: str = "default", resource: dict[str, Any] = RESOURCE) -> Telemetry:
    content = {"resource_spans": [{"resource": resource, "scope_spans": [{"scope": SCOPE, "spans": list(made)}]}]}
    return telemetry(Signal.TRACES, content, project)


def span(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A span of a second; `number` makes it another."""
    return {
        "trace_id": base64_of(number.to_bytes(1, "big") + TRACE_ID[1:]),
        "span_id": base64_of(SPAN_ID),
        "name": "chat gpt-5",
        "kind": 3,
        "start_time_unix_nano": str(AT + number),
        "end_time_unix_nano": str(AT + number + 10**9),
        **changes,
    }


def logs(*made: dict[str, Any], project: str = "default") -> Telemetry:
    group = {
        "resource": RESOURCE,
        "schema_url": "https://example.com/resource",
        "scope_logs": [{"scope": SCOPE, "schema_url": "https://example.com/scope", "log_records": list(made)}],
    }
    return telemetry(Signal.LOGS, {"resource_logs": [group]}, project)


def metrics(*made: dict[str, Any], project: str = "default") -> Telemetry:
    group = {"resource": RESOURCE, "scope_metrics": [{"scope": SCOPE, "metrics": list(made)}]}
    return telemetry(Signal.METRICS, {"resource_metrics": [group]}, project)


def point(**facts: Any) -> dict[str, Any]:
    return {
        "attributes": [attribute("gen_ai.token.type", string_value="input")],
        "start_time_unix_nano": str(AT - 60 * 10**9),
        "time_unix_nano": str(AT),
        **facts,
    }


def base64_of(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
