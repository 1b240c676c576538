"""Short forms of `decode` for tests."""

from __future__ import annotations

import json
from typing import Any

from spanledger.model.received import Decoded, Encoding, Signal
from spanledger.model.span import LogRecord, MetricPoint
from spanledger.receiver.wire import COMPILED, DEFAULT_LIMITS, Limits, decode
from tests.receiver.bodies import END, SPAN_ID, START, TRACE_ID
from tests.receiver.both_decoders import assert_same
from tests.receiver.tables import TABLE, ChatSpan


def decode_protobuf(body: bytes, signal: Signal = Signal.TRACES, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """What the plain and the compiled decoder agree on."""
    if COMPILED:
        assert_same(signal, body, TABLE, limits)
    return decode(signal, Encoding.PROTOBUF, body, TABLE, limits)


def decode_json(body: object, signal: Signal = Signal.TRACES, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """Decodes bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(signal, Encoding.JSON, raw, TABLE, limits)


def json_span(**fields: Any) -> dict[str, Any]:
    """A span in OTLP/JSON that is accepted, unless `fields` spoil it."""
    return {
        "traceId": TRACE_ID,
        "spanId": SPAN_ID,
        "name": "chat gpt-4o",
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(END),
    } | fields


def json_traces(*spans: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def json_attribute(value: Any) -> Any:
    """What an attribute value in OTLP/JSON is decoded to."""
    span = spans_of(decode_json(json_traces(json_span(attributes=[{"key": "k", "value": value}]))))[0]
    return span.rest["k"]


def spans_of(decoded: Decoded) -> list[ChatSpan]:
    assert decoded.rejected == []
    return kept_spans(decoded)


def kept_spans(decoded: Decoded) -> list[ChatSpan]:
    return [item for item in decoded.items if isinstance(item, ChatSpan)]


def logs_of(decoded: Decoded) -> list[LogRecord]:
    assert decoded.rejected == []
    return [item for item in decoded.items if isinstance(item, LogRecord)]


def points_of(decoded: Decoded) -> list[MetricPoint]:
    return [item for item in decoded.items if isinstance(item, MetricPoint)]
