"""Starting and stopping the receiver."""

from __future__ import annotations

import asyncio
import logging
import socket

import aiohttp
import grpc
import grpc.aio
import pytest
from google.rpc.status_pb2 import Status

from spanledger.errors import ConfigError
from spanledger.model.received import Signal
from spanledger.receiver.otlp import OtlpReceiver
from tests.receiver.bodies import span, traces
from tests.receiver.servers import TRACE_SERVICE, Memory, OneKey, raw_call, running, settings
from tests.receiver.tables import TABLE

HEADERS = {"Content-Type": "application/x-protobuf"}


async def post(address: str, body: bytes) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{address}/v1/traces", data=body, headers=HEADERS) as response,
    ):
        await response.read()
        return response.status


async def export(address: str, body: bytes) -> bytes:
    async with grpc.aio.insecure_channel(address) as channel:
        answer: bytes = await raw_call(channel, TRACE_SERVICE)(body)
        return answer


async def stopping(receiver: OtlpReceiver) -> asyncio.Task[None]:
    """A stop that has begun and waits for what is in flight."""
    task = asyncio.ensure_future(receiver.stop(grace_seconds=30))
    for _ in range(3):  # the task, the task of each server, and its first step
        await asyncio.sleep(0)
    return task


async def test_both_protocols_feed_one_intake() -> None:
    memory = Memory()
    async with running(settings(), memory) as receiver:
        assert receiver.http_address is not None
        assert receiver.grpc_address is not None
        assert await post(receiver.http_address, traces(span("over http"))) == 200
        assert await export(receiver.grpc_address, traces(span("over grpc"))) == b""
    assert memory.names == ["over http", "over grpc"]


async def test_only_named_protocols_are_served() -> None:
    async with running(settings(only="http"), Memory()) as receiver:
        assert receiver.grpc_address is None
        assert receiver.http_address is not None


async def test_signals_without_a_pipeline_are_not_served() -> None:
    only = frozenset({Signal.LOGS, Signal.METRICS})
    message = "no pipeline takes traces; service::pipelines names logs, metrics"
    async with running(settings(), Memory(), signals=only) as receiver, aiohttp.ClientSession() as session:
        assert receiver.grpc_address is not None
        async with session.post(f"http://{receiver.http_address}/v1/traces", headers=HEADERS) as response:
            assert response.status == 404
            assert Status.FromString(await response.read()) == Status(code=12, message=message)
        async with session.post(f"http://{receiver.http_address}/v1/logs", headers=HEADERS) as response:
            assert response.status == 200
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await export(receiver.grpc_address, traces(span()))
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, message)


async def test_localhost_is_listened_on() -> None:
    endpoints = {"endpoint": "localhost:0"}
    async with running(settings(grpc=endpoints, http=endpoints), Memory()) as receiver:
        assert receiver.http_address is not None
        assert receiver.grpc_address is not None
        port = receiver.http_address.rpartition(":")[2]
        assert await post(f"localhost:{port}", traces(span())) == 200
        assert await export(receiver.grpc_address, traces(span())) == b""


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_a_taken_port_is_said_and_nothing_stays_open(protocol: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        taking = {"endpoint": endpoint}
        configured = settings(grpc=taking) if protocol == "grpc" else settings(http=taking)
        receiver = OtlpReceiver(configured, TABLE, Memory())
        with pytest.raises(ConfigError, match=f"^cannot listen on {endpoint}: .*another process"):
            await receiver.start()


async def test_a_host_that_is_not_here_is_said() -> None:
    receiver = OtlpReceiver(settings(http={"endpoint": "192.0.2.1:0"}, only="http"), TABLE, Memory())
    with pytest.raises(ConfigError, match=r"^cannot listen on 192\.0\.2\.1:0: Cannot assign requested address$"):
        await receiver.start()


async def test_a_host_without_an_address_is_said() -> None:
    receiver = OtlpReceiver(settings(http={"endpoint": "nowhere.invalid:0"}, only="http"), TABLE, Memory())
    with pytest.raises(ConfigError, match=r"^cannot listen on nowhere\.invalid:0: "):
        await receiver.start()


async def test_listening_to_the_world_without_keys_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    world = settings(http={"endpoint": "0.0.0.0:0"}, only="http")
    with caplog.at_level(logging.WARNING):
        async with running(world, Memory()):
            pass
    assert "anyone who can reach 0.0.0.0:0 can send telemetry: no keys are configured" in caplog.text


@pytest.mark.parametrize("world", [True, False], ids=["with keys", "on loopback"])
async def test_nothing_else_is_warned_about(world: bool, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = "0.0.0.0:0" if world else "127.0.0.1:0"
    with caplog.at_level(logging.WARNING):
        async with running(settings(http={"endpoint": endpoint}, only="http"), Memory(), OneKey() if world else None):
            pass
    assert caplog.text == ""


async def test_stopping_finishes_what_is_in_flight() -> None:
    memory = Memory()
    memory.gate.clear()
    receiver = OtlpReceiver(settings(), TABLE, memory)
    await receiver.start()
    assert receiver.http_address is not None
    assert receiver.grpc_address is not None
    over_http = asyncio.ensure_future(post(receiver.http_address, traces(span("over http"))))
    await memory.entered.wait()
    memory.entered.clear()
    over_grpc = asyncio.ensure_future(export(receiver.grpc_address, traces(span("over grpc"))))
    await memory.entered.wait()

    stop = await stopping(receiver)
    with pytest.raises(aiohttp.ClientConnectorError):
        await post(receiver.http_address, traces(span("too late")))
    memory.gate.set()
    await stop
    assert await over_http == 200
    assert await over_grpc == b""
    assert sorted(memory.names) == ["over grpc", "over http"]


async def test_stopping_cuts_off_what_does_not_finish() -> None:
    memory = Memory()
    memory.gate.clear()
    receiver = OtlpReceiver(settings(), TABLE, memory)
    await receiver.start()
    assert receiver.http_address is not None
    assert receiver.grpc_address is not None
    over_http = asyncio.ensure_future(post(receiver.http_address, traces(span())))
    await memory.entered.wait()
    memory.entered.clear()
    over_grpc = asyncio.ensure_future(export(receiver.grpc_address, traces(span())))
    await memory.entered.wait()
    await receiver.stop(grace_seconds=0.05)
    with pytest.raises(aiohttp.ClientError):
        await over_http
    with pytest.raises(grpc.aio.AioRpcError):
        await over_grpc
    assert memory.received == []


async def test_open_connections_are_answered_once_more_while_stopping() -> None:
    memory = Memory()
    memory.gate.clear()
    receiver = OtlpReceiver(settings(only="http"), TABLE, memory)
    await receiver.start()
    assert receiver.http_address is not None
    host, _, port = receiver.http_address.rpartition(":")
    body = traces(span("in flight"))
    request = (
        f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: {len(body)}"
    )
    raw = request.encode() + b"\r\n\r\n" + body
    held_reader, held = await asyncio.open_connection(host, int(port))
    silent_reader, silent = await asyncio.open_connection(host, int(port))
    late_reader, late = await asyncio.open_connection(host, int(port))
    late.write(
        b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Type: application/x-protobuf\r\n\r\n"
    )
    assert (await late_reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    held.write(raw)
    await memory.entered.wait()
    stop = await stopping(receiver)
    late.write(raw.replace(b"in flight", b"at last 1"))
    silent.write(raw.replace(b"in flight", b"at last 2"))
    memory.gate.set()
    for reader, writer in ((held_reader, held), (late_reader, late), (silent_reader, silent)):
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")  # and no more: the connection is closed
        writer.close()
    await stop
    assert sorted(memory.names) == ["at last 1", "at last 2", "in flight"]
