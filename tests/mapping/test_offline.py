"""The public Python API: recorded payloads to records, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

import spanledger
from spanledger.errors import PayloadError
from tests.mapping.build import T0, run_id

TRACE, SPAN = bytes(15) + b"\x01", bytes(7) + b"\x01"


def traces(name: str = "chat gpt-4o", **attributes: str) -> bytes:
    """A request with one model call."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = TRACE, SPAN, name
    span.start_time_unix_nano, span.end_time_unix_nano = T0, T0 + 1
    for key, value in attributes.items():
        span.attributes.append(KeyValue(key=key.replace("__", "."), value=AnyValue(string_value=value)))
    return request.SerializeToString()


def logs() -> bytes:
    """A request with the user's message of that call."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.trace_id, record.span_id, record.event_name = TRACE, SPAN, "gen_ai.user.message"
    record.body.kvlist_value.values.append(KeyValue(key="content", value=AnyValue(string_value="Hi")))
    return request.SerializeToString()


def as_json(**attributes: str) -> dict[str, Any]:
    span = {
        "traceId": TRACE.hex(),
        "spanId": SPAN.hex(),
        "name": "chat gpt-4o",
        "startTimeUnixNano": str(T0),
        "endTimeUnixNano": str(T0 + 1),
        "attributes": [
            {"key": key.replace("__", "."), "value": {"stringValue": value}} for key, value in attributes.items()
        ],
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


HI = [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]


def test_bodies_in_protobuf() -> None:
    (record,) = spanledger.map_otlp(traces=[traces()], logs=[logs()])
    assert (record["record"], record["run_id"], record["type"]) == ("run", run_id(1), "llm")
    assert record["input"] == HI


def test_bodies_in_json() -> None:
    (record,) = spanledger.map_otlp(traces=[json.dumps(as_json()).encode()])
    assert record["run_id"] == run_id(1)


def test_another_project_has_other_ids() -> None:
    (record,) = spanledger.map_otlp(traces=[traces()], project_id="other")
    assert (record["project_id"], record["run_id"]) == ("other", run_id(1, project="other"))


def test_each_record_comes_once_in_its_last_state() -> None:
    records = spanledger.map_otlp(traces=[traces(), traces(user__id="u1")], logs=[logs(), logs()])
    assert [(record["user_id"], record["input"]) for record in records] == [("u1", HI)]


@pytest.mark.parametrize("length", [ord("{"), ord("[")])
def test_a_protobuf_request_whose_length_looks_like_a_bracket_is_protobuf(length: int, tmp_path: Path) -> None:
    """Its first byte is a newline, and JSON may start with one."""
    body = next(body for size in range(200) if (body := traces("chat " + "x" * size))[1] == length)
    (record,) = spanledger.map_otlp(traces=[body])
    (tmp_path / "request.pb").write_bytes(body)
    assert record["run_id"] == spanledger.map_files([tmp_path / "request.pb"])[0]["run_id"] == run_id(1)


def test_json_may_start_with_a_newline() -> None:
    assert len(spanledger.map_otlp(traces=[b"\n " + json.dumps(as_json()).encode()])) == 1


def test_files_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "traces-1.pb").write_bytes(traces())
    (tmp_path / "logs-1.pb").write_bytes(logs())
    (tmp_path / "traces-2.json").write_text(json.dumps(as_json(user__id="u1")))
    lines = [json.dumps(as_json(session__id="s1")), "", json.dumps(as_json())]
    (tmp_path / "export.jsonl").write_text("\n".join(lines))
    ingest = {"events": [{"event": "start", "type": "tool", "runId": "r1", "name": "get_weather"}]}
    (tmp_path / "ingest-1.json").write_text(json.dumps(ingest))
    names = ["traces-1.pb", "logs-1.pb", "traces-2.json", "export.jsonl", "ingest-1.json"]
    records = spanledger.map_files(tmp_path / name for name in names)
    by_kind = {record.get("type", record["record"]): record for record in records}
    assert set(by_kind) == {"llm", "thread", "tool"}
    assert (by_kind["llm"]["user_id"], by_kind["llm"]["session_id"], by_kind["llm"]["input"]) == ("u1", "s1", HI)


@pytest.mark.parametrize(
    "events", [{"events": {"event": "start", "type": "tool", "runId": "r"}}, [[{"event": "start"}]]]
)
def test_bodies_of_lunarys_ingest_in_all_their_shapes(events: Any, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps(events))
    assert isinstance(spanledger.map_files([tmp_path / "body.json"]), list)


def test_the_signal_is_read_from_the_content_where_the_name_does_not_tell(tmp_path: Path) -> None:
    (tmp_path / "a.pb").write_bytes(traces())
    (tmp_path / "b.pb").write_bytes(logs())
    assert spanledger.map_files([tmp_path / "a.pb", tmp_path / "b.pb"])[0]["input"] == HI


def test_a_file_that_is_no_payload_is_named(tmp_path: Path) -> None:
    path = tmp_path / "traces-1.pb"
    path.write_bytes(b"\xff\xff\xff\xff")
    with pytest.raises(PayloadError, match=r"traces-1\.pb"):
        spanledger.map_files([path])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spanledger.map_files([tmp_path / "traces-1.pb"])


def test_a_body_that_is_no_payload() -> None:
    with pytest.raises(PayloadError):
        spanledger.map_otlp(traces=[b"\xff\xff\xff\xff"])
