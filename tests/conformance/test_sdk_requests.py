"""Requests as real SDKs sent them: recorded where there is a recording, else as their issues show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

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

# Fields as the exporters of other languages fill them in; no recordings.
JAVA = {
    "resource": "java",
    "scope": "io.opentelemetry.okhttp-3.0",
    "schema": "https://opentelemetry.io/schemas/1.24.0",
    "span": {"flags": 257, "status": {}, "kind": 3},
}
DOTNET = {"resource": "dotnet", "scope": "OpenAI.ChatClient", "span": {"flags": 257, "kind": 3, "trace_state": ""}}
RUST = {
    "resource": "rust",
    "scope": "genai",
    "span": {"flags": 1, "kind": 3, "dropped_attributes_count": 0, "status": {}},
}
PHP = {
    "resource": "php",
    "scope": "io.opentelemetry.contrib.php",
    "schema": "https://opentelemetry.io/schemas/1.36.0",
    "span": {"flags": 257, "kind": 3, "status": {"code": 0}},
}
RUBY = {
    "resource": "ruby",
    "scope": "OpenTelemetry::Instrumentation::Faraday",
    "span": {"kind": 3, "status": {"code": 0}, "parent_span_id": "AAAAAAAAAAA="},
}


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


@pytest.mark.parametrize("sdk", [JAVA, DOTNET, RUST, PHP, RUBY], ids=lambda sdk: sdk["resource"])
async def test_as_other_languages_write_protobuf(served: Served, sdk: dict[str, Any]) -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url=sdk.get("schema", ""))
    group.resource.attributes.add(key="telemetry.sdk.language").value.string_value = sdk["resource"]
    scope = group.scope_spans.add(schema_url=sdk.get("schema", ""))
    scope.scope.name = sdk["scope"]
    span = ParseDict(sdk["span"], scope.spans.add())
    span.trace_id, span.span_id = bytes.fromhex("5b8efff798038103d269b633813fc60c"), bytes.fromhex("eee19b7ec3c1b174")
    span.name = "chat"
    span.start_time_unix_nano, span.end_time_unix_nano = 1_760_000_000_000_000_000, 1_760_000_001_000_000_000
    answer = await served.http(request.SerializeToString(), PROTOBUF)
    assert (answer.code, answer.body) == (200, b"")
    (item,) = served.memory.received[0].items
    assert getattr(item, "span_id", None) == "eee19b7ec3c1b174"
    assert not getattr(item, "parent_span_id", None)
