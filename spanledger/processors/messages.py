"""Bodies of export requests as OTLP messages and back."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.errors import PayloadError
from spanledger.model.received import Encoding, Signal
from spanledger.processors.base import Request
from spanledger.receiver.wire.mend import mended

_TYPES: Final[dict[Signal, Any]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
_IDS: Final = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}


def parse(signal: Signal, encoding: Encoding, body: bytes) -> Request:
    """The message of a body. Raises `PayloadError`."""
    try:
        if encoding is Encoding.PROTOBUF:
            return _from_protobuf(_TYPES[signal], body)
        content = msgspec.json.decode(body)
        return json_format.ParseDict(_with_base64_ids(content), _TYPES[signal](), ignore_unknown_fields=True)
    except (DecodeError, json_format.ParseError, msgspec.DecodeError, RecursionError, UnicodeError) as problem:
        raise PayloadError(f"a processor cannot read the request: {type(problem).__name__}") from None


def _from_protobuf(type_: Any, body: bytes) -> Request:
    try:
        return type_.FromString(body)
    except DecodeError:
        return type_.FromString(mended(type_.DESCRIPTOR, body))


def _with_base64_ids(value: Any) -> Any:
    """OTLP/JSON writes ids in hexadecimal where protobuf's JSON has base64."""
    if isinstance(value, dict):
        return {
            key: _base64(inner) if key in _IDS and isinstance(inner, str) else _with_base64_ids(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_with_base64_ids(inner) for inner in value]
    return value


def _base64(text: str) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(text)).decode()
    except (binascii.Error, ValueError):
        return text  # some SDKs send base64
