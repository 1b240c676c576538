"""A bad item is refused alone: 200, how many, and why. Its neighbours are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.otlp_client import JSON, PROTOBUF, Served, json_body
from tests.receiver.bodies import field, nested_arrays, raw_attribute, raw_traces, span, traces
from tests.receiver.decoding import json_span

AFTER = span("after").SerializeToString()


def next_to_good(spoiled: bytes) -> bytes:
    return raw_traces(spoiled, AFTER)


PROTOBUF_ITEMS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a trace id of the wrong length": (
        lambda: span("bad", trace_id=b"\x01" * 15).SerializeToString(),
        "trace id is 15 bytes long, expected 16",
    ),
    "a span id of the wrong length": (
        lambda: span("bad", span_id=b"\x01" * 9).SerializeToString(),
        "span id is 9 bytes long, expected 8",
    ),
    "no trace id": (lambda: span("bad", trace_id=b"").SerializeToString(), "trace id is missing"),
    "a value that is nested too deeply": (
        lambda: span("bad").SerializeToString() + raw_attribute(b"k", nested_arrays(65)),
        "the value of 'k' is nested more than 64 levels deep",
    ),
    "too many attributes": (
        lambda: span("bad").SerializeToString() + raw_attribute(b"k", field(5, b"\x0a\x00" * 1_000_001)),
        "holds more than 1000000 values",
    ),
}


@pytest.mark.parametrize("item", PROTOBUF_ITEMS)
async def test_in_protobuf_refused_alone_is(served: Served, item: str) -> None:
    make, reason = PROTOBUF_ITEMS[item]
    body = next_to_good(make())
    for answer in (await served.http(body), await served.grpc(body)):
        assert answer.code in (0, 200)
        assert answer.success.partial_success.rejected_spans == 1
        assert answer.success.partial_success.error_message.startswith('refused 1 of 2: span "bad" (trace ')
        assert answer.success.partial_success.error_message.endswith(reason)
    assert served.memory.names == ["after", "after"]


JSON_ITEMS: dict[str, tuple[dict[str, Any], str]] = {
    "an id that is no hex": ({"spanId": "xyz"}, 'span id "xyz" is not 16 hex digits'),
    "a name that no enumeration has": ({"kind": "SPAN_KIND_BOSS"}, 'kind: "SPAN_KIND_BOSS" is not known'),
    "a negative time": ({"startTimeUnixNano": "-1"}, 'startTimeUnixNano: "-1" is outside the range of its type'),
    "a time that is no number": ({"endTimeUnixNano": "noon"}, 'endTimeUnixNano: "noon" is no number'),
    "an integer beyond 64 bits": (
        {"attributes": [{"key": "k", "value": {"intValue": str(1 << 63)}}]},
        'k: "9223372036854775808" is outside the range of its type',
    ),
    "bytes that are no base64": (
        {"attributes": [{"key": "k", "value": {"bytesValue": "%"}}]},
        'k: "%" is no base64',
    ),
}


@pytest.mark.parametrize("item", JSON_ITEMS)
async def test_in_json_refused_alone_is(served: Served, item: str) -> None:
    fields, reason = JSON_ITEMS[item]
    answer = await served.http(json_body(json_span(name="good"), json_span(name="bad", **fields)), JSON)
    assert answer.code == 200
    assert answer.success.partial_success.rejected_spans == 1
    assert answer.success.partial_success.error_message.endswith(reason)
    assert served.memory.names == ["good"]


async def test_a_full_success_sets_no_partial_success(served: Served) -> None:
    assert (await served.http(traces(span()))).body == b""
    assert (await served.http(json_body(json_span()), JSON)).body == b"{}"
    assert (await served.grpc(traces(span()))).body == b""


@pytest.mark.parametrize(("media_type", "body"), [(PROTOBUF, b""), (JSON, b"{}")])
async def test_an_empty_request_succeeds(served: Served, media_type: str, body: bytes) -> None:
    answer = await served.http(body, media_type)
    assert (answer.code, answer.media_type, served.memory.received) == (200, media_type, [])


async def test_many_refused_items_fit_into_one_message(served: Served) -> None:
    answer = await served.http(traces(*[span("bad" * 50, span_id=b"")] * 5000))
    assert answer.success.partial_success.rejected_spans == 5000
    assert len(answer.success.partial_success.error_message.encode()) <= 4096


async def test_text_that_is_no_utf8_costs_nobody_anything(served: Served) -> None:
    body = traces(span("café")).replace(b"caf\xc3\xa9", b"caf\xc3\xc3")
    assert (await served.http(body)).body == b""
    assert served.memory.names == ["caf��"]
