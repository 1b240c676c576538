"""The same telemetry in protobuf and in JSON is the same."""

from __future__ import annotations

import base64
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanledger.exporters.messages import as_json as as_body
from spanledger.model.received import Decoded, Signal
from tests.fuzz.mutation import mutated
from tests.receiver.bodies import plain, span, traces
from tests.receiver.both_decoders import assert_same_json
from tests.receiver.decoding import decode_json, decode_protobuf, spans_of
from tests.receiver.generated import TRACE_REQUESTS

RECORDED = Path(__file__).parents[1] / "corpus"
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
DATA: dict[Signal, type[Message]] = {
    Signal.TRACES: TracesData,
    Signal.LOGS: LogsData,
    Signal.METRICS: MetricsData,
}


def as_json(data: Message) -> dict[str, Any]:
    """OTLP/JSON as OTLP wants it: protobuf's JSON, with hex ids."""
    content: dict[str, Any] = json_format.MessageToDict(data)
    pending: list[Any] = [content]
    while pending:
        found = pending.pop()
        if isinstance(found, list):
            pending += found
        elif isinstance(found, dict):
            for key, value in found.items():
                if key in ("traceId", "spanId", "parentSpanId"):
                    found[key] = _base64_to_hex(value)
                else:
                    pending.append(value)
    return content


def _base64_to_hex(text: str) -> str:
    return base64.b64decode(text).hex()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded payloads (../shared/corpus) are not here")
@pytest.mark.parametrize("signal", list(Signal))
def test_recorded_protobuf_bodies_are_the_same_in_json(signal: Signal) -> None:
    recorded = sorted(CORPUS.glob(f"*/*/*/{signal}-*.pb"))[::7]
    assert recorded
    for path in recorded:
        body = path.read_bytes()
        data = DATA[signal].FromString(body)
        in_protobuf, in_json = decode_protobuf(body, signal), decode_json(as_json(data), signal)
        assert in_protobuf.rejected == [], path
        assert in_json.rejected == [], path
        assert plain(in_protobuf.items) == plain(in_json.items), path


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded payloads (../shared/corpus) are not here")
def test_recorded_json_bodies_are_the_same_in_protobuf() -> None:
    recorded = sorted(CORPUS.glob("*/*/*/traces-*.json"))[::5]
    assert recorded
    for path in recorded:
        raw = path.read_bytes()
        content = json.loads(raw)
        data = json_format.ParseDict(_with_base64_ids(content), TracesData(), ignore_unknown_fields=True)
        in_json, in_protobuf = decode_json(raw), decode_protobuf(data.SerializeToString())
        assert in_json.rejected == [], path
        assert plain(in_json.items) == plain(in_protobuf.items), path


def _with_base64_ids(content: Any) -> Any:
    if isinstance(content, list):
        return [_with_base64_ids(member) for member in content]
    if isinstance(content, dict):
        return {
            key: base64.b64encode(bytes.fromhex(value)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else _with_base64_ids(value)
            for key, value in content.items()
        }
    return content


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded payloads (../shared/corpus) are not here")
@pytest.mark.parametrize("signal", [Signal.TRACES, Signal.LOGS])
def test_recorded_bodies_are_the_same_in_any_spelling(signal: Signal) -> None:
    """Ordinary names are read by structs, others as plain objects."""
    for path in sorted(CORPUS.glob(f"*/*/*/{signal}-*.pb"))[::11]:
        data = DATA[signal].FromString(path.read_bytes())
        content = as_json(data)
        ordinary = decode_json(content, signal)
        assert plain(decode_json(_with_snake_case_names(content), signal)) == plain(ordinary), path
        assert plain(decode_json({**content, "later": 1}, signal)) == plain(ordinary), path


def _with_snake_case_names(content: Any) -> Any:
    if isinstance(content, list):
        return [_with_snake_case_names(member) for member in content]
    if isinstance(content, dict):
        return {
            re.sub("[A-Z]", lambda found: "_" + found[0].lower(), key): _with_snake_case_names(value)
            for key, value in content.items()
        }
    return content


@given(TRACE_REQUESTS)
def test_generated_requests_are_the_same_in_both_encodings(message: Message) -> None:
    in_protobuf, in_json = decode_protobuf(message.SerializeToString()), decode_json(as_json(message))
    assert texts(in_json) == texts(in_protobuf)


def texts(decoded: Decoded) -> list[str]:
    """Everything kept, as text: NaN is NaN in it, True is not 1."""
    return [repr(plain(item)) for item in decoded.items]


def test_spoiled_json_is_the_same_read_by_structs_or_not() -> None:
    generator = random.Random(1)
    for path in sorted(RECORDED.glob("*/traces-*.pb")):
        body = as_body(Signal.TRACES, path.read_bytes())[:20_000]
        for _ in range(4):
            assert_same_json(Signal.TRACES, mutated(body, generator), hint=path)


KEYS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=8)
    | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_survives_both_encodings(value: Any) -> None:
    body = traces(span(attributes={"key": value, "in a list": [value]}))
    (in_protobuf,) = spans_of(decode_protobuf(body))
    (in_json,) = spans_of(decode_json(as_json(TracesData.FromString(body))))
    assert in_protobuf.rest == in_json.rest == {"key": value, "in a list": [value]}
    assert typed(in_protobuf.rest["key"]) == typed(in_json.rest["key"]) == typed(value)


def typed(value: Any) -> Any:
    """The value with the type of everything in it: True is not 1, 1.0 is not 1."""
    if isinstance(value, list):
        return [typed(member) for member in value]
    if isinstance(value, dict):
        return {key: typed(member) for key, member in value.items()}
    return type(value), value
