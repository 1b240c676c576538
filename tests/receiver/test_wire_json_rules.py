"""OTLP/JSON: what the specification says, and what senders do instead."""

from __future__ import annotations

import math
from typing import Any

import pytest

from spanledger.errors import PayloadError
from spanledger.model.received import Signal
from tests.receiver.bodies import END, SPAN_ID, START, TRACE_ID, plain
from tests.receiver.decoding import (
    decode_json,
    json_attribute,
    json_span,
    json_traces,
    kept_spans,
    logs_of,
    spans_of,
)


def span_with(**fields: Any) -> Any:
    return spans_of(decode_json(json_traces(json_span(**fields))))[0]


@pytest.mark.parametrize(
    ("trace_id", "span_id"),
    [
        (TRACE_ID, SPAN_ID),
        (TRACE_ID.upper(), SPAN_ID.upper()),
        ("S/kvNXezTaajzpKdDg5HNg==", "APBnqgupArc="),
        ("S_kvNXezTaajzpKdDg5HNg", "APBnqgupArc"),
    ],
    ids=["hex", "upper-case", "base64", "url-safe base64 without padding"],
)
def test_ids_are_hex_or_tolerated_base64(trace_id: str, span_id: str) -> None:
    received = span_with(traceId=trace_id, spanId=span_id)
    assert (received.trace_id, received.span_id) == (TRACE_ID, SPAN_ID)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"spanId": "0" * 16}, f"(trace {TRACE_ID}, span {'0' * 16}): span id is all zeros"),
        ({"spanId": None}, f"(trace {TRACE_ID}, span none): span id is missing"),
        ({"spanId": "xyz"}, f'(trace {TRACE_ID}, span xyz): span id "xyz" is not 16 hex digits'),
        ({"traceId": 5}, f"(trace 5, span {SPAN_ID}): trace id: expected a string, found number"),
        ({"kind": "SPAN_KIND_BOSS"}, f'(trace {TRACE_ID}, span {SPAN_ID}): kind: "SPAN_KIND_BOSS" is not known'),
        (
            {"startTimeUnixNano": -1},
            f'(trace {TRACE_ID}, span {SPAN_ID}): startTimeUnixNano: "-1" is outside the range of its type',
        ),
        ({"attributes": "x"}, f"(trace {TRACE_ID}, span {SPAN_ID}): attributes: expected a list, found string"),
        (
            {"attributes": [{"key": "k", "value": {"intValue": "12x"}}]},
            f'(trace {TRACE_ID}, span {SPAN_ID}): k: "12x" is no number',
        ),
        (
            {"attributes": [{"key": "k", "value": {"intValue": str(1 << 63)}}]},
            f'(trace {TRACE_ID}, span {SPAN_ID}): k: "9223372036854775808" is outside the range of its type',
        ),
        (
            {"attributes": [{"key": "k", "value": {"bytesValue": "%"}}]},
            f'(trace {TRACE_ID}, span {SPAN_ID}): k: "%" is no base64',
        ),
    ],
)
def test_a_bad_span_is_refused_alone_and_named(fields: dict[str, Any], reason: str) -> None:
    decoded = decode_json(json_traces(json_span(name="good"), json_span(name="bad", **fields)))
    assert [kept.name for kept in kept_spans(decoded)] == ["good"]
    assert decoded.rejected == [f'span "bad" {reason}']


def test_a_span_that_is_no_object_is_refused_alone() -> None:
    decoded = decode_json(json_traces(json_span(), 7))
    assert len(decoded.items) == 1
    assert decoded.rejected == ['span "" (trace none, span none): expected an object, found number']


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (str(START), START),
        (START, START),
        ({"low": START & 0xFFFFFFFF, "high": START >> 32, "unsigned": True}, START),
        ({"low": (START & 0xFFFFFFFF) - (1 << 32), "high": START >> 32, "unsigned": False}, START),
        (1.76e18, 1_760_000_000_000_000_000),
        (1760000000123456789.0, 1_760_000_000_123_457_000),
        ("1760000000123", 1_760_000_000_123_000_000),
        (1_760_000_000_123_456, 1_760_000_000_123_456_000),
        (None, 0),
    ],
    ids=["string", "number", "Long", "signed Long", "double", "rounded double", "ms", "µs", "null"],
)
def test_times(start: Any, expected: int) -> None:
    assert span_with(startTimeUnixNano=start).start_ns == expected


@pytest.mark.parametrize("kind", [3, "3", "SPAN_KIND_CLIENT", "CLIENT", "client"])
def test_enumerations_are_numbers_or_names(kind: Any) -> None:
    received = span_with(kind=kind, status={"code": "STATUS_CODE_ERROR", "message": "no"})
    assert received.kind == 3
    assert (received.status_code, received.status_message) == (2, "no")


def test_field_names_may_be_snake_case() -> None:
    sent = {
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "parent_span_id": "b7ad6b7169203331",
        "name": "chat",
        "start_time_unix_nano": START,
        "end_time_unix_nano": END,
        "trace_state": "a=b",
        "dropped_attributes_count": 3,
        "attributes": [{"key": "k", "value": {"kvlist_value": {"values": [{"key": "a", "value": {"int_value": 1}}]}}}],
        "events": [{"name": "e", "time_unix_nano": START}],
    }
    (received,) = spans_of(decode_json({"resource_spans": [{"scope_spans": [{"spans": [sent]}]}]}))
    assert received.parent_span_id == "b7ad6b7169203331"
    assert (received.start_ns, received.end_ns) == (START, END)
    assert (received.trace_state, received.dropped_attributes) == ("a=b", 3)
    assert received.rest == {"k": {"a": 1}}
    assert received.events[0].time_ns == START


def test_unknown_fields_are_ignored_and_null_is_unset() -> None:
    received = span_with(
        later={"a": [1]}, attributes=None, events=None, links=None, status=None, kind=None, parentSpanId=None
    )
    assert (received.rest, received.events, received.links, received.kind) == ({}, [], [], 0)


def test_what_a_later_version_adds_costs_nothing_of_the_rest() -> None:
    attributes = [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}}, {"key": "k"}]
    spans = [json_span(attributes=attributes), json_span(attributes=attributes, later=1)]
    known, both = decode_json(json_traces(spans[0], spans[0])), decode_json(json_traces(*spans))
    assert plain(both.items) == plain(known.items)
    assert [received.rest for received in spans_of(both)] == [{"k": None}] * 2


@pytest.mark.parametrize("name", ["later", "trace_state"])
def test_a_name_that_the_specification_does_not_have_changes_no_other_span(name: str) -> None:
    odd = json_span(name="odd", **{name: "x=y"})
    decoded = decode_json(json_traces(json_span(name="first"), odd, json_span(name="bad", kind="BOSS"), json_span()))
    assert [received.name for received in kept_spans(decoded)] == ["first", "odd", "chat gpt-4o"]
    assert len(decoded.rejected) == 1


def test_of_a_repeated_member_the_last_wins() -> None:
    body = f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{TRACE_ID}","spanId":"{SPAN_ID}",'
    body += '"name":"first","name":"last"}]}]}]}'
    (received,) = spans_of(decode_json(body.encode()))
    assert received.name == "last"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "x"}, "x"),
        ({"boolValue": False}, False),
        ({"boolValue": "true"}, True),
        ({"intValue": "-5"}, -5),
        ({"intValue": 5}, 5),
        ({"intValue": 12.0}, 12),
        ({"intValue": "1e3"}, 1000),
        ({"intValue": {"low": -1, "high": -1, "unsigned": False}}, -1),
        ({"intValue": str((1 << 63) - 1)}, (1 << 63) - 1),
        ({"doubleValue": 5}, 5.0),
        ({"doubleValue": "1.5"}, 1.5),
        ({"doubleValue": "Infinity"}, math.inf),
        ({"doubleValue": "-Infinity"}, -math.inf),
        ({"bytesValue": "+/8="}, b"\xfb\xff"),
        ({"bytesValue": "-_8"}, b"\xfb\xff"),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {}, {"intValue": "1"}]}}, ["a", None, 1]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}}, {"a": True}),
        ({"kvlistValue": {}}, {}),
        ({}, None),
        (None, None),
        ({"stringValue": None}, None),
        ({"stringValueStrindex": 4}, None),
    ],
)
def test_attribute_values(value: Any, expected: Any) -> None:
    decoded = json_attribute(value)
    assert decoded == expected
    assert type(decoded) is type(expected)


@pytest.mark.parametrize("spelling", ['{"doubleValue":"NaN"}', '{"doubleValue":NaN}'])
def test_not_a_number_is_a_number(spelling: str) -> None:
    body = (
        f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{TRACE_ID}","spanId":"{SPAN_ID}",'
        f'"attributes":[{{"key":"k","value":{spelling}}}]}}]}}]}}]}}'
    )
    (received,) = spans_of(decode_json(body.encode()))
    assert math.isnan(received.rest["k"])


def test_attributes_may_be_a_plain_object() -> None:
    received = span_with(
        attributes={
            "gen_ai.request.model": "gpt-4o",
            "n": 1,
            "on": True,
            "list": ["a", {"b": None}],
            "v": {"intValue": 3},
        }
    )
    assert received.request_model == "gpt-4o"
    assert received.rest == {"n": 1, "on": True, "list": ["a", {"b": None}], "v": 3}


def test_a_value_may_be_plain_json() -> None:
    assert json_attribute("text") == "text"
    assert json_attribute({"a": [1, {"b": "c"}]}) == {"a": [1, {"b": "c"}]}


def test_lone_surrogates_are_replaced_and_noted() -> None:
    received = span_with(name="cut \ud83d", attributes=[{"key": "prompt", "value": {"stringValue": "a\ud83db"}}])
    assert received.name == "cut \ufffd"
    assert received.rest == {"prompt": "a\ufffdb"}
    assert received.repairs == ["invalid_utf8:name", "invalid_utf8:prompt"]


def test_only_spans_that_were_mended_say_so() -> None:
    decoded = decode_json(json_traces(json_span(name="whole 😀"), json_span(name="cut \udc00")))
    assert [received.repairs for received in spans_of(decoded)] == [[], ["invalid_utf8:name"]]


def test_bytes_that_are_no_utf8_are_replaced_and_noted() -> None:
    raw = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"host","value":{"stringValue":"caf\xc3"}}]},'
    raw += f'"scopeSpans":[{{"spans":[{{"traceId":"{TRACE_ID}","spanId":"{SPAN_ID}","name":"'.encode()
    raw += b'\xe2\x82x"}]}]}]}'
    (received,) = spans_of(decode_json(raw))
    assert received.name == "\ufffdx"
    assert received.resource.attributes == {"host": "caf\ufffd"}
    assert received.repairs == ["invalid_utf8:host", "invalid_utf8:name"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert decode_json(b"\xef\xbb\xbf{}").items == []


def test_names_of_severities() -> None:
    record = {"timeUnixNano": str(START), "severityNumber": "SEVERITY_NUMBER_WARN", "body": {"stringValue": "b"}}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    (received,) = logs_of(decode_json(body, Signal.LOGS))
    assert (received.severity_number, received.body) == (13, "b")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "malformed JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"resourceSpans":[', "malformed JSON: Expecting value: line 1 column 19 (char 18)"),
        (b"[]", "expected a JSON object with resourceSpans, found list"),
        (b'{"resourceSpans":{}}', "resourceSpans: expected a list, found object"),
        (b'{"resourceSpans":[{},1]}', "resourceSpans[1]: expected an object, found number"),
        (
            b'{"resourceSpans":[{"scopeSpans":[{"scope":{}},{"spans":{}}]}]}',
            "resourceSpans[0].scopeSpans[1].spans: expected a list, found object",
        ),
        (
            b'{"resourceSpans":[{},{"resource":7,"scopeSpans":[{"spans":[{}]}]}]}',
            "resourceSpans[1].resource: expected an object, found number",
        ),
        (
            b'{"resourceLogs":[]}',
            "the body holds resourceLogs, which go to /v1/logs; this is /v1/traces",
        ),
    ],
)
def test_a_body_that_is_no_request_is_refused_whole(body: bytes, message: str) -> None:
    with pytest.raises(PayloadError) as refused:
        decode_json(body)
    assert str(refused.value) == message
