"""What clients do below HTTP: slow, broken, half, many at once. Raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from spanledger.access.authenticator import Authenticator
from tests.receiver.bodies import span, traces
from tests.receiver.servers import Memory, OneKey, running, settings


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, memory: Memory) -> None:
        self.reader = reader
        self.writer = writer
        self.memory = memory

    async def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        return await self.reader.read()

    async def answer(self) -> tuple[str, dict[str, str], bytes]:
        """Status line, headers and body of one response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return head[0], headers, await self.reader.readexactly(int(headers.get("content-length", "0")))


@asynccontextmanager
async def connected(
    http: Mapping[str, Any] | None = None, authenticator: Authenticator | None = None
) -> AsyncIterator[Connection]:
    memory = Memory()
    async with running(settings(http=http, only="http"), memory, authenticator) as receiver:
        assert receiver.http_address is not None
        host, _, port = receiver.http_address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            yield Connection(reader, writer, memory)
        finally:
            writer.close()


def head(length: int | None, *more: str, path: str = "/v1/traces") -> str:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/x-protobuf", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join(lines) + "\r\n\r\n"


async def test_a_head_that_does_not_end_closes_the_connection() -> None:
    async with connected({"read_header_timeout": "100ms"}) as connection:
        await connection.send("POST /v1/traces HTTP/1.1\r\nHost: x\r\n")
        assert await connection.rest() == b""


async def test_the_second_head_of_a_connection_must_end_too() -> None:
    async with connected({"read_header_timeout": "1s"}) as connection:
        await connection.send(head(0))
        assert (await connection.answer())[0] == "HTTP/1.1 200 OK"
        await connection.send("POST ")
        assert await connection.rest() == b""


async def test_a_sender_that_hangs_up_in_its_body_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async with running(settings(only="http"), Memory()) as receiver:
        assert receiver.http_address is not None
        host, _, port = receiver.http_address.rpartition(":")
        _, gone = await asyncio.open_connection(host, int(port))
        gone.write((head(500) + "half").encode())
        await gone.drain()
        gone.close()
        await gone.wait_closed()
        reader, writer = await asyncio.open_connection(host, int(port))
        await Connection(reader, writer, Memory()).send(head(0))
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert caplog.records == []


async def test_a_connection_without_a_request_is_closed() -> None:
    async with connected({"idle_timeout": "100ms"}) as connection:
        assert await connection.rest() == b""


async def test_a_connection_is_closed_when_no_further_request_comes() -> None:
    async with connected({"idle_timeout": "1s"}) as connection:
        await connection.send(head(0))
        assert (await connection.answer())[0] == "HTTP/1.1 200 OK"
        assert await connection.rest() == b""


@pytest.mark.parametrize("limit", ["body_idle_timeout", "read_timeout"])
async def test_a_body_that_does_not_come_is_to_be_sent_again(limit: str) -> None:
    async with connected({limit: "100ms"}) as connection:
        await connection.send(head(1000) + "x")
        status, headers, _ = await connection.answer()
        assert status == "HTTP/1.1 503 Service Unavailable"
        assert headers["retry-after"] == "1"
        assert connection.memory.received == []


async def test_a_slow_body_is_accepted_while_it_moves() -> None:
    body = traces(span("slow"))
    async with connected() as connection:
        await connection.send(head(len(body)))
        for byte in body:
            await connection.send(bytes([byte]))
        assert (await connection.answer())[0] == "HTTP/1.1 200 OK"
        assert connection.memory.names == ["slow"]


async def test_requests_of_one_connection_are_answered_in_order() -> None:
    good, bad = traces(span("first")), b"\x0a\x05"
    async with connected() as connection:
        await connection.send(head(len(good)).encode() + good + head(len(bad)).encode() + bad + head(0).encode())
        statuses = [(await connection.answer())[0] for _ in range(3)]
        assert statuses == ["HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request", "HTTP/1.1 200 OK"]


async def test_a_sender_that_goes_away_mid_body_leaves_nothing() -> None:
    async with connected() as connection:
        await connection.send(head(1000) + "x")
        connection.writer.transport.abort()
    assert connection.memory.received == []


async def test_a_sender_that_goes_away_before_its_answer_harms_nobody() -> None:
    body = traces(span("orphan"))
    async with connected() as connection:
        connection.memory.gate.clear()
        await connection.send(head(len(body)).encode() + body)
        await connection.memory.entered.wait()
        connection.writer.transport.abort()
    assert connection.memory.names == ["orphan"]


MEBIBYTE = 1 << 20
SMALL = {"max_in_flight_mib": 1}


@asynccontextmanager
async def two_connected(http: Mapping[str, Any]) -> AsyncIterator[tuple[Connection, Connection]]:
    memory = Memory()
    async with running(settings(http=http, only="http"), memory) as receiver:
        assert receiver.http_address is not None
        host, _, port = receiver.http_address.rpartition(":")
        first, second = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        try:
            yield Connection(*first, memory), Connection(*second, memory)
        finally:
            first[1].close()
            second[1].close()


async def began(connection: Connection) -> None:
    """Wait until the server reads the body of a request that was sent with `Expect`."""
    assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_a_body_without_room_is_refused_before_it_is_sent() -> None:
    async with two_connected(SMALL) as (first, second):
        await first.send(head(MEBIBYTE, "Expect: 100-continue"))
        await began(first)
        await second.send(head(1000, "Expect: 100-continue"))
        status, headers, _ = await second.answer()
        assert status == "HTTP/1.1 503 Service Unavailable"
        assert headers["retry-after"] == "1"


async def test_room_comes_back_when_a_sender_goes_away() -> None:
    async with two_connected(SMALL) as (first, second):
        await first.send(head(MEBIBYTE, "Expect: 100-continue"))
        await began(first)
        first.writer.transport.abort()
        while True:
            await second.send(head(0) if second.memory.received else head(1000, "Expect: 100-continue"))
            line = await second.reader.readuntil(b"\r\n")
            if line == b"HTTP/1.1 100 Continue\r\n":
                break
            assert line == b"HTTP/1.1 503 Service Unavailable\r\n"
            second.writer.close()
            host, port = second.writer.get_extra_info("peername")
            second.reader, second.writer = await asyncio.open_connection(host, port)
        second.writer.close()


async def test_a_chunked_body_is_refused_when_it_outgrows_the_room() -> None:
    async with two_connected(SMALL) as (first, second):
        await first.send(head(MEBIBYTE - 10, "Expect: 100-continue"))
        await began(first)
        await second.send(head(None, "Transfer-Encoding: chunked") + "14\r\n" + "x" * 20 + "\r\n")
        assert (await second.answer())[0] == "HTTP/1.1 503 Service Unavailable"


async def test_a_body_is_refused_when_it_outgrows_the_room_decompressed() -> None:
    body = gzip.compress(bytes(MEBIBYTE))
    async with two_connected(SMALL) as (first, second):
        await first.send(head(MEBIBYTE // 2, "Expect: 100-continue"))
        await began(first)
        await second.send(head(len(body), "Content-Encoding: gzip").encode() + body)
        assert (await second.answer())[0] == "HTTP/1.1 503 Service Unavailable"


async def test_an_answered_request_takes_no_room() -> None:
    body = traces(span("large", {"text": "x" * 600_000}))
    async with connected(SMALL) as connection:
        for _ in range(5):
            await connection.send(head(len(body)).encode() + body)
            assert (await connection.answer())[0] == "HTTP/1.1 200 OK"


async def test_a_head_that_is_too_large_is_a_431() -> None:
    async with connected() as connection:
        await connection.send(head(0, "X-Large: " + "x" * 20_000))
        status, headers, _ = await connection.answer()
        assert status.endswith(" 431 Request Header Fields Too Large")
        assert headers["server"].startswith("spanledger/")


async def test_too_many_headers_are_a_431() -> None:
    async with connected() as connection:
        await connection.send(head(0, *(f"X-{number}: x" for number in range(300))))
        assert (await connection.answer())[0].endswith(" 431 Request Header Fields Too Large")


async def test_over_the_bound_of_connections_the_longest_idle_goes() -> None:
    async with two_connected({"max_connections": 2}) as (first, second):
        await second.send(head(0))
        assert (await second.answer())[0] == "HTTP/1.1 200 OK"
        host, port = second.writer.get_extra_info("peername")
        reader, writer = await asyncio.open_connection(host, port)
        third = Connection(reader, writer, second.memory)
        await third.send(head(0))
        assert (await third.answer())[0] == "HTTP/1.1 200 OK"
        with contextlib.suppress(ConnectionResetError):
            assert await first.rest() == b""
        await second.send(head(0))
        assert (await second.answer())[0] == "HTTP/1.1 200 OK"
        writer.close()


async def test_an_unknown_sender_is_refused_before_its_body() -> None:
    async with connected(authenticator=OneKey()) as connection:
        await connection.send(head(1_000_000))
        assert (await connection.answer())[0] == "HTTP/1.1 401 Unauthorized"


async def test_an_unknown_sender_gets_no_go_ahead() -> None:
    async with connected(authenticator=OneKey()) as connection:
        await connection.send(head(10, "Expect: 100-continue"))
        assert (await connection.answer())[0] == "HTTP/1.1 401 Unauthorized"


async def test_a_body_that_is_too_long_is_refused_before_it_is_sent() -> None:
    async with connected({"max_request_body_size": 1000}) as connection:
        await connection.send(head(1001, "Expect: 100-continue"))
        assert (await connection.answer())[0] == "HTTP/1.1 413 Request Entity Too Large"


async def test_what_is_no_http_gets_a_status_and_is_cut_off() -> None:
    async with connected() as connection:
        await connection.send(b"\x16\x03\x01 not http\r\n\r\n")
        status, headers, body = await connection.answer()
        assert status == "HTTP/1.0 400 Bad Request"
        assert headers["content-type"] == "application/json"
        assert b'"code": 3' in body
        assert await connection.rest() == b""


async def test_a_broken_chunk_is_a_400() -> None:
    async with connected() as connection:
        await connection.send(head(None, "Transfer-Encoding: chunked") + "zz\r\nxx\r\n")
        assert (await connection.answer())[0].endswith(" 400 Bad Request")


async def test_keep_alive_can_be_switched_off() -> None:
    async with connected({"keep_alives_enabled": False}) as connection:
        await connection.send(head(0))
        assert (await connection.answer())[1]["connection"] == "close"
        assert await connection.rest() == b""


def test_it_is_the_same_on_uvloop() -> None:
    """The loop that `serve` runs on; its transports are no `asyncio.Transport`."""

    async def exchange() -> None:
        async with connected() as connection:
            await connection.send(head(0))
            assert (await connection.answer())[0] == "HTTP/1.1 200 OK"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exchange())
