"""Every value of the recorded payloads that holds messages is read, and nothing in it is unknown."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger.mapping import messages as m

CORPUS = pathlib.Path(__file__).parents[4] / "shared" / "corpus"

Attributes = dict[str, Any]


class Item(NamedTuple):
    """A span (`events` set) or a log record (`body` set), and the case that it is from."""

    case: str
    name: str
    attributes: Attributes
    events: list[tuple[str, Attributes]]
    body: Any


def plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def attributes_of(pairs: Any) -> Attributes:
    return {pair.key: plain(pair.value) for pair in pairs}


def plain_json(value: Any) -> Any:
    for kind, inner in (value or {}).items():
        if kind == "arrayValue":
            return [plain_json(item) for item in inner.get("values", [])]
        if kind == "kvlistValue":
            return {item["key"]: plain_json(item["value"]) for item in inner.get("values", [])}
        return int(inner) if kind == "intValue" else inner
    return None


def attributes_of_json(pairs: Any) -> Attributes:
    return {pair["key"]: plain_json(pair.get("value")) for pair in pairs or []}


def spans_of(case: str, path: pathlib.Path) -> Iterator[Item]:
    if path.suffix == ".pb":
        for resource in ExportTraceServiceRequest.FromString(path.read_bytes()).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    events = [(event.name, attributes_of(event.attributes)) for event in span.events]
                    yield Item(case, span.name, attributes_of(span.attributes), events, None)
        return
    for resource in json.loads(path.read_bytes())["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                events = [
                    (event["name"], attributes_of_json(event.get("attributes"))) for event in span.get("events", [])
                ]
                yield Item(case, span["name"], attributes_of_json(span.get("attributes")), events, None)


def logs_of(case: str, path: pathlib.Path) -> Iterator[Item]:
    if path.suffix == ".pb":
        for resource in ExportLogsServiceRequest.FromString(path.read_bytes()).resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    attributes = attributes_of(record.attributes)
                    name = record.event_name or str(attributes.get("event.name") or "")
                    yield Item(case, name, attributes, [], plain(record.body))
        return
    for resource in json.loads(path.read_bytes())["resourceLogs"]:
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                attributes = attributes_of_json(record.get("attributes"))
                name = record.get("eventName") or str(attributes.get("event.name") or "")
                yield Item(case, name, attributes, [], plain_json(record.get("body")))


class Recorded(NamedTuple):
    spans: list[Item]
    logs: list[Item]


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    if not CORPUS.is_dir():
        pytest.skip(f"the recorded payloads are not at {CORPUS.name}")
    spans: list[Item] = []
    logs: list[Item] = []
    for path in sorted(CORPUS.glob("*/*/*/*-*.*")):
        case = "/".join(path.parts[-4:-1])
        if path.name.startswith("traces"):
            spans += spans_of(case, path)
        elif path.name.startswith("logs"):
            logs += logs_of(case, path)
    return Recorded(spans, logs)


# What a case says on purpose, and why there is no message in it.
WITHOUT_MESSAGES = {
    "python/openlit/basic-no-content": "capture of content is off: empty lists",
    "js/openlit/openai-embed": "texts to embed",
}


def fault(found: list[dict[str, Any]]) -> str | None:
    if not found:
        return "no message"
    for message in found:
        if message["role"] not in ("system", "developer", "user", "assistant", "tool"):
            return f"role {message['role']!r}"
        for part in message["parts"]:
            if part["type"] == "generic":
                return f"generic {part['original_type']}"
            if part["type"] == "tool_call" and not part["name"]:
                return "call without a name"
    return None


def check(found: list[dict[str, Any]], item: Item, key: str, value: Any, faults: list[str]) -> None:
    what = fault(found)
    if what is not None and item.case not in WITHOUT_MESSAGES:
        faults.append(f"{item.case} {item.name}: {key}: {what} in {str(value)[:120]}")


@pytest.mark.parametrize(
    ("key", "role"),
    [
        ("gen_ai.input.messages", "user"),
        ("gen_ai.output.messages", "assistant"),
        ("pydantic_ai.all_messages", "user"),
        ("ai.prompt", "user"),
        ("ai.prompt.messages", "user"),
        ("mastra.agent_run.input", "user"),
        ("mastra.agent_run.output", "assistant"),
        ("mastra.model_generation.input", "user"),
        ("mastra.model_generation.output", "assistant"),
        ("mastra.model_step.input", "user"),
    ],
)
def test_attributes_that_hold_messages(recorded: Recorded, key: str, role: str) -> None:
    faults: list[str] = []
    seen = 0
    for item in (*recorded.spans, *recorded.logs):
        if key in item.attributes and item.attributes[key] not in ([], ""):
            seen += 1
            warnings: list[str] = []
            value = item.attributes[key]
            strict = key != "ai.prompt" and str(value)[:1] in "[{"  # {"prompt": "…"} alone is text
            found = m.parse_messages(value, default_role=role, warnings=warnings, key=key, strict=strict)
            check(found, item, key, value, faults)
            faults += warnings
    assert not faults
    assert seen > 10


@pytest.mark.parametrize(
    ("kind_key", "kind", "key", "role"),
    [
        ("openinference.span.kind", "LLM", "input.value", "user"),
        ("openinference.span.kind", "LLM", "output.value", "assistant"),
        ("langfuse.observation.type", "generation", "langfuse.observation.input", "user"),
        ("langfuse.observation.type", "generation", "langfuse.observation.output", "assistant"),
        ("langsmith.span.kind", "llm", "gen_ai.prompt", "user"),
        ("langsmith.span.kind", "llm", "gen_ai.completion", "assistant"),
    ],
)
def test_inputs_and_outputs_of_model_calls(recorded: Recorded, kind_key: str, kind: str, key: str, role: str) -> None:
    faults: list[str] = []
    seen = 0
    for item in recorded.spans:
        value = item.attributes.get(key)
        if item.attributes.get(kind_key) == kind and value:
            seen += 1
            check(m.parse_messages(value, default_role=role, warnings=[], key=key), item, key, value, faults)
    assert not faults
    assert seen > 10


@pytest.mark.parametrize(
    ("prefix", "role"),
    [
        ("gen_ai.prompt.", "user"),
        ("gen_ai.completion.", "assistant"),
        ("llm.input_messages.", "user"),
        ("llm.output_messages.", "assistant"),
    ],
)
def test_indexed_groups(recorded: Recorded, prefix: str, role: str) -> None:
    faults: list[str] = []
    seen = 0
    read = m.openinference_messages if prefix.startswith("llm.") else m.indexed_messages
    for item in recorded.spans:
        group = {
            key[len(prefix) :]: value
            for key, value in item.attributes.items()
            if re.match(re.escape(prefix) + r"\d", key)
        }
        if group:
            seen += 1
            check(read(group, default_role=role, warnings=[], key=prefix), item, prefix, group, faults)
    assert not faults
    assert seen > 10


def test_system_instructions(recorded: Recorded) -> None:
    faults: list[str] = []
    for item in (*recorded.spans, *recorded.logs):
        value = item.attributes.get("gen_ai.system_instructions")
        if value:
            check(m.parse_instructions(value, warnings=[], key="k"), item, "gen_ai.system_instructions", value, faults)
    assert not faults


def test_answers_of_the_vercel_ai_sdk(recorded: Recorded) -> None:
    faults: list[str] = []
    for item in recorded.spans:
        values = [
            item.attributes.get(f"ai.response.{name}", item.attributes.get(f"ai.result.{name}"))
            for name in ("text", "reasoning", "toolCalls", "object", "files")
        ]
        if any(values):
            check(m.vercel_response(*values, warnings=[]), item, "ai.response", values, faults)
    assert not faults


def test_events_and_log_records(recorded: Recorded) -> None:
    faults: list[str] = []
    seen = 0
    for item in (*recorded.spans, *recorded.logs):
        carriers = [(name, None, attributes) for name, attributes in item.events]
        for name, body, attributes in (*carriers, (item.name, item.body, item.attributes)):
            found = m.event_message(name, body, attributes, warnings=[])
            if found is not None:
                seen += 1
                if attributes.get("gen_ai.completion") != "None":  # OpenLIT 1.33 writes None for calls of tools
                    check(found[1], item, name, body or attributes, faults)
    assert not faults
    assert seen > 100


def test_pydantic_events(recorded: Recorded) -> None:
    faults: list[str] = []
    for item in recorded.spans:
        for key in ("events", "all_messages_events"):
            value = item.attributes.get(key)
            if value:
                given, answer = m.pydantic_events(value, warnings=[], key=key)
                check(given, item, key, value, faults)
                check(answer, item, key, value, faults)
    assert not faults


def test_request_and_response_data_of_logfire(recorded: Recorded) -> None:
    faults: list[str] = []
    for item in recorded.spans:
        request, response = item.attributes.get("request_data"), item.attributes.get("response_data")
        if request and "messages" in request:  # the newer integrations keep the parameters alone
            check(m.request_messages(request, warnings=[], key="k"), item, "request_data", request, faults)
        if response:
            check(m.response_messages(response, warnings=[], key="k"), item, "response_data", response, faults)
    assert not faults


def test_tool_definitions(recorded: Recorded) -> None:
    faults: list[str] = []
    seen = 0
    for item in (*recorded.spans, *recorded.logs):
        for key in ("gen_ai.tool.definitions", "ai.prompt.tools"):
            value = item.attributes.get(key)
            if value:
                seen += 1
                tools = m.tool_definitions(value, warnings=[], key=key)
                if not tools or any(tool["name"] in ("function", "") for tool in tools):
                    faults.append(f"{item.case}: {key}: {tools} from {str(value)[:120]}")
        for prefix in ("llm.tools.", "llm.request.functions."):
            group = {key[len(prefix) :]: value for key, value in item.attributes.items() if key.startswith(prefix)}
            tools = m.indexed_tool_definitions(group) if group else [{"name": "-"}]
            if not tools or any("parameters" not in tool for tool in tools if tool["name"] != "-"):
                faults.append(f"{item.case}: {prefix}: {tools} from {str(group)[:120]}")
    assert not faults
    assert seen > 100


def test_finish_reasons(recorded: Recorded) -> None:
    known = {"stop", "length", "tool_call", "content_filter", "error", "other", "success"}
    found = {
        reason
        for item in recorded.spans
        for key in (
            "gen_ai.response.finish_reasons",
            "ai.response.finishReason",
            "ai.finishReason",
            "llm.finish_reason",
        )
        for reason in m.finish_reasons(item.attributes.get(key))
    }

    assert found <= known


def test_messages_of_the_lunary_sdks() -> None:
    if not CORPUS.is_dir():
        pytest.skip(f"the recorded payloads are not at {CORPUS.name}")
    faults: list[str] = []
    seen = 0
    for path in sorted(CORPUS.glob("*/*/*/ingest-*.json")):
        for event in json.loads(path.read_bytes()).get("events", []):
            for key, role in (("input", "user"), ("output", "assistant")):
                if event.get("type") == "llm" and event.get(key):
                    seen += 1
                    found = m.parse_messages(event[key], default_role=role, warnings=[], key=key, strict=True)
                    item = Item("/".join(path.parts[-4:-1]), "llm", {}, [], None)
                    check(found, item, key, event[key], faults)
    assert not faults
    assert seen > 50
