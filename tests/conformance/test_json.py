"""What the JSON of senders may look like: the specification's rules, and the habits of real SDKs."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from spanledger.model.span import Span
from tests.conformance.otlp_client import JSON, Served, json_body
from tests.receiver.bodies import SPAN_ID, TRACE_ID
from tests.receiver.decoding import json_span


async def received(served: Served, body: bytes) -> Span:
    """The only span of a request that must be accepted in full."""
    answer = await served.http(body, JSON)
    assert (answer.code, answer.body) == (200, b"{}")
    item = served.memory.received[-1].items[0]
    assert isinstance(item, Span)
    return item


async def value(served: Served, given: Any) -> Any:
    """What a value of an attribute arrives as."""
    span = await received(served, json_body(json_span(attributes=[{"key": "k", "value": given}])))
    return span.rest["k"]


@pytest.mark.parametrize("case", [str.lower, str.upper])
async def test_ids_are_hex_in_any_case(served: Served, case: Any) -> None:
    span = await received(served, json_body(json_span(traceId=case(TRACE_ID), spanId=case(SPAN_ID))))
    assert (span.trace_id, span.span_id) == (TRACE_ID, SPAN_ID)


async def test_ids_in_base64_are_understood(served: Served) -> None:
    """opentelemetry-swift sent them so (its issue 537)."""
    span = await received(served, json_body(json_span(traceId="S/kvNXezTaajzpKdDg5HNg==", spanId="APBnqgupArc=")))
    assert (span.trace_id, span.span_id) == (TRACE_ID, SPAN_ID)


@pytest.mark.parametrize("given", ["1760000000000000001", 1760000000000000001])
async def test_64_bit_integers_are_text_or_numbers(served: Served, given: Any) -> None:
    span = await received(served, json_body(json_span(startTimeUnixNano=given)))
    assert span.start_ns == 1760000000000000001


@pytest.mark.parametrize("given", [3, "SPAN_KIND_CLIENT"])
async def test_enumerations_are_numbers_or_names(served: Served, given: Any) -> None:
    """Dart's SDK (dartastic, its issue 86) sent names."""
    assert (await received(served, json_body(json_span(kind=given)))).kind == 3


async def test_fields_may_be_in_snake_case(served: Served) -> None:
    body = {"resource_spans": [{"scope_spans": [{"spans": [{"trace_id": TRACE_ID, "span_id": SPAN_ID, "name": "n"}]}]}]}
    assert (await received(served, json.dumps(body).encode())).name == "n"


async def test_unknown_fields_are_ignored(served: Served) -> None:
    assert (await received(served, json_body(json_span(name="n", fromTheFuture={"a": [1]})))).name == "n"


async def test_null_is_unset(served: Served) -> None:
    span = await received(served, json_body(json_span(name="n", parentSpanId=None, attributes=None, status=None)))
    assert (span.name, span.parent_span_id) == ("n", None)


async def test_of_a_repeated_key_the_last_wins(served: Served) -> None:
    body = json_body(json_span(name="first")).replace(b'"name": "first"', b'"name": "first", "name": "last"')
    assert (await received(served, body)).name == "last"


async def test_surrogate_pairs_are_one_character(served: Served) -> None:
    body = json_body(json_span(name="X")).replace(b'"X"', b'"\\ud83d\\ude00"')
    assert (await received(served, body)).name == "😀"


async def test_half_of_a_surrogate_pair_is_replaced(served: Served) -> None:
    body = json_body(json_span(name="X")).replace(b'"X"', b'"\\ud83d"')
    assert (await received(served, body)).name == "�"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"intValue": str((1 << 63) - 1)}, (1 << 63) - 1),
        ({"intValue": -(1 << 63)}, -(1 << 63)),
        ({"doubleValue": 1e308}, 1e308),
        ({"doubleValue": "Infinity"}, math.inf),
        ({"doubleValue": "-Infinity"}, -math.inf),
        ({"bytesValue": "/+8="}, b"\xff\xef"),
        ({"bytesValue": "_-8"}, b"\xff\xef"),
        ({"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "two"}, {}]}}, [1, "two", None]),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}}, {"a": True}),
    ],
)
async def test_values_arrive_as_what_they_are(served: Served, given: Any, expected: Any) -> None:
    assert await value(served, given) == expected


async def test_not_a_number_is_one(served: Served) -> None:
    assert math.isnan(await value(served, {"doubleValue": "NaN"}))


async def test_a_number_of_very_many_digits_is_refused_quickly(served: Served) -> None:
    """Python's int() takes quadratic time for them."""
    body = json_body(json_span(startTimeUnixNano="X")).replace(b'"X"', b"9" * 1_000_000)
    answer = await served.http(body, JSON)
    assert answer.code == 400 or answer.success.partial_success.rejected_spans == 1
