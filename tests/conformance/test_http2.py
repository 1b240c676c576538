"""What RFC 9113 and gRPC's protocol demand of a server beside the calls; the client speaks frame by frame."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import hpack
import pytest
import zstandard
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from spanledger.errors import PayloadError
from spanledger.receiver import grpc as grpc_server
from spanledger.receiver.http2 import connection
from spanledger.receiver.otlp import OtlpReceiver
from tests.conformance.http2 import Http2, connected, message
from tests.receiver.bodies import span, traces
from tests.receiver.compressed import snappy_block, snappy_frames
from tests.receiver.servers import LOGS_SERVICE, Memory, running, settings

REFUSED_STREAM, ENHANCE_YOUR_CALM = 7, 11
GOOD = message(traces(span("good")))
PARTLY_BAD = message(traces(span("good"), span("bad", trace_id=b"")))
REFUSAL = 'refused 1 of 2: span "bad" (trace none, span 00f067aa0ba902b7): trace id is missing'
ANSWER_TO_PARTLY_BAD = 5 + len(
    ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=1, error_message=REFUSAL)
    ).SerializeToString()
)


@dataclass
class Served:
    receiver: OtlpReceiver
    memory: Memory
    client: Http2


@asynccontextmanager
async def serving(**configured: Any) -> AsyncIterator[Served]:
    memory = Memory()
    async with running(settings(grpc=configured, only="grpc"), memory) as receiver:
        assert receiver.grpc_address is not None
        async with connected(receiver.grpc_address) as client:
            yield Served(receiver, memory, client)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found


async def first(client: Http2, kind: type[Frame]) -> Any:
    """The next frame of a kind."""
    async for frame in client.frames():
        if isinstance(frame, kind):
            return frame
    raise AssertionError(f"the connection ended without {kind.__name__}")


async def test_an_answer_waits_for_the_window_of_its_stream(served: Served) -> None:
    client = served.client
    await client.send([SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 1}), *client.call(1, PARTLY_BAD)])
    sizes = []
    async for frame in client.frames():
        if isinstance(frame, DataFrame):
            sizes.append(len(frame.data))
            await client.send([WindowUpdateFrame(1, 50)])
        if frame.stream_id == 1 and "END_STREAM" in frame.flags:
            break
    assert sizes[:2] == [1, 50]
    assert sum(sizes) == ANSWER_TO_PARTLY_BAD


async def test_a_window_may_shrink_below_nothing(served: Served) -> None:
    client = served.client
    await client.send([SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 20}), *client.call(1, PARTLY_BAD)])
    assert len((await first(client, DataFrame)).data) == 20
    shrunk = SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    await client.send([shrunk, WindowUpdateFrame(1, 20), PingFrame(0, b"nothing."), WindowUpdateFrame(1, 7)])
    async for frame in client.frames():
        assert not isinstance(frame, DataFrame), "there is no window before the last frame was read"
        if isinstance(frame, PingFrame):
            break
    assert len((await first(client, DataFrame)).data) == 7


async def test_answers_wait_for_the_window_of_the_connection(served: Served) -> None:
    client = served.client
    calls = 65_535 // ANSWER_TO_PARTLY_BAD + 2
    for number in range(calls):
        await client.send(client.call(2 * number + 1, PARTLY_BAD))
    received, ended = 0, 0
    async for frame in client.frames():
        if isinstance(frame, DataFrame):
            received += len(frame.data)
        ended += "END_STREAM" in frame.flags
        if received == 65_535:
            await client.send([WindowUpdateFrame(0, 1 << 20)])
        if ended == calls:
            break
    assert received == calls * ANSWER_TO_PARTLY_BAD


async def test_a_head_may_come_in_pieces(served: Served) -> None:
    client = served.client
    block = client.headers(1).data
    frames: list[Frame] = [HeadersFrame(1, block[:1])]
    frames += [ContinuationFrame(1, block[at : at + 1]) for at in range(1, len(block))]
    frames[-1].flags.add("END_HEADERS")
    data = DataFrame(1, GOOD)
    data.flags.add("END_STREAM")
    await client.send([*frames, data])
    assert (await client.answer(1))["grpc-status"] == "0"


async def test_frames_may_come_byte_by_byte(served: Served) -> None:
    client = served.client
    for byte in b"".join(frame.serialize() for frame in client.call(1, GOOD)):
        await client.send_raw(bytes((byte,)))
    assert (await client.answer(1))["grpc-status"] == "0"


async def test_padding_and_priority_mean_nothing(served: Served) -> None:
    client = served.client
    head = client.headers(1, (), "END_HEADERS", "PADDED", "PRIORITY")
    head.pad_length, head.depends_on, head.stream_weight = 50, 0, 7
    data = DataFrame(1, GOOD, pad_length=255)
    data.flags |= {"PADDED", "END_STREAM"}
    await client.send([PriorityFrame(1, depends_on=3), head, PriorityFrame(1, depends_on=3), data])
    assert (await client.answer(1))["grpc-status"] == "0"


async def test_padding_is_given_back(served: Served) -> None:
    """300 bytes in frames of 256: more than the first window, which nobody else would widen."""
    client = served.client
    body = message(traces(span("padded", {"text": "x" * 300})))
    await client.send([client.headers(1)])
    window, sent = 65_535, 0
    updates = client.frames()
    while sent < len(body):
        while window < 257:
            frame = await anext(updates)
            if isinstance(frame, WindowUpdateFrame) and frame.stream_id == 1:
                window += frame.window_increment
        data = DataFrame(1, body[sent : sent + 1], pad_length=255)
        data.flags.add("PADDED")
        sent += 1
        if sent == len(body):
            data.flags.add("END_STREAM")
        window -= 257
        await client.send([data])
    assert (await client.answer(1))["grpc-status"] == "0"
    assert served.memory.names == ["padded"]


async def test_unknown_frames_settings_and_flags_are_ignored(served: Served) -> None:
    client = served.client
    unknown = b"\x00\x00\x05\xee\xff\x00\x00\x00\x01what?"
    await client.send_raw(unknown)
    await client.send([SettingsFrame(0, {0xAB: 1}), *client.call(1, GOOD)])
    await client.send_raw(unknown)
    assert (await client.answer(1))["grpc-status"] == "0"


async def test_a_ping_comes_back(served: Served) -> None:
    await served.client.send([PingFrame(0, b"anything")])
    answer = await first(served.client, PingFrame)
    assert (answer.opaque_data, "ACK" in answer.flags) == (b"anything", True)


async def test_trailers_end_a_request(served: Served) -> None:
    client = served.client
    await client.send([client.headers(1), DataFrame(1, GOOD)])
    trailers = HeadersFrame(1, client.encoder.encode([("x-checksum", "7")]))
    trailers.flags |= {"END_HEADERS", "END_STREAM"}
    await client.send([trailers, *client.call(3, GOOD)])
    assert (await client.answer(3))["grpc-status"] == "0"
    assert served.memory.names == ["good", "good"]


async def test_a_message_is_served_before_its_stream_ends(served: Served) -> None:
    client = served.client
    await client.send([client.headers(1), DataFrame(1, GOOD)])
    assert (await client.answer(1))["grpc-status"] == "0"
    reset = await first(client, RstStreamFrame)
    assert (reset.stream_id, reset.error_code) == (1, 0)
    late = DataFrame(1, b"late")
    late.flags.add("END_STREAM")
    await client.send([late, *client.call(3, GOOD)])
    assert (await client.answer(3))["grpc-status"] == "0"


async def test_a_call_that_is_cancelled_is_not_accepted(served: Served) -> None:
    client = served.client
    served.memory.gate.clear()
    await client.send(client.call(1, GOOD))
    await served.memory.entered.wait()
    await client.send([RstStreamFrame(1, 8), PingFrame(0, b"and then")])
    await first(client, PingFrame)
    served.memory.gate.set()
    await client.send(client.call(3, message(traces(span("other")))))
    assert (await client.answer(3))["grpc-status"] == "0"
    assert served.memory.names == ["other"]


async def test_heads_that_say_the_same_mean_the_same_while_the_table_does(served: Served) -> None:
    """The second call of each kind is a few references to the table; a new field in between moves them."""
    client = served.client
    stream = 1
    for more in ([], [], [("x-new", "1")], [], [("x-new", "1")], [("x-other", "2")], [], []):
        await client.send(client.call(stream, GOOD, more))
        assert (await client.answer(stream))["grpc-status"] == "0"
        stream += 2
    assert len(served.memory.received) == 8


async def test_a_client_without_room_for_a_table_can_read_the_answer(served: Served) -> None:
    client = served.client
    client.decoder.max_allowed_table_size = 0
    client.decoder.header_table_size = 4096
    await client.send([SettingsFrame(0, {SettingsFrame.HEADER_TABLE_SIZE: 0}), *client.call(1, GOOD)])
    assert (await client.answer(1))["grpc-status"] == "0"


async def test_streams_over_the_limit_are_refused_unseen() -> None:
    async with serving(max_concurrent_streams=1) as served:
        client = served.client
        assert (await first(client, SettingsFrame)).settings[SettingsFrame.MAX_CONCURRENT_STREAMS] == 1
        served.memory.gate.clear()
        await client.send([*client.call(1, GOOD), *client.call(3, GOOD)])
        assert await client.answer(3) == {"reset": str(REFUSED_STREAM)}
        served.memory.gate.set()
        assert (await client.answer(1))["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("fields", "status"),
    [({":method": "GET"}, "405"), ({"content-type": "application/json"}, "415"), ({"content-type": "text"}, "415")],
)
async def test_what_is_no_grpc_gets_an_http_status(served: Served, fields: dict[str, str], status: str) -> None:
    client = served.client
    await client.send(client.call(1, GOOD, replace=fields))
    assert (await client.answer(1))[":status"] == status
    assert served.memory.received == []


async def test_a_call_that_passes_its_deadline_is_over(served: Served) -> None:
    client = served.client
    served.memory.gate.clear()
    await client.send(client.call(1, GOOD, [("grpc-timeout", "50m")]))
    assert (await client.answer(1))["grpc-status"] == "4"
    served.memory.gate.set()
    await client.send(client.call(3, GOOD, [("grpc-timeout", "1H")]))
    assert (await client.answer(3))["grpc-status"] == "0"
    assert len(served.memory.received) == 1


async def test_a_deadline_that_is_none_is_said(served: Served) -> None:
    await served.client.send(served.client.call(1, GOOD, [("grpc-timeout", "soon")]))
    answer = await served.client.answer(1)
    assert (answer["grpc-status"], answer["grpc-message"]) == ("13", "grpc-timeout is malformed")


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("snappy", snappy_block),
        ("snappy", snappy_frames),
    ],
)
async def test_every_compression_of_the_collector_is_undone(
    served: Served, name: str, compress: Callable[[bytes], bytes]
) -> None:
    body = traces(span("compressed", {"text": "x" * 300_000}))
    await served.client.send(served.client.call(1, message(compress(body), compressed=True), [("grpc-encoding", name)]))
    assert (await served.client.answer(1))["grpc-status"] == "0"
    assert served.memory.received[0].body == body


async def test_compression_that_nobody_announced_is_an_error(served: Served) -> None:
    await served.client.send(served.client.call(1, message(gzip.compress(b""), compressed=True)))
    answer = await served.client.answer(1)
    assert answer["grpc-status"] == "13"
    assert answer["grpc-message"] == "a message is said to be compressed, and grpc-encoding does not say how"


async def test_texts_are_percent_encoded(served: Served) -> None:
    served.memory.failure = PayloadError("50 % of müll\n")
    await served.client.send(served.client.call(1, GOOD))
    assert (await served.client.answer(1))["grpc-message"] == "50 %25 of m%C3%BCll%0A"


async def test_the_end_is_told_in_two_steps_and_what_runs_is_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_ROUND_TRIP", 60.0)
    async with serving() as served:
        client = served.client
        served.memory.gate.clear()
        await client.send(client.call(1, GOOD))
        await served.memory.entered.wait()
        stopping = asyncio.ensure_future(served.receiver.stop(grace_seconds=30))
        early = await first(client, GoAwayFrame)
        assert (early.last_stream_id, early.error_code) == ((1 << 31) - 1, 0)
        ping = await first(client, PingFrame)
        pong = PingFrame(0, ping.opaque_data)
        pong.flags.add("ACK")
        await client.send([*client.call(3, GOOD), pong, *client.call(5, GOOD)])
        final = await first(client, GoAwayFrame)
        assert (final.last_stream_id, final.error_code) == (3, 0)
        served.memory.gate.set()
        assert (await client.answer(1))["grpc-status"] == "0"
        assert (await client.answer(3))["grpc-status"] == "0"
        assert await client.closed() is None
        await client.close()
        await stopping
        assert len(served.memory.received) == 2


async def test_what_runs_longer_than_the_grace_is_cut_off() -> None:
    async with serving() as served:
        served.memory.gate.clear()
        await served.client.send(served.client.call(1, GOOD))
        await served.memory.entered.wait()
        await served.receiver.stop(grace_seconds=0.01)
        assert "closed" in await served.client.answer(1)
        served.memory.gate.set()
        assert served.memory.received == []


async def test_an_old_connection_is_closed() -> None:
    async with serving(keepalive={"server_parameters": {"max_connection_age": "50ms"}}) as served:
        assert await served.client.closed() == 0


async def test_an_idle_connection_is_closed() -> None:
    async with serving(keepalive={"server_parameters": {"max_connection_idle": "50ms"}}) as served:
        code = await served.client.closed()
        while code is None:  # it took the machine so long to say hello
            async with connected(str(served.receiver.grpc_address)) as again:
                code = await again.closed()
        assert code == 0


async def test_a_call_on_an_old_connection_has_a_grace() -> None:
    ages = {"max_connection_age": "10ms", "max_connection_age_grace": "20ms"}
    async with serving(keepalive={"server_parameters": ages}) as served:
        served.memory.gate.clear()
        await served.client.send(served.client.call(1, GOOD))
        assert "closed" in await served.client.answer(1)


async def test_a_client_that_answers_no_ping_is_dropped() -> None:
    async with serving(keepalive={"server_parameters": {"time": "20ms", "timeout": "20ms"}}) as served:
        await first(served.client, PingFrame)
        assert await served.client.closed() is None


async def test_a_client_that_answers_pings_stays() -> None:
    async with serving(keepalive={"server_parameters": {"time": "20ms", "timeout": "30s"}}) as served:
        for _ in range(3):
            ping = await first(served.client, PingFrame)
            pong = PingFrame(0, ping.opaque_data)
            pong.flags.add("ACK")
            await served.client.send([pong])
        await served.client.send(served.client.call(1, GOOD))
        assert (await served.client.answer(1))["grpc-status"] == "0"


async def test_pings_without_a_call_can_be_forbidden() -> None:
    policy = {"min_time": "1ms", "permit_without_stream": False}
    async with serving(keepalive={"enforcement_policy": policy}) as served:
        await served.client.send([PingFrame(0, b"12345678")] * 4)
        assert await served.client.closed() == ENHANCE_YOUR_CALM


async def test_who_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_server, "HANDSHAKE_SECONDS", 0.02)
    async with serving() as served:
        host, _, port = str(served.receiver.grpc_address).rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await reader.read() == b""
        writer.close()


async def test_over_the_bound_the_connection_that_is_idle_longest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_server, "connections_at_most", lambda: 2)
    async with serving() as served:
        first_client = served.client
        await first_client.send(first_client.call(1, GOOD))
        assert (await first_client.answer(1))["grpc-status"] == "0"
        async with connected(str(served.receiver.grpc_address)) as second:
            await second.send(second.call(1, GOOD))
            assert (await second.answer(1))["grpc-status"] == "0"
            async with connected(str(served.receiver.grpc_address)) as third:
                assert await first_client.closed() == 0
                for client, stream in ((second, 3), (third, 1)):
                    await client.send(client.call(stream, GOOD))
                    assert (await client.answer(stream))["grpc-status"] == "0"


async def test_a_large_message_is_let_in_as_far_as_there_is_room() -> None:
    """What a message says about its length takes no room, what is let in does."""
    async with serving(max_in_flight_mib=1) as served:
        client = served.client
        begun = message(bytes(60_000), length=900_000)
        for stream in (1, 3):
            await client.send([client.headers(stream), *pieces(stream, begun)])
        assert (await client.answer(3))["grpc-status"] == "14"
        await client.send(client.call(5, GOOD))
        assert (await client.answer(5))["grpc-status"] == "0"


async def test_long_promises_take_little_room(served: Served) -> None:
    client = served.client
    begun = message(bytes(40_000), length=60 << 20)
    for stream in range(1, 41, 2):
        await client.send([client.headers(stream), *pieces(stream, begun)])
    await client.send(client.call(41, GOOD))
    assert (await client.answer(41))["grpc-status"] == "0"


def pieces(stream: int, data: bytes) -> list[Frame]:
    return [DataFrame(stream, data[at : at + 16_000]) for at in range(0, len(data), 16_000)]


async def test_who_reads_no_answers_is_not_read_from(served: Served) -> None:
    """Four thousand answers of a few hundred bytes lie somewhere until they are read, but not all of them here."""
    client = served.client
    count = 4000
    await client.send([WindowUpdateFrame(0, 1 << 30)])

    async def send() -> None:
        for number in range(count):
            await client.send(client.call(2 * number + 1, PARTLY_BAD))

    sending = asyncio.ensure_future(send())
    ended = 0
    async for frame in client.frames():
        ended += frame.stream_id > 0 and "END_STREAM" in frame.flags
        if ended == count:
            break
    await sending
    assert len(served.memory.received) == count


async def test_logs_have_their_method(served: Served) -> None:
    await served.client.send(served.client.call(1, message(b""), replace={":path": LOGS_SERVICE}))
    assert (await served.client.answer(1))["grpc-status"] == "0"


def test_the_clients_own_decoder_is_the_real_one() -> None:
    """A table that was not shrunk is an error there, so the test above means something."""
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    with pytest.raises(hpack.InvalidTableSizeError):
        decoder.decode(b"\x88")
