"""The messages that a body becomes."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.exporters.kafka.messages import Message, messages_of
from spanledger.exporters.kafka.settings import KafkaExporterSettings
from spanledger.model.received import Signal, Telemetry
from tests.receiver import bodies

ONE, TWO = b"\x01" * 16, b"\x02" * 16


def settings(**keys: Any) -> KafkaExporterSettings:
    return KafkaExporterSettings.model_validate(keys)


def traces(*spans: tuple[str, bytes]) -> Telemetry:
    made = [bodies.span(name, trace_id=trace_id) for name, trace_id in spans]
    return Telemetry("acme", Signal.TRACES, bodies.traces(*made, resource={"service.name": "shop"}))


def spans_of(message: Message) -> list[str]:
    request = ExportTraceServiceRequest.FromString(message.value)
    return [span.name for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


def test_a_body_is_a_message_as_it_is() -> None:
    telemetry = traces(("a", ONE), ("b", TWO))
    assert messages_of(telemetry, settings()) == [Message(None, telemetry.body)]


def test_a_trace_is_a_message_with_its_id_as_key() -> None:
    found = messages_of(traces(("a", ONE), ("b", TWO), ("c", ONE)), settings(partition_traces_by_id=True))
    assert [(one.key, spans_of(one)) for one in found] == [(b"01" * 16, ["a", "c"]), (b"02" * 16, ["b"])]
    request = ExportTraceServiceRequest.FromString(found[0].value)
    assert [len(request.resource_spans), len(request.resource_spans[0].scope_spans)] == [1, 1]
    assert request.resource_spans[0].resource.attributes[0].value.string_value == "shop"


def test_what_is_too_large_is_cut() -> None:
    telemetry = traces(*((name, ONE) for name in "abcd"))
    limit = len(telemetry.body) * 2 // 3
    found = messages_of(telemetry, settings(producer={"max_message_bytes": limit}))
    assert [spans_of(one) for one in found] == [["a", "b"], ["c", "d"]]


def test_an_item_that_is_too_large_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match=r"a single item of .* bytes is more than max_message_bytes"):
        messages_of(traces(("a", ONE)), settings(producer={"max_message_bytes": 10}))


def test_resources_are_keyed_by_their_attributes() -> None:
    def logs(*attributes: dict[str, object]) -> Telemetry:
        body = b"".join(bodies.logs(bodies.log_record("e"), resource=one) for one in attributes)
        return Telemetry("acme", Signal.LOGS, body)

    by_resource = settings(partition_logs_by_resource_attributes=True)
    shop: dict[str, object] = {"service.name": "shop", "zone": "a"}
    till: dict[str, object] = {"service.name": "till"}
    first = messages_of(logs(shop, till), by_resource)
    again = messages_of(logs({"zone": "a", "service.name": "shop"}), by_resource)
    assert first[0].key == again[0].key
    assert first[0].key != first[1].key


@pytest.mark.parametrize(
    ("keys", "topic", "encoding"),
    [
        ({}, "otlp_spans", "otlp_proto"),
        ({"topic": "old", "encoding": "otlp_json"}, "old", "otlp_json"),
        (
            {"topic": "old", "encoding": "otlp_json", "traces": {"topic": "new", "encoding": "otlp_proto"}},
            "new",
            "otlp_proto",
        ),
    ],
)
def test_topics_and_encodings(keys: dict[str, Any], topic: str, encoding: str) -> None:
    found = settings(**keys)
    assert (found.topic_of(Signal.TRACES), found.encoding_of(Signal.TRACES)) == (topic, encoding)


@pytest.mark.parametrize(("given", "expected"), [(0, "none"), (1, "leader"), (-1, "all"), ("all", "all")])
def test_acks_as_numbers(given: object, expected: str) -> None:
    assert settings(producer={"required_acks": given}).producer.required_acks == expected


def test_brokers_may_be_one_text() -> None:
    assert settings(brokers="one:9092, two:9092").brokers == ("one:9092", "two:9092")


def test_options_of_the_client() -> None:
    given = settings(auth={"sasl": {"username": "me", "password": "secret", "mechanism": "SCRAM-SHA-512"}}, tls={})
    options = given.options()
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert "ssl_context" in options
    assert settings(tls={"insecure": True}).options()["security_protocol"] == "PLAINTEXT"
    assert "secret" not in repr(given)
