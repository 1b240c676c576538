"""Bodies that no SDK sends on purpose: cut, nested, mislabelled, or built to hurt."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from spanledger.errors import PayloadError, PayloadTooLarge
from spanledger.model.received import Signal
from spanledger.model.span import LogRecord, MetricPoint
from spanledger.receiver.wire import Limits
from tests.receiver.bodies import (
    SPAN_ID,
    START,
    TRACE_ID,
    any_value,
    field,
    log_record,
    logs,
    metrics,
    nested_arrays,
    pairs,
    raw_attribute,
    raw_traces,
    span,
    traces,
)
from tests.receiver.decoding import decode_json, decode_protobuf, json_span, json_traces, kept_spans, spans_of
from tests.receiver.test_wire_metrics import histogram

LABEL = f'span "chat gpt-4o" (trace {TRACE_ID}, span {SPAN_ID})'


def spoiled_text(body: bytes) -> bytes:
    """The body with the é of every 'café' cut in half."""
    assert b"caf\xc3\xa9" in body
    return body.replace(b"caf\xc3\xa9", b"caf\xc3\xc3")


# truncated and malformed


def test_every_truncation_of_a_body_is_an_error_or_a_smaller_request() -> None:
    body = traces(span("one", {"key": "value"}), resource={"a": "b"}) + traces(span("two"))
    accepted = []
    for end in range(1, len(body)):
        with suppress(PayloadError):
            accepted.append([kept.name for kept in kept_spans(decode_protobuf(body[:end]))])
    assert accepted == [["one"]]  # cut exactly between the two groups


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            traces(span())[:-1],
            "truncated protobuf: a field that starts at byte 2 runs over the end of its message",
        ),
        (b"\x0a", "truncated protobuf: it ends inside a varint at byte 1"),
        (b"\x0a" + b"\xff" * 10 + b"\x01", "malformed protobuf: a varint at byte 11 has more than ten bytes"),
        (b"\x0f", "malformed protobuf: wire type 7 at byte 0"),
        (b"\x02\x00", "malformed protobuf: field number 0 at byte 1"),
        (b"\x0b" * 200, "malformed protobuf: groups nested too deeply at byte 101"),
        (
            raw_traces(span().SerializeToString() + raw_attribute(b"k", b"\x2a\x7f")),
            f"{LABEL}: truncated protobuf: a field that starts at byte 68 runs over the end of its message",
        ),
    ],
)
def test_malformed_protobuf_is_refused_whole(body: bytes, message: str) -> None:
    with pytest.raises(PayloadError) as refused:
        decode_protobuf(body)
    assert str(refused.value) == message


@given(st.binary(max_size=200))
def test_no_bytes_break_the_protobuf_decoder(body: bytes) -> None:
    for signal in Signal:
        with suppress(PayloadError):
            decode_protobuf(body, signal)
        with suppress(PayloadError):
            decode_protobuf(raw_traces(body), signal)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_json_decoder(body: bytes) -> None:
    with suppress(PayloadError):
        decode_json(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.fixed_dictionaries(dict.fromkeys(json_span(attributes=1, events=1, links=1, status=1, kind=1), JSON)))
def test_no_types_in_a_json_span_break_its_neighbours(fields: dict[str, object]) -> None:
    decoded = decode_json(json_traces(fields, json_span(name="neighbour")))
    assert kept_spans(decoded)[-1].name == "neighbour"
    assert len(decoded.items) + len(decoded.rejected) == 2


# nested


def test_values_may_nest_as_deep_as_the_limit_in_both_encodings() -> None:
    expected: object = "deep"
    nested: object = {"stringValue": "deep"}
    for _ in range(63):
        expected = [expected]
        nested = {"arrayValue": {"values": [nested]}}
    raw = span().SerializeToString() + raw_attribute(b"k", nested_arrays(64))
    assert spans_of(decode_protobuf(raw_traces(raw)))[0].rest == {"k": expected}
    body = json_traces(json_span(attributes=[{"key": "k", "value": nested}]))
    assert spans_of(decode_json(body))[0].rest == {"k": expected}


@pytest.mark.parametrize("levels", [65, 5000])
def test_a_protobuf_span_that_nests_deeper_is_refused_alone(levels: int) -> None:
    deep = span().SerializeToString() + raw_attribute(b"gen_ai.prompt", nested_arrays(levels))
    decoded = decode_protobuf(raw_traces(span("before").SerializeToString(), deep, span("after").SerializeToString()))
    assert [kept.name for kept in kept_spans(decoded)] == ["before", "after"]
    assert decoded.rejected == [f"{LABEL}: the value of 'gen_ai.prompt' is nested more than 64 levels deep"]


@pytest.mark.parametrize("levels", [65, 100_000])
@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ('{"arrayValue":{"values":[', "]}}"),
        ('{"kvlistValue":{"values":[{"key":"}]{[","value":', "}]}}"),
        ('{"\\"[":', "}"),
        ("[", "]"),
    ],
    ids=["arrays", "maps", "plain objects", "plain lists"],
)
def test_a_json_span_that_nests_deeper_is_refused_alone(levels: int, opening: str, closing: str) -> None:
    deep = f'{{"key":"prompt","value":{opening * levels}{{"stringValue":"x"}}{closing * levels}}}'
    spans = f'{{"name":"deep","attributes":[{deep}],"traceId":"{TRACE_ID}","spanId":"{SPAN_ID}"}}'
    spans += f',{{"name":"after","traceId":"{TRACE_ID}","spanId":"{SPAN_ID}"}}'
    decoded = decode_json(f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}'.encode())
    assert [kept.name for kept in kept_spans(decoded)] == ["after"]
    reason = "the value of 'prompt' is nested more than 64 levels deep"
    assert decoded.rejected == [f'span "deep" (trace {TRACE_ID}, span {SPAN_ID}): {reason}']


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"resourceSpans":[{"scopeSpans":['], ids=["[", "{", "mixed"])
def test_five_megabytes_of_opening_brackets_are_an_error(opening: bytes) -> None:
    with pytest.raises(PayloadError, match=r"^malformed JSON, nested more than 276 levels deep"):
        decode_json(opening * (5_000_000 // len(opening)))


def test_five_megabytes_of_quotes_are_an_error() -> None:
    with pytest.raises(PayloadError, match=r"^malformed JSON"):
        decode_json(b'{"a":"' + b'\\"' * 2_500_000)


def test_a_resource_attribute_that_nests_deeper_costs_no_span() -> None:
    resource = field(1, field(1, b"deep") + field(2, nested_arrays(65))) + field(1, pairs({"host": "a"})[0])
    (received,) = spans_of(decode_protobuf(field(1, field(1, resource) + field(2, field(2, span())))))
    assert received.resource.attributes == {"host": "a"}
    assert received.repairs == ["bad_attribute:deep"]


# text that is no UTF-8


def test_invalid_utf8_is_replaced_and_noted_where_it_stood() -> None:
    event = span().Event(name="e", attributes=pairs({"event.text": "café"}))
    bad = span("name café", {"gen_ai.prompt": {"nested": ["x", "café"]}, "fine": "ok", "key café": 1}, events=[event])
    body = spoiled_text(traces(span("whole"), bad, resource={"host": "café"}))
    whole, mended = spans_of(decode_protobuf(body))
    assert mended.name == "name caf\ufffd\ufffd"
    assert mended.rest == {
        "gen_ai.prompt": {"nested": ["x", "caf\ufffd\ufffd"]},
        "fine": "ok",
        "key caf\ufffd\ufffd": 1,
    }
    assert mended.events[0].attributes == {"event.text": "caf\ufffd\ufffd"}
    assert mended.resource.attributes == {"host": "caf\ufffd\ufffd"}
    assert whole.repairs == ["invalid_utf8:host"]
    assert sorted(mended.repairs) == [
        "invalid_utf8:event.text",
        "invalid_utf8:gen_ai.prompt",
        "invalid_utf8:host",
        "invalid_utf8:key caf\ufffd\ufffd",
        "invalid_utf8:name",
    ]


def test_a_mended_span_keeps_every_field() -> None:
    attributes = {"i": -5, "d": 0.25, "b": True, "raw": b"\xff\x00", "none": None, "list": [1, "x"], "map": {"a": 2}}
    sent = span("café", attributes, kind=3, dropped_attributes_count=4, parent_span_id=b"\x01" * 8, trace_state="a=b")
    sent.links.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    sent.status.code = Status.STATUS_CODE_ERROR
    sent.status.message = "no"
    (whole,) = spans_of(decode_protobuf(traces(sent)))
    (mended,) = spans_of(decode_protobuf(spoiled_text(traces(sent))))
    for name in (
        "rest",
        "kind",
        "dropped_attributes",
        "parent_span_id",
        "trace_state",
        "status_code",
        "status_message",
    ):
        assert getattr(mended, name) == getattr(whole, name), name
    assert (mended.start_ns, mended.end_ns) == (whole.start_ns, whole.end_ns)
    assert mended.links[0].span_id == "02" * 8


def test_a_mended_log_record_says_so() -> None:
    body = spoiled_text(logs(log_record("event", {"k": "café"}, body=any_value("café"))))
    (received,) = decode_protobuf(body, Signal.LOGS).items
    assert isinstance(received, LogRecord)
    assert received.body == "caf\ufffd\ufffd"
    assert sorted(received.repairs) == ["invalid_utf8:body", "invalid_utf8:k"]


def test_a_mended_json_log_record_says_so() -> None:
    record = {"body": {"stringValue": "\ud83d"}, "attributes": {"k": "\ud83d"}, "timeUnixNano": START}
    (received,) = decode_json({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}, Signal.LOGS).items
    assert isinstance(received, LogRecord)
    assert (received.body, received.attributes) == ("\ufffd", {"k": "\ufffd"})
    assert sorted(received.repairs) == ["invalid_utf8:body", "invalid_utf8:k"]


def test_a_mended_metric_keeps_its_points() -> None:
    body = spoiled_text(metrics(histogram("café")))
    (received,) = decode_protobuf(body, Signal.METRICS).items
    assert isinstance(received, MetricPoint)
    assert (received.bounds, received.buckets) == ([0.5, 10.0], [1, 2, 0])


# the wrong path


def test_log_records_on_the_traces_path_are_refused_with_a_hint() -> None:
    with_ids = log_record(
        "gen_ai.choice", {"a": "b"}, body=any_value("hello"), trace_id=b"\x01" * 16, span_id=b"\x02" * 8
    )
    decoded = decode_protobuf(logs(log_record("no ids", body=any_value("hello")), with_ids))
    assert decoded.items == []
    assert len(decoded.rejected) == 2
    hint = "this is an OTLP log record, logs go to /v1/logs (LogsService)"
    assert [text.rpartition("; ")[2] for text in decoded.rejected] == [hint, hint]


def test_spans_on_the_logs_path_are_refused_with_a_hint() -> None:
    decoded = decode_protobuf(traces(span(attributes={"a": "b"})), Signal.LOGS)
    assert decoded.items == []
    assert [text.rpartition("; ")[2] for text in decoded.rejected] == [
        "this is an OTLP span, spans go to /v1/traces (TraceService)"
    ]


def test_metrics_on_the_traces_path_are_refused_with_a_hint() -> None:
    decoded = decode_protobuf(metrics(histogram("gen_ai.client.token.usage")))
    assert decoded.items == []
    assert [text.rpartition("; ")[2] for text in decoded.rejected] == [
        "this is an OTLP metric, metrics go to /v1/metrics (MetricsService)"
    ]


def test_spans_on_the_metrics_path_are_refused_with_a_hint() -> None:
    decoded = decode_protobuf(traces(span(attributes={"a": "b"})), Signal.METRICS)
    assert decoded.items == []
    assert [text.rpartition("; ")[2] for text in decoded.rejected] == [
        "this is an OTLP span, spans go to /v1/traces (TraceService)"
    ]


def test_a_minimal_bad_span_gets_no_hint() -> None:
    bare = field(1, b"\x01" * 7) + field(5, b"bare")
    assert decode_protobuf(raw_traces(bare)).rejected == [
        f'span "bare" (trace {"01" * 7}, span none): trace id is 7 bytes long, expected 16'
    ]


# many


def test_a_request_with_too_many_items_is_refused_whole() -> None:
    limits = Limits(max_items=2)
    message = r"^the request holds more than 2 items; send fewer$"
    with pytest.raises(PayloadTooLarge, match=message):
        decode_protobuf(traces(span(), span(), span()), limits=limits)
    with pytest.raises(PayloadTooLarge, match=message):
        decode_json(json_traces(1, 2, 3), limits=limits)


def test_a_span_of_very_many_empty_values_is_refused_alone() -> None:
    bomb = span().SerializeToString() + raw_attribute(b"k", field(5, b"\x0a\x00" * 1_100_000))
    decoded = decode_protobuf(raw_traces(bomb, span("after").SerializeToString()))
    assert [kept.name for kept in kept_spans(decoded)] == ["after"]
    assert decoded.rejected == [f"{LABEL}: holds more than 1000000 values"]


def test_json_of_very_many_empty_values_is_refused_whole() -> None:
    limits = Limits(max_values=100_000)
    with pytest.raises(PayloadTooLarge, match=r"^the JSON holds more than 800000 values"):
        decode_json(b'{"a":[' + b"[]," * 1_000_000 + b"0]}", limits=limits)


def test_commas_in_text_are_no_values() -> None:
    limits = Limits(max_values=1000)
    attribute = {"key": "text", "value": {"stringValue": "[,{" * 500_000}}
    assert len(spans_of(decode_json(json_traces(json_span(attributes=[attribute])), limits=limits))) == 1


def test_millions_of_refused_items_are_counted_and_not_all_described() -> None:
    decoded = decode_protobuf(field(1, field(2, b"\x12\x00" * 5000)))
    assert len(decoded.rejected) == 5000
    assert decoded.rejected[999] == 'span "" (trace none, span none): trace id is missing'
    assert set(decoded.rejected[1000:]) == {"refused, not described"}


def test_names_from_outside_are_quoted_and_cut() -> None:
    decoded = decode_protobuf(traces(span("line\nbreak" + "x" * 10_000, span_id=b"")))
    name = '"line\\nbreak' + "x" * 69 + '…"'
    assert decoded.rejected == [f"span {name} (trace {TRACE_ID}, span none): span id is missing"]


def test_a_span_of_very_many_bad_keys_gets_a_few_notes() -> None:
    body = spoiled_text(traces(span(attributes={f"café {number}": 1 for number in range(5000)})))
    (received,) = spans_of(decode_protobuf(body))
    assert len(received.rest) == 5000
    assert len(received.repairs) == 20


@given(st.floats(), st.integers(-(1 << 63), (1 << 63) - 1))
def test_numbers_survive_mending(number: float, integer: int) -> None:
    sent = span("café", {"d": number, "i": integer}, start_time_unix_nano=START)
    (mended,) = spans_of(decode_protobuf(spoiled_text(traces(sent))))
    assert struct.pack("<d", mended.rest["d"]) == struct.pack("<d", number)
    assert mended.rest["i"] == integer
