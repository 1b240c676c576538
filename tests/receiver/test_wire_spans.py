"""Spans from OTLP/protobuf."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from tests.receiver.bodies import END, SPAN_ID, START, TRACE_ID, field, pairs, raw_traces, span, traces
from tests.receiver.decoding import decode_protobuf, kept_spans, spans_of


def test_every_field_of_a_span_arrives() -> None:
    sent = span(
        "chat gpt-4o",
        parent_span_id=bytes.fromhex("b7ad6b7169203331"),
        kind=Span.SPAN_KIND_CLIENT,
        trace_state="vendor=1",
        dropped_attributes_count=7,
        status=Status(code=Status.STATUS_CODE_ERROR, message="rate limited"),
    )
    (received,) = spans_of(decode_protobuf(traces(sent)))
    assert received.trace_id == TRACE_ID
    assert received.span_id == SPAN_ID
    assert received.parent_span_id == "b7ad6b7169203331"
    assert received.name == "chat gpt-4o"
    assert received.kind == 3
    assert received.trace_state == "vendor=1"
    assert received.dropped_attributes == 7
    assert (received.start_ns, received.end_ns) == (START, END)
    assert (received.status_code, received.status_message) == (2, "rate limited")
    assert received.repairs == []


def test_the_key_table_distributes_the_attributes() -> None:
    sent = span(
        attributes={
            "llm.model_name": "gpt-4o",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Hi",
            "http.route": "/chat",
        }
    )
    (received,) = spans_of(decode_protobuf(traces(sent)))
    assert received.request_model == "gpt-4o"
    assert received.prompts == {"0.role": "user", "0.content": "Hi"}
    assert received.rest == {"http.route": "/chat"}


def test_values_keep_their_types() -> None:
    attributes = {
        "text": "äöü 😀",
        "empty": "",
        "yes": True,
        "no": False,
        "zero": 0,
        "least": -(1 << 63),
        "most": (1 << 63) - 1,
        "half": 0.5,
        "nothing": None,
        "raw": b"\x00\xff",
        "list": ["a", 1, None, [True]],
        "map": {"a": {"b": [1.5]}},
    }
    (received,) = spans_of(decode_protobuf(traces(span(attributes=attributes))))
    assert received.rest == attributes
    assert received.rest["yes"] is True
    assert received.rest["no"] is False


def test_events_and_links_arrive() -> None:
    event = Span.Event(name="exception", time_unix_nano=START, attributes=pairs({"exception.type": "E"}))
    link = Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, attributes=pairs({"why": "retry"}))
    (received,) = spans_of(decode_protobuf(traces(span(events=[event], links=[link]))))
    assert [(e.name, e.time_ns, e.attributes) for e in received.events] == [
        ("exception", START, {"exception.type": "E"})
    ]
    assert [(li.trace_id, li.span_id, li.attributes) for li in received.links] == [
        ("01" * 16, "02" * 8, {"why": "retry"})
    ]


def test_spans_of_a_group_share_resource_and_scope() -> None:
    body = traces(
        span("a"), span("b", span_id=b"\x01" * 8), resource={"service.name": "shop"}, scope="opentelemetry.openai"
    )
    first, second = spans_of(decode_protobuf(body))
    assert first.resource is second.resource
    assert first.scope is second.scope
    assert first.resource.attributes == {"service.name": "shop"}
    assert first.scope.name == "opentelemetry.openai"


def test_groups_keep_their_own_resources() -> None:
    body = traces(span(), resource={"service.name": "a"}) + traces(span(), resource={"service.name": "b"})
    names = [received.resource.attributes["service.name"] for received in spans_of(decode_protobuf(body))]
    assert names == ["a", "b"]


def test_an_empty_request_has_no_items() -> None:
    decoded = decode_protobuf(b"")
    assert (decoded.items, decoded.rejected) == ([], [])


def test_unknown_fields_are_skipped() -> None:
    group = b"\x9b\x06" + field(1, b"x") + b"\x08\x01" + b"\x9c\x06"  # field 99 as a group of two fields
    raw = span().SerializeToString() + field(2000, b"later") + b"\xf8\x3f\x01" + group
    (received,) = spans_of(decode_protobuf(raw_traces(raw) + field(77, b"later")))
    assert received.name == "chat gpt-4o"


def test_a_resource_in_two_pieces_is_merged() -> None:
    resources = field(1, field(1, pairs({"a": "1"})[0])) + field(1, field(1, pairs({"b": "2"})[0]))
    body = field(1, resources + field(2, field(2, span())))
    (received,) = spans_of(decode_protobuf(body))
    assert received.resource.attributes == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        (
            {"span_id": bytes(8)},
            "(trace 4bf92f3577b34da6a3ce929d0e0e4736, span 0000000000000000): span id is all zeros",
        ),
        ({"span_id": b""}, "(trace 4bf92f3577b34da6a3ce929d0e0e4736, span none): span id is missing"),
        ({"trace_id": bytes(16)}, f"(trace {'00' * 16}, span 00f067aa0ba902b7): trace id is all zeros"),
        (
            {"trace_id": b"\x01" * 7},
            f"(trace {'01' * 7}, span 00f067aa0ba902b7): trace id is 7 bytes long, expected 16",
        ),
    ],
)
def test_a_span_with_a_bad_id_is_refused_alone_and_named(spoiled: dict[str, Any], reason: str) -> None:
    decoded = decode_protobuf(traces(span("good"), span("bad", **spoiled), span("good too")))
    assert [kept.name for kept in kept_spans(decoded)] == ["good", "good too"]
    assert decoded.rejected == [f'span "bad" {reason}']


@pytest.mark.parametrize("parent", [bytes(8), bytes.fromhex(SPAN_ID), b""], ids=["zero", "itself", "none"])
def test_a_parent_that_is_none_makes_a_root(parent: bytes) -> None:
    (received,) = spans_of(decode_protobuf(traces(span(parent_span_id=parent))))
    assert received.parent_span_id is None
    assert received.repairs == []


def test_a_parent_of_the_wrong_length_makes_a_root_with_a_note() -> None:
    (received,) = spans_of(decode_protobuf(traces(span(parent_span_id=b"\x01\x02"))))
    assert received.parent_span_id is None
    assert received.repairs == ["bad_parent_span_id:0102"]


def test_a_kind_of_a_later_protocol_version_is_noted() -> None:
    data = TracesData.FromString(traces(span()))
    raw = data.resource_spans[0].scope_spans[0].spans[0].SerializeToString() + b"\x30\x63"  # kind = 99
    (received,) = spans_of(decode_protobuf(raw_traces(raw)))
    assert received.kind == 0
    assert received.repairs == ["unknown_kind:99"]


def test_milliseconds_and_microseconds_become_nanoseconds() -> None:
    sent = span(start_time_unix_nano=1_760_000_000_123, end_time_unix_nano=1_760_000_000_123_456)
    (received,) = spans_of(decode_protobuf(traces(sent)))
    assert received.start_ns == 1_760_000_000_123_000_000
    assert received.end_ns == 1_760_000_000_123_456_000
    assert received.repairs == ["timestamp_unit"]


def test_absent_times_stay_absent() -> None:
    (received,) = spans_of(decode_protobuf(traces(span(start_time_unix_nano=0, end_time_unix_nano=0))))
    assert (received.start_ns, received.end_ns) == (0, 0)
    assert received.repairs == []


def test_decoding_again_gives_the_same() -> None:
    body = traces(span("a", {"x": 1}), span("b", span_id=b""))
    assert decode_protobuf(body).rejected == decode_protobuf(body).rejected
    assert kept_spans(decode_protobuf(body))[0].rest == kept_spans(decode_protobuf(body))[0].rest
