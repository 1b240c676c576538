"""Requests as real SDKs sent them: recorded where there is a recording, else as their issues show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.otlp_client import JSON, PROTOBUF, Served

CORPUS = Path(__file__).parents[1] / "corpus"
RECORDED = sorted(path for path in CORPUS.glob("*/*-*.*") if path.name.split("-")[0] in ("traces", "logs", "metrics"))

BROWSER = """{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
{"key":"telemetry.sdk.language","value":{"stringValue":"webjs"}}],"droppedAttributesCount":0},"scopeSpans":[{"scope":
{"name":"fetch"},"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"chat",
"kind":3,"startTimeUnixNano":"1760000000000000000","endTimeUnixNano":"1760000001000000000","attributes":[{"key":
"gen_ai.usage.input_tokens","value":{"intValue":12}}],"droppedAttributesCount":0,"events":[],"droppedEventsCount":0,
"status":{"code":0},"links":[],"droppedLinksCount":0,"flags":257}]}]}]}"""
SWIFT = """{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"W47/95gDgQPSabYzgT/GDA==","spanId":"7uGbfsPBsXQ=",
"name":"chat","kind":"SPAN_KIND_CLIENT","startTimeUnixNano":"1760000000000000000","endTimeUnixNano":
"1760000001000000000"}]}]}]}"""
DART = """{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":[{"scope":{"name":"dartastic"},"spans":[{
"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"chat","kind":"SPAN_KIND_INTERNAL",
"startTimeUnixNano":"1760000000000000000","endTimeUnixNano":"1760000001000000000","status":{"code":"STATUS_CODE_OK"}}]}]
}]}"""
GO_COLLECTOR = """{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"traceId":
"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","parentSpanId":"","flags":1,"name":"chat","kind":3,
"startTimeUnixNano":"1760000000000000000","endTimeUnixNano":"1760000001000000000","status":{}}],"schemaUrl":
"https://opentelemetry.io/schemas/1.36.0"}]}]}"""
PYTHON_PRINTER = """{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"W47/95gDgQPSabYzgT/GDA==","span_id":
"7uGbfsPBsXQ=","name":"chat","kind":"SPAN_KIND_CLIENT","start_time_unix_nano":"1760000000000000000",
"end_time_unix_nano":"1760000001000000000"}]}]}]}"""


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.name}")
async def test_recorded(served: Served, path: Path) -> None:
    signal, media_type = path.name.split("-")[0], JSON if path.suffix == ".json" else PROTOBUF
    answer = await served.http(path.read_bytes(), media_type, path=f"/v1/{signal}")  # noqa: ASYNC240
    assert (answer.code, answer.body) == (200, b"{}" if media_type == JSON else b"")


@pytest.mark.parametrize(
    "body",
    [BROWSER, SWIFT, DART, GO_COLLECTOR, PYTHON_PRINTER],
    ids=["JavaScript in browsers", "Swift", "Dart", "Go's Collector", "Python's message printer"],
)
async def test_shown_in_issues(served: Served, body: str) -> None:
    answer = await served.http(body.encode(), f"{JSON}; charset=utf-8")
    assert (answer.code, answer.body) == (200, b"{}")
    (item,) = served.memory.received[0].items
    assert getattr(item, "trace_id", None) == "5b8efff798038103d269b633813fc60c"
    assert getattr(item, "span_id", None) == "eee19b7ec3c1b174"
    assert served.memory.names == ["chat"]
