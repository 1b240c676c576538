"""Any bytes at all: nothing is raised, the peer is answered or cut off, and what is held stays bounded."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, cast

import hpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.access.authenticator import Everyone
from spanledger.receiver.admission import Admission
from spanledger.receiver.export import Exports
from spanledger.receiver.grpc import Calls
from spanledger.receiver.grpc_call import Call
from spanledger.receiver.grpc_head import MAX_METADATA_BYTES, TOO_LARGE, Head, Heads
from spanledger.receiver.http2 import Connection, Keepalive, Limits
from spanledger.receiver.http2.frames import HEAD, PREFACE, frame
from spanledger.receiver.idle_connections import Connections
from spanledger.receiver.settings import GrpcSettings
from spanledger.receiver.traffic import Traffic
from tests.receiver.bodies import span, traces
from tests.receiver.servers import TRACE_SERVICE, Memory
from tests.receiver.tables import TABLE

BODY = traces(span("good"))
MESSAGE = b"\x00" + len(BODY).to_bytes(4, "big") + BODY
BLOCK = hpack.Encoder().encode(
    [(":method", "POST"), (":scheme", "http"), (":path", TRACE_SERVICE), ("content-type", "application/grpc")]
)
GREETING = PREFACE + frame(4, 0, 0)

streams = st.integers(0, 9) | st.integers(0, (1 << 31) - 1)
flags = st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D]) | st.integers(0, 255)
payloads = (
    st.sampled_from([b"", BLOCK, MESSAGE, MESSAGE[:7], b"\x00\x00\x00\x05hello", bytes(4), bytes(5), bytes(8)])
    | st.binary(max_size=60)
    | st.integers(0, 1 << 32).map(lambda number: number.to_bytes(5, "big")[1:])
)
frames = st.builds(frame, st.integers(0, 11), flags, streams, payloads)
calls = st.builds(
    lambda stream, split: (
        frame(1, 4, stream, BLOCK) + frame(0, 0, stream, MESSAGE[:split]) + frame(0, 1, stream, MESSAGE[split:])
    ),
    st.integers(0, 9).map(lambda number: 2 * number + 1),
    st.integers(0, len(MESSAGE)),
)
conversations = st.lists(frames | calls, max_size=30).map(b"".join)


class Wire(asyncio.Transport):
    """Keeps what the server says."""

    def __init__(self) -> None:
        super().__init__()
        self.said = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed, "said after the end"
        self.said += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Log(logging.Handler):
    """Errors that the server tells of itself: each is a mistake of ours, whatever the peer did."""

    def __init__(self, problems: list[Any]) -> None:
        super().__init__(logging.ERROR)
        self._problems = problems

    def emit(self, record: logging.LogRecord) -> None:
        self._problems.append(record.getMessage())


class Server:
    """A connection without a network."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.memory = Memory()
        self.admission = Admission(1 << 22)
        self.exports = Exports(TABLE, self.memory)
        self.wire = Wire()
        self.problems: list[Any] = []
        loop.set_exception_handler(lambda loop, context: self.problems.append(context))
        self.log = Log(self.problems)
        logging.getLogger("spanledger.receiver").addHandler(self.log)
        loop.run_until_complete(self._connect())

    async def _connect(self) -> None:
        configured = GrpcSettings.model_validate({"max_concurrent_streams": 100})
        calls = Calls(configured, self.exports, Everyone(), self.admission, Traffic())
        limits = Limits(MAX_METADATA_BYTES, TOO_LARGE, 100, 10.0)
        self.connections: Connections[Connection[Head]] = Connections(10, 0)
        self.connection = Connection(self.connections, limits, Keepalive(), Heads().read, partial(Call, calls))
        self.connection.connection_made(self.wire)

    async def _hear(self, data: bytes) -> None:
        self.connection.data_received(data)
        for _ in range(5):  # what was accepted is answered
            await asyncio.sleep(0)

    def hear(self, data: bytes) -> None:
        self.loop.run_until_complete(self._hear(data))

    def is_closed(self) -> bool:
        return self.wire.closed

    def end(self) -> None:
        async def lose() -> None:
            self.connection.connection_lost(None)
            for _ in range(5):
                await asyncio.sleep(0)

        self.loop.run_until_complete(lose())
        self.exports.close()
        logging.getLogger("spanledger.receiver").removeHandler(self.log)
        assert self.admission.used == 0, "room that nobody holds"
        assert self.connections.standing() == []
        assert self.problems == []


@pytest.fixture(scope="module")
def new_server() -> Iterator[Callable[[], Server]]:
    loop = asyncio.new_event_loop()
    yield lambda: Server(loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    gc.collect()


def frames_in(said: bytes) -> list[tuple[int, int, int]]:
    """Type, flags and stream of each; the last is whole."""
    found, at = [], 0
    while at < len(said):
        high, low, kind, given, stream = HEAD.unpack_from(said, at)
        found.append((kind, given, stream))
        at += 9 + (high << 8 | low)
    assert at == len(said)
    return found


hostile = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def held(server: Server) -> int:
    """Bytes that the server keeps of what it heard."""
    rest = cast(Any, server.connection)._input
    return len(rest._rest) + (len(rest._block[2]) if rest._block else 0)


@hostile
@given(data=conversations, cuts=st.lists(st.integers(0, 3000), max_size=4))
def test_any_frames(new_server: Callable[[], Server], data: bytes, cuts: list[int]) -> None:
    server = new_server()
    server.hear(GREETING)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for begin, end in pairwise(edges):
        server.hear(data[begin:end])
        assert held(server) <= 9 + 16_384 + 65_536
        assert server.admission.used <= server.admission.max_bytes
    frames_in(bytes(server.wire.said))
    if not server.wire.closed:
        server.hear(frame(6, 0, 0, b"are you?"))
        assert b"are you?" in server.wire.said or server.is_closed() or held(server)
    server.end()


@hostile
@given(
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), max_size=6),
    length=st.integers(0, 2000),
)
def test_spoiled_conversations(new_server: Callable[[], Server], flips: list[tuple[int, int]], length: int) -> None:
    sent = bytearray(GREETING)
    for stream in range(1, 12, 2):
        sent += frame(1, 4, stream, BLOCK) + frame(0, 0, stream, MESSAGE[:40]) + frame(0, 1, stream, MESSAGE[40:])
    for at, bits in flips:
        sent[at % len(sent)] ^= bits
    server = new_server()
    server.hear(bytes(sent[:length]))
    server.hear(bytes(sent[length:]))
    frames_in(bytes(server.wire.said))
    server.end()


@hostile
@given(data=st.binary(max_size=300))
def test_any_bytes(new_server: Callable[[], Server], data: bytes) -> None:
    server = new_server()
    server.hear(data)
    frames_in(bytes(server.wire.said))
    server.end()


def test_a_whole_conversation_is_served(new_server: Callable[[], Server]) -> None:
    """The tests above are about something: without a mistake in it, all is accepted."""
    server = new_server()
    server.hear(GREETING)
    for stream in range(1, 12, 2):
        server.hear(frame(1, 4, stream, BLOCK) + frame(0, 1, stream, MESSAGE))
    assert server.memory.names == ["good"] * 6
    server.end()
