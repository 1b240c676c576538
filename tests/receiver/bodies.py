"""Export requests for tests, built with the generated messages, and byte by byte where those would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from spanledger.model.span import Event, Link, Resource, Scope

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
START = 1_760_000_000_000_000_001
END = 1_760_000_001_500_000_002


def any_value(value: object) -> AnyValue:
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, Mapping):
        return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))
    assert isinstance(value, list)
    return AnyValue(array_value=ArrayValue(values=[any_value(member) for member in value]))


def pairs(attributes: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def span(name: str = "chat gpt-4o", attributes: Mapping[str, object] | None = None, **fields: Any) -> Span:
    """A span that is accepted, unless `fields` spoil it."""
    given: dict[str, Any] = {
        "trace_id": bytes.fromhex(TRACE_ID),
        "span_id": bytes.fromhex(SPAN_ID),
        "start_time_unix_nano": START,
        "end_time_unix_nano": END,
    }
    return Span(name=name, attributes=pairs(attributes or {}), **(given | fields))


def log_record(event_name: str = "", attributes: Mapping[str, object] | None = None, **fields: Any) -> LogRecord:
    given: dict[str, Any] = {"time_unix_nano": START}
    return LogRecord(event_name=event_name, attributes=pairs(attributes or {}), **(given | fields))


def traces(*spans: Span, resource: Mapping[str, object] | None = None, scope: str = "scope") -> bytes:
    data = TracesData()
    group = data.resource_spans.add()
    group.resource.attributes.extend(pairs(resource or {}))
    scope_group = group.scope_spans.add()
    scope_group.scope.name = scope
    scope_group.spans.extend(spans)
    return data.SerializeToString()


def logs(*records: LogRecord, resource: Mapping[str, object] | None = None) -> bytes:
    data = LogsData()
    group = data.resource_logs.add()
    group.resource.attributes.extend(pairs(resource or {}))
    group.scope_logs.add().log_records.extend(records)
    return data.SerializeToString()


def metrics(*found: Metric) -> bytes:
    data = MetricsData()
    data.resource_metrics.add().scope_metrics.add().metrics.extend(found)
    return data.SerializeToString()


# byte by byte


def field(number: int, content: bytes | Message) -> bytes:
    """A length-delimited field."""
    raw = content if isinstance(content, bytes) else content.SerializeToString()
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


def raw_traces(*spans: bytes) -> bytes:
    """A traces request around spans that are given as bytes."""
    return field(1, field(2, b"".join(field(2, raw) for raw in spans)))


def raw_attribute(key: bytes, value: bytes) -> bytes:
    """Field `attributes` of a span: a KeyValue with an encoded AnyValue."""
    return field(9, field(1, key) + field(2, value))


def nested_arrays(levels: int) -> bytes:
    """An AnyValue that is `levels` deep: arrays of arrays around one string."""
    value = field(1, b"deep")
    for _ in range(levels - 1):
        value = field(5, field(1, value))
    return value


# items as plain values


def plain(item: object) -> Any:
    """An item and everything in it as dicts, for comparisons."""
    if isinstance(item, list | tuple):
        return [plain(member) for member in item]
    if isinstance(item, Resource | Scope | Event | Link) or hasattr(type(item), "__slots__"):
        names = [name for kind in type(item).__mro__ for name in getattr(kind, "__slots__", ()) if name != "size"]
        return {name: plain(getattr(item, name)) for name in sorted(names)}
    return item
