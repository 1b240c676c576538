"""The hard cases of the conventions' list that concern the wire, by their number: from a body to runs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

import spanledger
from tests.mapping.build import T0

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def fact(key: str, value: Any, kind: str = "stringValue") -> dict[str, Any]:
    return {"key": key, "value": {kind: value}}


def chat(**fields: Any) -> dict[str, Any]:
    attributes = [
        fact("gen_ai.operation.name", "chat"),
        fact("gen_ai.request.model", "gpt-4o"),
        fact("gen_ai.usage.input_tokens", "56", "intValue"),
        fact("gen_ai.usage.output_tokens", "5", "intValue"),
    ]
    times = {"startTimeUnixNano": str(T0), "endTimeUnixNano": str(T0 + 1_000_000_000)}
    return {"traceId": TRACE, "spanId": SPAN, "name": "chat gpt-4o", **times, "attributes": attributes, **fields}


def runs(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    body = {"resourceSpans": [{"resource": resource or {}, "scopeSpans": [{"spans": list(spans)}]}]}
    return [record for record in spanledger.map_otlp([json.dumps(body).encode()]) if record["record"] == "run"]


def run(*spans: dict[str, Any]) -> dict[str, Any]:
    (found,) = runs(*spans)
    return found


def test_case_1_ids_in_base64_are_the_ids_in_hex() -> None:
    encoded = {
        "traceId": base64.b64encode(bytes.fromhex(TRACE)).decode(),
        "spanId": base64.b64encode(bytes.fromhex(SPAN)).decode(),
    }

    assert run(chat(**encoded))["run_id"] == run(chat())["run_id"]


@pytest.mark.parametrize("written", ["56", 56, {"low": 56, "high": 0, "unsigned": False}])
def test_case_2_integers_as_strings_as_numbers_and_as_long_objects(written: Any) -> None:
    span = chat()
    span["attributes"][2] = fact("gen_ai.usage.input_tokens", written, "intValue")

    assert run(span)["usage"]["input_tokens"] == 56


@pytest.mark.parametrize(("kind", "code"), [(3, 2), ("SPAN_KIND_CLIENT", "STATUS_CODE_ERROR")])
def test_case_3_enumerations_as_numbers_and_as_names(kind: Any, code: Any) -> None:
    found = run(chat(kind=kind, status={"code": code, "message": "no"}))

    assert (found["span_kind"], found["status"]) == ("client", "error")


def test_case_4_field_names_in_snake_case() -> None:
    span = chat()
    snake = {
        "trace_id": TRACE, "span_id": SPAN, "name": span["name"], "attributes": span["attributes"],
        "start_time_unix_nano": str(T0), "end_time_unix_nano": str(T0 + 1_000_000_000),
    }  # fmt: skip
    body = {"resource_spans": [{"scope_spans": [{"spans": [snake]}]}]}

    (found,) = spanledger.map_otlp([json.dumps(body).encode()])

    assert found == run(chat())


def test_case_5_attributes_as_a_plain_object() -> None:
    plain = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 56}

    found = run(chat(attributes=plain))

    assert (found["request_model"], found["usage"]["input_tokens"]) == ("gpt-4o", 56)


@pytest.mark.parametrize(
    ("start", "seen"),
    [
        (T0, T0),  # case 10: a number beyond 2^53 that the sender wrote whole
        (float(T0), T0),  # case 10: a double
        (T0 // 1_000_000, T0),  # case 11: milliseconds
        (T0 // 1_000, T0),  # case 11: microseconds
    ],
)
def test_case_10_and_11_times_that_are_doubles_or_of_another_unit(start: float, seen: int) -> None:
    expected = run(chat(startTimeUnixNano=str(seen)))["started_at"]

    assert run(chat(startTimeUnixNano=start))["started_at"] == expected


def test_case_13_bytes_that_are_no_utf8_spoil_no_more_than_themselves() -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = bytes.fromhex(TRACE), bytes.fromhex(SPAN), "chat"
    for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "gpt-QQ")):
        span.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    body = request.SerializeToString().replace(b"QQ", b"\xff\xfe")

    (found,) = spanledger.map_otlp([body])

    assert found["request_model"] == "gpt-\ufffd\ufffd"
    assert found["warnings"] == ["invalid_utf8:gen_ai.request.model"]


def test_case_14_a_nul_in_a_text_reaches_the_run() -> None:
    message = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "a\u0000b"}]}])
    span = chat()
    span["attributes"].append(fact("gen_ai.input.messages", message))

    assert run(span)["input"][0]["parts"][0]["content"].startswith("a")


def test_case_15_a_lone_surrogate_is_replaced() -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [chat(name="cut \ud83d")]}]}]}).encode()

    assert spanledger.map_otlp([body])[0]["span_name"] == "cut \ufffd"


def test_case_16_a_value_of_nothing_is_absent() -> None:
    span = chat()
    span["attributes"].append({"key": "user.id", "value": {}})

    assert run(span)["user_id"] is None


@pytest.mark.parametrize("field", ["traceId", "spanId"])
def test_case_26_an_id_of_zeros_costs_only_its_own_span(field: str) -> None:
    zeros = "0" * (32 if field == "traceId" else 16)

    assert [found["span_id"] for found in runs(chat(**{field: zeros}), chat())] == [SPAN]


def test_case_34_each_run_belongs_to_the_resource_that_sent_it() -> None:
    one, other = chat(), chat(spanId="00000000000000aa")
    bodies = {
        "resourceSpans": [
            {
                "resource": {"attributes": [fact("service.name", name)]},
                "scopeSpans": [{"spans": [span]}],
            }
            for name, span in (("shop", one), ("bank", other))
        ]
    }

    found = spanledger.map_otlp([json.dumps(bodies).encode()])

    assert {record["span_id"]: record["service_name"] for record in found} == {
        SPAN: "shop",
        "00000000000000aa": "bank",
    }
