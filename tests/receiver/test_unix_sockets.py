"""Listening on a socket in the file system."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import grpc.aio
import pytest
from pydantic import ValidationError

from spanledger.errors import ConfigError
from spanledger.receiver.otlp import OtlpReceiver
from spanledger.receiver.settings import GrpcSettings, HttpSettings
from tests.receiver.bodies import span, traces
from tests.receiver.servers import TRACE_SERVICE, Memory, raw_call, running, settings
from tests.receiver.tables import TABLE


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a short name: a socket's path has about a hundred bytes."""
    return tmp_path_factory.mktemp("s")


async def post(path: Path) -> int:
    headers = {"Content-Type": "application/x-protobuf"}
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.post("http://localhost/v1/traces", data=traces(span("over http")), headers=headers) as response,
    ):
        return response.status


async def test_both_protocols_listen_and_clean_up(folder: Path) -> None:
    grpc_path, http_path = folder / "grpc.sock", folder / "http.sock"
    memory = Memory()
    configured = settings(
        grpc={"transport": "unix", "endpoint": str(grpc_path)}, http={"transport": "unix", "endpoint": str(http_path)}
    )
    async with running(configured, memory) as receiver:
        assert (receiver.grpc_address, receiver.http_url) == (f"unix:{grpc_path}", f"unix:{http_path}")
        assert await post(http_path) == 200
        async with grpc.aio.insecure_channel(f"unix:{grpc_path}") as channel:
            assert await raw_call(channel, TRACE_SERVICE)(traces(span("over grpc"))) == b""
    assert memory.names == ["over http", "over grpc"]
    assert not any((grpc_path.exists(), http_path.exists()))


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_what_a_killed_process_left_is_replaced(folder: Path, protocol: str) -> None:
    path = folder / "left.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    endpoint = {"endpoint": f"unix:{path}"}
    configured = settings(grpc=endpoint, only="grpc") if protocol == "grpc" else settings(http=endpoint, only="http")
    async with running(configured, Memory()):
        await asyncio.to_thread(connect, path)


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_the_socket_of_another_process_is_left_alone(folder: Path, protocol: str) -> None:
    path = folder / "taken.sock"
    endpoint = {"endpoint": f"unix://{path}"}
    configured = settings(grpc=endpoint, only="grpc") if protocol == "grpc" else settings(http=endpoint, only="http")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        receiver = OtlpReceiver(configured, TABLE, Memory())
        with pytest.raises(ConfigError, match=f"^cannot listen on unix:{path}: another process listens there$"):
            await receiver.start()
        connect(path)


async def test_a_file_is_not_replaced(folder: Path) -> None:
    path = folder / "precious"
    path.write_text("data")
    receiver = OtlpReceiver(settings(http={"endpoint": f"unix:{path}"}, only="http"), TABLE, Memory())
    with pytest.raises(ConfigError, match=r"there is a file of this name$"):
        await receiver.start()
    assert path.read_text() == "data"


def test_the_ways_to_write_an_endpoint() -> None:
    for given in (
        {"transport": "unix", "endpoint": "/run/otlp.sock"},
        {"endpoint": "unix:/run/otlp.sock"},
        {"endpoint": "unix:///run/otlp.sock"},
    ):
        found = GrpcSettings.model_validate(given)
        assert (found.transport, found.endpoint) == ("unix", "unix:/run/otlp.sock")


def test_a_path_that_no_socket_can_have_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 100 bytes"):
        HttpSettings.model_validate({"endpoint": "unix:/" + "x" * 100})


def test_a_host_is_no_path() -> None:
    with pytest.raises(ValidationError, match="expected a path as endpoint with transport unix"):
        HttpSettings.model_validate({"transport": "tcp", "endpoint": "unix:/run/x"})
