"""Bodies of export requests taken apart and put together, for exporters that pass them on.

The messages `TracesData`, `LogsData` and `MetricsData` of files and Kafka are the export requests byte for byte.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from spanledger.model.received import Signal, Telemetry

_REQUESTS: Final[dict[Signal, Any]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
_RESPONSES: Final[dict[Signal, Any]] = {
    Signal.TRACES: ExportTraceServiceResponse,
    Signal.LOGS: ExportLogsServiceResponse,
    Signal.METRICS: ExportMetricsServiceResponse,
}
_LISTS: Final = {
    Signal.TRACES: ("resource_spans", "scope_spans", "spans"),
    Signal.LOGS: ("resource_logs", "scope_logs", "log_records"),
    Signal.METRICS: ("resource_metrics", "scope_metrics", "metrics"),
}
_REFUSED: Final = {
    Signal.TRACES: "rejected_spans",
    Signal.LOGS: "rejected_log_records",
    Signal.METRICS: "rejected_data_points",
}
_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


def merged(bodies: Iterable[bytes]) -> bytes:
    """One request that holds what several of a signal hold: protobuf messages one after the other are their merger,
    and every list in them goes on where the one before ended."""
    return b"".join(bodies)


def count(body: bytes) -> int:
    """Spans, log records or metrics of a body, read off the lengths on the way: resources are field 1 of every request,
    scopes are field 2 of a resource and items field 2 of a scope. Of a broken body, those before the break."""
    view = memoryview(body)
    try:
        return sum(1 for resource in _members(view, 1) for scope in _members(resource, 2) for _ in _members(scope, 2))
    except (IndexError, ValueError):
        return 0


def _members(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Contents of a length-delimited field. Raises `IndexError` and `ValueError` for what is no message."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:
                _, at = _varint(message, at)
            case 1:
                at += 8
            case 2:
                size, at = _varint(message, at)
                if tag >> 3 == wanted:
                    yield message[at : at + size]
                at += size
            case 5:
                at += 4
            case _:
                raise ValueError("no wire type")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("no number")


def as_json(signal: Signal, body: bytes) -> bytes:
    """OTLP/JSON of a protobuf body. Raises `ValueError`."""
    try:
        request = _REQUESTS[signal].FromString(body)
    except DecodeError as error:
        raise ValueError("not a protobuf message of this signal") from error
    content = json_format.MessageToDict(request, use_integers_for_enums=True)
    return msgspec.json.encode(_with_hex_ids(content))


def refused_items(signal: Signal, body: bytes, *, json: bool = False) -> tuple[int, str]:
    """(how many items were refused, why) of a response that says so; (0, "") of any other."""
    try:
        if json:
            response = json_format.Parse(body or b"{}", _RESPONSES[signal](), ignore_unknown_fields=True)
        else:
            response = _RESPONSES[signal].FromString(body)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError):
        return 0, ""
    partial = response.partial_success
    return getattr(partial, _REFUSED[signal]), partial.error_message


def halves(telemetry: Telemetry) -> Sequence[Telemetry]:
    """Two bodies that hold what one holds: cut between resources, else between scopes, else between items. None for a
    single item, and for what is no protobuf message."""
    signal = telemetry.signal
    try:
        request = _REQUESTS[signal].FromString(telemetry.body)
    except DecodeError:
        return ()
    path = _LISTS[signal]
    place = request
    for depth, name in enumerate(path):
        members = getattr(place, name)
        if len(members) > 1:
            middle = len(members) // 2
            parts = (members[:middle], members[middle:])
            return [replace(telemetry, body=_around(request, path[: depth + 1], part)) for part in parts]
        if not members:
            return ()
        place = members[0]
    return ()


def by_trace(telemetry: Telemetry) -> Iterator[tuple[bytes, Telemetry]]:
    """(trace id, its items in a body of their own), in the order of first appearance. Raises `ValueError`."""
    signal = telemetry.signal
    resources_name, scopes_name, items_name = _LISTS[signal]
    request = _parsed(telemetry)
    found: dict[bytes, Any] = {}
    for resource in getattr(request, resources_name):
        for scope in getattr(resource, scopes_name):
            for item in getattr(scope, items_name):
                body = found.get(item.trace_id)
                if body is None:
                    body = found[item.trace_id] = _REQUESTS[signal]()
                # Items of a trace that follow each other share their resource and scope.
                place = _last(getattr(body, resources_name), resource, scopes_name)
                getattr(_last(getattr(place, scopes_name), scope, items_name), items_name).append(item)
    for trace_id, body in found.items():
        yield trace_id, replace(telemetry, body=body.SerializeToString())


def by_resource(telemetry: Telemetry) -> Iterator[tuple[Any, Telemetry]]:
    """(resource message, what belongs to it in a body of its own). Raises `ValueError`."""
    name = _LISTS[telemetry.signal][0]
    for group in getattr(_parsed(telemetry), name):
        body = _REQUESTS[telemetry.signal]()
        getattr(body, name).append(group)
        yield group.resource, replace(telemetry, body=body.SerializeToString())


def _last(members: Any, like: Any, inner: str) -> Any:
    """The last member when it is the same as `like` but for its list, else a new one that is."""
    copy = type(like)()
    copy.CopyFrom(like)
    copy.ClearField(inner)
    if members:
        last = type(like)()
        last.CopyFrom(members[-1])
        last.ClearField(inner)
        if last == copy:
            return members[-1]
    members.append(copy)
    return members[-1]


def _parsed(telemetry: Telemetry) -> Any:
    try:
        return _REQUESTS[telemetry.signal].FromString(telemetry.body)
    except DecodeError as error:
        raise ValueError("not a protobuf message of this signal") from error


def _around(request: Any, path: Sequence[str], members: Iterable[Any]) -> bytes:
    """The request with only these members in the last list of the path; lists before have one member each."""
    made = type(request)()
    made.CopyFrom(request)
    place = made
    for name in path[:-1]:
        place = getattr(place, name)[0]
    kept = list(members)
    place.ClearField(path[-1])
    getattr(place, path[-1]).extend(kept)
    return bytes(made.SerializeToString())


def _with_hex_ids(value: Any) -> Any:
    """OTLP/JSON writes ids in hexadecimal where protobuf's JSON has base64."""
    if isinstance(value, dict):
        return {
            key: base64.b64decode(inner).hex() if key in _IDS and isinstance(inner, str) else _with_hex_ids(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_hex_ids(inner) for inner in value]
    return value
