"""Requests whose length is not what they say, or is said twice (RFC 9112, section 6), and bodies made to cost time."""

from __future__ import annotations

import asyncio

import pytest

from spanledger.receiver.memory import resident_bytes
from tests.conformance.otlp_client import JSON, PROTOBUF, Served, json_body
from tests.receiver.bodies import span, traces
from tests.receiver.decoding import json_span

GOOD = traces(span("good"))


async def answers(served: Served, raw: bytes, *, hangs_up: bool = False) -> bytes:
    """Everything that the server says until it closes the connection. `hangs_up`: the client says no more."""
    host, _, port = served.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    if hangs_up:
        writer.write_eof()
    said = await reader.read()
    writer.close()
    return said


def request(*headers: str, body: bytes = GOOD) -> bytes:
    lines = ["POST /v1/traces HTTP/1.1", "Host: x", f"Content-Type: {PROTOBUF}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: -1"],
        ["Content-Length: 1e3"],
        ["Content-Length: 99999999999999999999999"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: gzip"],
    ],
    ids=", ".join,
)
async def test_a_length_that_is_none_or_two(served: Served, headers: list[str]) -> None:
    said = await answers(served, request(*headers))
    assert said[:9] in (b"HTTP/1.0 ", b"HTTP/1.1 ")
    assert said[9:13] in (b"400 ", b"413 ")
    assert said.count(b"HTTP/1.") == 1, "what follows must not be taken for a second request"
    assert b"Traceback" not in said
    assert served.memory.received == []


async def test_a_body_that_is_shorter_than_it_says(served: Served) -> None:
    said = await answers(served, request(f"Content-Length: {len(GOOD) + 1}"), hangs_up=True)
    assert b" 200 " not in said
    assert served.memory.received == []


@pytest.mark.parametrize("size", [b"-1", b"zz", b"fffffffffffffffff", b"5;" + b"x" * 100_000])
async def test_a_chunk_whose_size_is_none(served: Served, size: bytes) -> None:
    said = await answers(served, request("Transfer-Encoding: chunked", body=size + b"\r\nhello\r\n0\r\n\r\n"))
    assert b" 200 " not in said
    assert b"Traceback" not in said
    assert served.memory.received == []


BODIES = {
    "five million brackets": (JSON, b"[" * 5_000_000),
    "three hundred thousand objects": (JSON, b'{"a":' * 300_000),
    "a value in fifty thousand values": (
        JSON,
        json_body(json_span(attributes=[{"key": "k", "value": 0}])).replace(
            b'"value": 0', b'"value": ' + b'{"arrayValue":{"values":[' * 50_000 + b"0" + b"]}}" * 50_000
        ),
    ),
    "very many equal keys": (JSON, b"{" + b'"resourceSpans":[],' * 300_000 + b'"resourceSpans":[]}'),
    "a number of a million digits": (
        JSON,
        json_body(json_span(kind=0)).replace(b'"kind": 0', b'"kind": ' + b"9" * 10**6),
    ),
    "half a megabyte of quotes": (JSON, b'"' * 500_000),
    "groups in groups": (PROTOBUF, b"\x0b" * 1_000_000),
    "lengths without end": (PROTOBUF, b"\x0a" + b"\xff" * 1_000_000),
}


@pytest.mark.parametrize("kind", BODIES)
async def test_a_body_made_to_cost(served: Served, kind: str) -> None:
    media_type, body = BODIES[kind]
    before = resident_bytes()
    answer = await served.http(body, media_type)
    assert answer.code in (200, 400, 413)
    assert served.memory.received == []
    assert b"Traceback" not in answer.body
    assert len(answer.body) < 5000
    assert (await served.http(GOOD)).code == 200
    assert resident_bytes() - before < 128 << 20


async def test_twenty_thousand_attributes_are_kept(served: Served) -> None:
    """Large, and nothing wrong with it."""
    body = traces(span("wide", {f"key {number}": number for number in range(20_000)}))
    assert (await served.http(body)).code == 200
    attributes = [{"key": "same", "value": {"intValue": number}} for number in range(20_000)]
    assert (await served.http(json_body(json_span(attributes=attributes)), JSON)).code == 200
    assert served.memory.names == ["wide", "chat gpt-4o"]
