"""Log records, from both encodings."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as LogRecordMessage
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from spanledger.model.received import Signal
from spanledger.model.span import LogRecord
from tests.receiver.bodies import END, SPAN_ID, START, TRACE_ID, any_value, log_record, logs
from tests.receiver.decoding import decode_json, decode_protobuf, logs_of


@pytest.fixture(params=["protobuf", "json"])
def decoded_log(request: pytest.FixtureRequest) -> Any:
    """Decodes one log record from one encoding; the JSON one has base64 ids, as protobuf prints them."""

    def decoded(record: LogRecordMessage) -> LogRecord:
        body = logs(record, resource={"service.name": "shop"})
        if request.param == "protobuf":
            return logs_of(decode_protobuf(body, Signal.LOGS))[0]
        return logs_of(decode_json(json_format.MessageToDict(LogsData.FromString(body)), Signal.LOGS))[0]

    return decoded


def test_every_field_of_a_log_record_arrives(decoded_log: Any) -> None:
    sent = log_record(
        "gen_ai.choice",
        {"gen_ai.system": "openai"},
        trace_id=bytes.fromhex(TRACE_ID),
        span_id=bytes.fromhex(SPAN_ID),
        observed_time_unix_nano=END,
        severity_number=9,
        severity_text="INFO",
        body=any_value({"index": 0, "message": {"role": "assistant", "content": "Hi"}}),
    )
    received = decoded_log(sent)
    assert (received.trace_id, received.span_id) == (TRACE_ID, SPAN_ID)
    assert (received.time_ns, received.observed_ns) == (START, END)
    assert (received.severity_number, received.severity_text) == (9, "INFO")
    assert received.event_name == "gen_ai.choice"
    assert received.body == {"index": 0, "message": {"role": "assistant", "content": "Hi"}}
    assert received.attributes == {"gen_ai.system": "openai"}
    assert received.resource.attributes == {"service.name": "shop"}
    assert received.repairs == []


def test_a_log_record_needs_no_ids(decoded_log: Any) -> None:
    received = decoded_log(log_record(body=any_value("text"), trace_id=bytes(16), span_id=bytes(8)))
    assert (received.trace_id, received.span_id, received.repairs) == ("", "", [])


def test_a_log_record_with_bad_ids_is_kept_without_them(decoded_log: Any) -> None:
    received = decoded_log(log_record(trace_id=b"\x01" * 16, span_id=b"\x02"))
    assert (received.trace_id, received.span_id) == ("01" * 16, "")
    assert len(received.repairs) == 1
    assert received.repairs[0].startswith("bad_span_id:")


def test_a_log_record_needs_no_time(decoded_log: Any) -> None:
    assert decoded_log(log_record(time_unix_nano=0, body=any_value("text"))).time_ns == 0
