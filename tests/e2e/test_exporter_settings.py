"""OpenTelemetry's own exporters with settings that are legal and seldom seen: each batch arrives once all the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from spanledger.errors import Overloaded
from tests.e2e.exporter_programs import PROGRAM, Refusing
from tests.receiver.certificates import Authority
from tests.receiver.servers import Memory, OneKey, running, settings

# The first of these tests may have to install what a program needs.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


async def sent(language: str, protocol: str, endpoint: str, *words: str, **environment: str) -> str:
    """What a program prints that sends one batch of three calls; `environment` without `OTEL_EXPORTER_OTLP_`."""
    given = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environment.items()}
    given["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol
    # Python's exporter over HTTP (1.45) takes these for its own certificate authority where they are set.
    given |= {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
    finished = await PROGRAM[language]().run("3", "3", "once", *words, otlp=endpoint, environment=given)
    return finished.stdout.strip()


@pytest.mark.parametrize(
    ("language", "protocol"), [("python", "grpc"), ("python", "http/protobuf"), ("js", "http/json"), ("go", "grpc")]
)
async def test_a_key_in_a_header_that_is_url_encoded(language: str, protocol: str) -> None:
    memory = Memory()
    async with running(settings(), memory, OneKey()) as receiver:
        address = receiver.grpc_address if protocol == "grpc" else receiver.http_address
        headers = "authorization=Bearer%20secret,x-team=a%2Cb%3Dc"
        assert await sent(language, protocol, f"http://{address}", HEADERS=headers) == "3"
    assert len(memory.names) == 3


@pytest.mark.parametrize(
    ("language", "protocol"),
    [("python", "grpc"), ("python", "http/protobuf"), ("js", "grpc"), ("go", "grpc"), ("go", "http/protobuf")],
)
async def test_a_client_certificate(language: str, protocol: str, tmp_path: Path) -> None:
    authority, memory = Authority(tmp_path), Memory()
    own = authority.issue("client")
    tls = {**authority.issue(), "client_ca_file": str(authority.file)}
    name = protocol.partition("/")[0]
    served: dict[str, Any] = {name: {"tls": tls}}
    async with running(settings(**served), memory) as receiver:
        address = receiver.grpc_address if name == "grpc" else receiver.http_address
        endpoint = f"https://localhost:{str(address).rpartition(':')[2]}"
        files = {"CLIENT_CERTIFICATE": own["cert_file"], "CLIENT_KEY": own["key_file"]}
        assert await sent(language, protocol, endpoint, CERTIFICATE=str(authority.file), **files) == "3"
    assert len(memory.names) == 3


@pytest.mark.parametrize(
    ("language", "protocol", "path"),
    [
        ("python", "http/protobuf", "/v1/otel/"),
        ("js", "http/protobuf", "/v1/otel/"),
        ("js", "http/json", "/"),
        ("go", "http/protobuf", "/v1/otel/"),
    ],
)
async def test_an_endpoint_with_a_path_and_a_slash_at_its_end(language: str, protocol: str, path: str) -> None:
    memory = Memory()
    async with running(settings(), memory) as receiver:
        assert await sent(language, protocol, f"http://{receiver.http_address}{path}") == "3"
    assert len(memory.names) == 3


@pytest.mark.parametrize("language", ["python", "js", "go"])
async def test_the_endpoint_of_a_signal_is_taken_as_it_stands(language: str) -> None:
    memory = Memory()
    async with running(settings(), memory) as receiver:
        own = f"http://{receiver.http_address}/v1/otel"
        assert await sent(language, "http/protobuf", "http://127.0.0.1:1", TRACES_ENDPOINT=own) == "3"
    assert len(memory.names) == 3


async def test_deflate() -> None:
    memory = Memory()
    async with running(settings(), memory) as receiver:
        assert await sent("python", "http/protobuf", f"http://{receiver.http_address}", COMPRESSION="deflate") == "3"
    assert len(memory.names) == 3


@pytest.mark.parametrize(
    ("language", "scheme"), [("python", ""), ("python", "dns:///"), ("js", ""), ("go", "")], ids=str
)
async def test_a_target_of_grpc_without_tls(language: str, scheme: str) -> None:
    memory = Memory()
    async with running(settings(), memory) as receiver:
        endpoint = f"{scheme}{str(receiver.grpc_address).replace('127.0.0.1', 'localhost')}"
        assert await sent(language, "grpc", endpoint, INSECURE="true") == "3"
    assert len(memory.names) == 3


@pytest.mark.parametrize("language", ["python", "go"])
async def test_a_socket_in_the_file_system(language: str, tmp_path: Path) -> None:
    memory = Memory()
    path = tmp_path / "otlp.sock"
    listening: dict[str, Any] = {"transport": "unix", "endpoint": str(path)}
    async with running(settings(grpc=listening), memory):
        assert await sent(language, "grpc", f"unix://{path}", INSECURE="true") == "3"
    assert len(memory.names) == 3


@pytest.mark.parametrize(
    ("language", "protocol", "patience"),
    [("python", "http/protobuf", "1"), ("python", "grpc", "1"), ("js", "http/json", "1000"), ("go", "grpc", "1000")],
)
async def test_who_does_not_wait_for_the_answer_harms_nobody_else(language: str, protocol: str, patience: str) -> None:
    memory = Memory()
    memory.gate.clear()
    async with running(settings(), memory) as receiver:
        address = receiver.grpc_address if protocol == "grpc" else receiver.http_address
        assert await sent(language, protocol, f"http://{address}", TIMEOUT=patience) == "given up"
        memory.gate.set()
        assert await sent(language, protocol, f"http://{address}") == "3"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_an_exporter_that_is_told_to_repeat_nothing(protocol: str) -> None:
    intake = Refusing(Overloaded("full", 0.1), times=1)
    async with running(settings(), intake) as receiver:
        address = receiver.grpc_address if protocol == "grpc" else receiver.http_address
        assert await sent("go", protocol, f"http://{address}", "no-retry") == "given up"
    assert len(intake.asked) == 1


@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
async def test_more_batches_at_once_than_the_exporter_sends(protocol: str) -> None:
    memory = Memory()
    async with running(settings(), memory) as receiver:
        given: Mapping[str, str] = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        endpoint = f"http://{receiver.http_address}"
        finished = await PROGRAM["js"]().run("60", "3", "together", otlp=endpoint, environment=given)
    assert finished.stdout.strip() == "60"
    assert "not acknowledged" in finished.stderr  # four are sent at once, and the exporter itself refuses the others
    assert len(memory.names) == 60
