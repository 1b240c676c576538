"""Clients that break the rules of HTTP/2 or drown the server in what the rules allow: they are cut off or answered, in
bounded memory, and the others are served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
)

from spanledger.receiver.memory import resident_bytes
from tests.conformance.http2 import Http2, connected, message
from tests.conformance.otlp_client import Served
from tests.receiver.bodies import span, traces

GOOD = message(traces(span("good")))
MEMORY_AT_MOST = 128 << 20
"""Bytes that an attack may cost; what it sends is a fraction of it, what it asks for is more."""
ENHANCE_YOUR_CALM = 11


@pytest.fixture
async def attacker(served: Served) -> AsyncIterator[Http2]:
    """A connection to abuse. Afterwards another client must be served, and memory must not have grown."""
    before = resident_bytes()
    async with connected(served.grpc_address) as connection:
        yield connection
        assert await code_in_the_end(served) == 0
        assert resident_bytes() - before < MEMORY_AT_MOST


async def code_in_the_end(served: Served) -> int:
    """Of another client, which sends again as often as it is told to: right after a flood gRPC answers CANCELLED."""
    for _ in range(100):
        code = (await served.grpc(traces(span("of another client")))).code
        if code not in (1, 14):
            break
        await asyncio.sleep(0.1)
    return code


async def flood(attacker: Http2, frames: list[Frame], times: int) -> bool:
    """Whether the server took all of it."""
    for _ in range(times):
        if not await attacker.send(frames):
            return False
    return True


async def test_streams_that_are_opened_and_reset(attacker: Http2) -> None:
    """CVE-2023-44487."""
    frames: list[Frame] = []
    for stream in range(1, 10_001, 2):
        frames += [attacker.headers(stream), RstStreamFrame(stream, 8)]
    await flood(attacker, frames, 1)


async def test_pings_without_end(attacker: Http2) -> None:
    """CVE-2019-9512."""
    await flood(attacker, [PingFrame(0, b"12345678")] * 100, 100)
    # What it says may be lost: pings that come after it make the kernel throw away what was not read.
    assert await attacker.closed() in (ENHANCE_YOUR_CALM, None)


async def test_settings_without_end(attacker: Http2) -> None:
    """CVE-2019-9515."""
    await flood(attacker, [SettingsFrame(0, {SettingsFrame.MAX_CONCURRENT_STREAMS: 7})] * 100, 100)
    await attacker.send(attacker.call(1, GOOD))
    assert (await attacker.answer(1)).get("grpc-status", "closed") in ("0", "closed")


async def test_priorities_without_end(attacker: Http2) -> None:
    await flood(attacker, [PriorityFrame(stream) for stream in range(1, 20_000, 2)], 1)
    await attacker.send(attacker.call(1, GOOD))
    assert (await attacker.answer(1)).get("grpc-status", "closed") in ("0", "closed")


async def test_empty_frames_without_end(attacker: Http2) -> None:
    """CVE-2019-9518."""
    await attacker.send([attacker.headers(1)])
    assert not await flood(attacker, [DataFrame(1, b"")] * 1000, 1000)


async def test_a_head_without_end(attacker: Http2) -> None:
    """CVE-2024-27316: 80 MB of CONTINUATION frames, END_HEADERS in none."""
    await attacker.send([attacker.headers(1, (), "END_STREAM")])
    field = b"\x00\x01a\x7f\xa1\x1f" + b"x" * 4000  # never indexed, name "a", 4000 bytes
    assert not await flood(attacker, [ContinuationFrame(1, field)] * 4, 5000)


async def test_a_head_that_unfolds_to_megabytes(attacker: Http2) -> None:
    """6.5 KB of references to one large field become 12 MB (CVE-2016-6581)."""
    large = ("x-bomb", "y" * 4000)
    packed = attacker.headers(1, [large] * 3000).data
    assert len(packed) < 16_000
    frame = HeadersFrame(1, packed)
    frame.flags.add("END_HEADERS")
    data = DataFrame(1, GOOD)
    data.flags.add("END_STREAM")
    await attacker.send([frame, data])
    answer = await attacker.answer(1)
    assert answer["grpc-status"] == "8"
    assert "google.rpc.retryinfo-bin" not in answer


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 100,  # a frame of 16 MiB
        b"\x00\x00\x04\x08\x00\x00\x00\x00\x00" + bytes(4),  # a window that grows by nothing
        b"\x00\x00\x01\x09\x00\x00\x00\x00\x01x",  # CONTINUATION of nothing
        b"\x00\x00\x05\x06\x00\x00\x00\x00\x00hello",  # PING of 5 bytes
        b"\x00\x00\x03\x01\x04\x00\x00\x00\x01\xff\xff\xff",  # HEADERS that are no HPACK
    ],
    ids=["length", "window", "continuation", "ping", "hpack"],
)
async def test_frames_that_no_client_may_send(attacker: Http2, raw: bytes) -> None:
    await attacker.send_raw(raw)
    answer = await attacker.answer(1)
    assert answer.keys() & {"closed", "goaway", "reset"} or answer["grpc-status"] != "0"


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (message(b"abc", length=(1 << 31) - 1), "8", "larger than max"),
        (message(b"abc", length=10), "3", "the call brings no message"),
        (message(b"\x0a\x07abc", length=3), "3", "truncated protobuf"),
        (message(b"no gzip", compressed=True), "13", ""),
    ],
    ids=["longer than allowed", "longer than what comes", "shorter than what comes", "not compressed"],
)
async def test_messages_of_another_length_than_they_say(attacker: Http2, sent: bytes, status: str, said: str) -> None:
    await attacker.send(attacker.call(1, sent, [("grpc-encoding", "gzip")] if status == "13" else []))
    answer = await attacker.answer(1)
    assert answer["grpc-status"] == status
    assert said in answer["grpc-message"]


async def test_a_compression_that_nobody_knows(attacker: Http2) -> None:
    await attacker.send(attacker.call(1, message(b"x", compressed=True), [("grpc-encoding", "br")]))
    answer = await attacker.answer(1)
    assert (answer["grpc-status"], answer["grpc-message"]) == ("12", "grpc-encoding 'br' is not known here")
    assert answer["grpc-accept-encoding"] == "identity,deflate,gzip,snappy,zstd"


async def test_what_is_no_http2_at_all(served: Served) -> None:
    host, _, port = served.grpc_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" not in await reader.read()
    writer.close()
    assert (await served.grpc(traces(span()))).code == 0
