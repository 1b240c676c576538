"""Settings of the receiver `otlp`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from spanledger.receiver.settings import OtlpReceiverSettings


def load(protocols: Any) -> OtlpReceiverSettings:
    return OtlpReceiverSettings.model_validate({"protocols": protocols})


def test_a_protocol_that_is_only_named_has_defaults() -> None:
    protocols = load({"grpc": None, "http": None}).protocols
    assert protocols.grpc is not None
    assert protocols.http is not None
    assert protocols.grpc.endpoint == "localhost:4317"
    assert protocols.grpc.max_recv_msg_size_mib == 64
    assert protocols.http.endpoint == "localhost:4318"
    assert protocols.http.max_request_body_size == 64 * 1024 * 1024
    assert protocols.http.read_header_timeout == 10.0


def test_keys_of_the_collector_that_change_nothing_are_taken_and_told() -> None:
    protocols = load(
        {
            "grpc": {"include_metadata": True, "read_buffer_size": 524288, "middlewares": []},
            "http": {"write_timeout": "30s", "cors": {"allowed_headers": ["X-A"]}},
        }
    ).protocols
    assert protocols.grpc is not None
    assert protocols.http is not None
    assert list(protocols.grpc.without_effect()) == [
        "read_buffer_size has no effect; buffers have sizes of their own",
    ]
    assert list(protocols.http.without_effect()) == [
        "write_timeout has no effect; answers are a few hundred bytes",
        "cors has no effect without allowed_origins",
    ]


def test_middlewares_are_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="middlewares are not supported; take the key out"):
        load({"http": {"middlewares": [{"id": "limitermiddleware"}]}})


def test_a_protocol_that_is_not_named_is_off() -> None:
    assert load({"http": {}}).protocols.grpc is None


def test_the_collectors_keys_are_read() -> None:
    protocols = load(
        {
            "grpc": {
                "endpoint": "0.0.0.0:4317",
                "max_recv_msg_size_mib": 16,
                "max_concurrent_streams": 100,
                "keepalive": {
                    "server_parameters": {"max_connection_age": "5m", "max_connection_age_grace": "10s"},
                    "enforcement_policy": {"min_time": "10s", "permit_without_stream": True},
                },
            },
            "http": {
                "endpoint": ":4318",
                "max_request_body_size": 20971520,
                "traces_url_path": "traces",
                "compression_algorithms": ["gzip", ""],
                "cors": {"allowed_origins": ["https://*"], "allowed_headers": ["*"], "max_age": 7200},
                "read_timeout": "0",
                "idle_timeout": "1m30s",
                "keep_alives_enabled": False,
                "response_headers": {"X-A": "b"},
            },
        }
    ).protocols
    assert protocols.grpc is not None
    assert protocols.http is not None
    assert protocols.grpc.keepalive.server_parameters.max_connection_age == 300.0
    assert protocols.http.traces_url_path == "/traces"
    assert protocols.http.idle_timeout == 90.0
    assert protocols.http.read_timeout == 0.0


@pytest.mark.parametrize(
    ("protocols", "where"),
    [
        ({"grpc": {"endpont": "x:1"}}, ("protocols", "grpc", "endpont")),
        ({"htttp": {}}, ("protocols", "htttp")),
        ({"http": {"max_request_body_size": 0}}, ("protocols", "http", "max_request_body_size")),
        ({"http": {"compression_algorithms": ["br"]}}, ("protocols", "http", "compression_algorithms", 0)),
        ({"http": {"read_timeout": "-1s"}}, ("protocols", "http", "read_timeout")),
        ({}, ("protocols",)),
    ],
)
def test_a_mistake_is_found_where_it_is(protocols: Any, where: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        load(protocols)
    assert refused.value.errors()[0]["loc"] == where
