"""OTLP/gRPC, as a client sees it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import bcrypt
import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from spanledger.access.authenticator import Authenticator
from spanledger.access.basic import BasicAuth
from spanledger.access.settings import BasicAuthSettings
from spanledger.errors import Overloaded, Throttled
from spanledger.model.received import Encoding, Signal
from tests.receiver.bodies import log_record, logs, metrics, span, traces
from tests.receiver.servers import (
    LOGS_SERVICE,
    METRICS_SERVICE,
    TRACE_SERVICE,
    Memory,
    OneKey,
    raw_call,
    running,
    settings,
)
from tests.receiver.test_wire_metrics import histogram


class Client:
    def __init__(self, channel: grpc.aio.Channel, memory: Memory) -> None:
        self.channel = channel
        self.memory = memory

    async def export(self, body: bytes, method: str = TRACE_SERVICE, **options: Any) -> bytes:
        answer: bytes = await raw_call(self.channel, method)(body, **options)
        return answer

    async def refused(self, body: bytes, method: str = TRACE_SERVICE, **options: Any) -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.export(body, method, **options)
        return refused.value


@asynccontextmanager
async def serving(authenticator: Authenticator | None = None, **configured: Any) -> AsyncIterator[Client]:
    memory = Memory()
    unlimited = [("grpc.max_send_message_length", -1)]
    async with running(settings(grpc=configured, only="grpc"), memory, authenticator) as receiver:
        assert receiver.grpc_address is not None
        async with grpc.aio.insecure_channel(receiver.grpc_address, options=unlimited) as channel:
            yield Client(channel, memory)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with serving() as found:
        yield found


def trailer(error: grpc.aio.AioRpcError, name: str) -> bytes | None:
    trailers: Any = error.trailing_metadata()  # pairs; the stubs know no iteration
    value = dict(trailers).get(name)
    assert value is None or isinstance(value, bytes)
    return value


@pytest.mark.parametrize(
    ("method", "signal", "body"),
    [
        (TRACE_SERVICE, Signal.TRACES, traces(span())),
        (LOGS_SERVICE, Signal.LOGS, logs(log_record("event"))),
        (METRICS_SERVICE, Signal.METRICS, metrics(histogram("m"))),
    ],
)
async def test_signals_have_their_services(client: Client, method: str, signal: Signal, body: bytes) -> None:
    assert await client.export(body, method) == b""
    (received,) = client.memory.received
    assert (received.project_id, received.signal, received.encoding) == ("default", signal, Encoding.PROTOBUF)
    assert received.body == body
    assert len(received.items) == 1


async def test_the_generated_client_is_served(client: Client) -> None:
    request = ExportTraceServiceRequest.FromString(traces(span("chat")))
    response = await TraceServiceStub(client.channel).Export(request)  # type: ignore[no-untyped-call]
    assert response == ExportTraceServiceResponse()
    assert client.memory.names == ["chat"]


async def test_an_empty_request_succeeds_and_is_not_handed_on(client: Client) -> None:
    assert await client.export(b"") == b""
    assert client.memory.received == []


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_requests_are_accepted(client: Client, compression: grpc.Compression) -> None:
    body = traces(span("compressed", {"text": "x" * 10_000}))
    assert await client.export(body, compression=compression) == b""
    assert client.memory.received[0].body == body


async def test_requests_of_one_connection_run_side_by_side(client: Client) -> None:
    client.memory.gate.clear()
    calls = [asyncio.ensure_future(client.export(traces(span(f"span {number}")))) for number in range(20)]
    await client.memory.entered.wait()
    client.memory.gate.set()
    assert await asyncio.gather(*calls) == [b""] * 20
    assert sorted(client.memory.names) == sorted(f"span {number}" for number in range(20))


async def test_bad_spans_are_named_and_the_others_kept(client: Client) -> None:
    answer = await client.export(traces(span("good"), span("bad", trace_id=b"")))
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message == (
        'refused 1 of 2: span "bad" (trace none, span 00f067aa0ba902b7): trace id is missing'
    )
    assert client.memory.names == ["good"]


async def test_log_records_for_the_trace_service_are_refused_with_a_hint(client: Client) -> None:
    partial = ExportTraceServiceResponse.FromString(await client.export(logs(log_record("event")))).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message.endswith("this is an OTLP log record, logs go to /v1/logs (LogsService)")


async def test_invalid_utf8_is_accepted_and_noted(client: Client) -> None:
    body = traces(span("n", {"gen_ai.prompt": "café"})).replace(b"caf\xc3\xa9", b"caf\xc3\xc3")
    assert await client.export(body) == b""
    (item,) = client.memory.received[0].items
    assert getattr(item, "repairs", None) == ["invalid_utf8:gen_ai.prompt"]


async def test_a_truncated_body_is_an_invalid_argument(client: Client) -> None:
    error = await client.refused(traces(span())[:-1])
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    message = "truncated protobuf: a field that starts at byte 2 runs over the end of its message"
    assert error.details() == message
    details = trailer(error, "grpc-status-details-bin")
    assert details is not None
    assert Status.FromString(details) == Status(code=3, message=message)
    assert trailer(error, "google.rpc.retryinfo-bin") is None
    assert await client.export(traces(span())) == b""


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_over_the_limit_is_never_to_be_repeated(compression: grpc.Compression) -> None:
    async with serving(max_recv_msg_size_mib=1) as client:
        error = await client.refused(bytes(50 << 20), compression=compression)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert trailer(error, "google.rpc.retryinfo-bin") is None
        assert await client.export(traces(span())) == b""


async def test_messages_over_grpcs_own_limit_are_accepted(client: Client) -> None:
    body = traces(span("large", {"text": "x" * (5 << 20)}))
    assert await client.export(body) == b""


@pytest.mark.parametrize("method", [TRACE_SERVICE.replace("Export", "Import"), "/a.B/C"])
async def test_an_unknown_method_is_unimplemented(client: Client, method: str) -> None:
    assert (await client.refused(b"", method)).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_overloaded_intake_is_unavailable_with_both_delays(client: Client) -> None:
    client.memory.failure = Overloaded("the queue is full", retry_after=1.5)
    error = await client.refused(traces(span()))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "the queue is full")
    delay = trailer(error, "google.rpc.retryinfo-bin")
    details = trailer(error, "grpc-status-details-bin")
    assert delay is not None
    assert details is not None
    assert RetryInfo.FromString(delay).retry_delay.ToMilliseconds() == 1500
    inside = RetryInfo()
    assert Status.FromString(details).details[0].Unpack(inside)
    assert inside.retry_delay.ToMilliseconds() == 1500


async def test_a_full_log_is_told_before_the_message_is_read(client: Client) -> None:
    client.memory.full = Overloaded("the log is full", retry_after=3)
    error = await client.refused(traces(span()))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "the log is full")
    assert not client.memory.entered.is_set()


async def test_an_unexpected_failure_is_internal_without_details(client: Client) -> None:
    client.memory.failure = RuntimeError("secret table name")
    error = await client.refused(traces(span()))
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "internal error")


async def test_a_known_sender_belongs_to_a_project() -> None:
    async with serving(OneKey()) as client:
        await client.export(traces(span()), metadata=(("authorization", "Bearer secret"), ("trace-bin", b"\xff")))
        assert client.memory.received[0].project_id == "shop"


async def test_a_sender_is_charged_for_what_was_accepted() -> None:
    known = OneKey()
    async with serving(known) as client:
        body = traces(span(), span())
        await client.export(body, metadata=(("authorization", "Bearer secret"),))
        assert known.charged == [("shop", 2, len(body))]


async def test_a_sender_over_its_limit_is_told_when_to_come_back() -> None:
    known = OneKey()
    known.refusing = Throttled("over the project's limit", 2.5)
    async with serving(known) as client:
        error = await client.refused(traces(span()), metadata=(("authorization", "Bearer secret"),))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        delay = trailer(error, "google.rpc.retryinfo-bin")
        assert delay is not None
        assert RetryInfo.FromString(delay).retry_delay.ToMilliseconds() == 2500
        assert (client.memory.received, known.charged) == ([], [])


async def test_a_slow_check_of_a_password_comes_before_the_message() -> None:
    htpasswd = {"inline": "ali:" + bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()}
    extension = BasicAuth(BasicAuthSettings.model_validate({"htpasswd": htpasswd, "project": "cave"}))
    async with serving(extension) as client:
        await client.export(traces(span()), metadata=(("authorization", basic("ali", "open sesame")),))
        assert client.memory.received[0].project_id == "cave"
        error = await client.refused(traces(span()), metadata=(("authorization", basic("ali", "guess")),))
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    await extension.stop()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_an_unknown_sender_is_unauthenticated() -> None:
    async with serving(OneKey()) as client:
        error = await client.refused(traces(span()), metadata=(("authorization", "Bearer guess"),))
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, "the key is not known")
        assert client.memory.received == []


async def test_an_unknown_sender_is_refused_before_its_message() -> None:
    never = asyncio.Event()

    async def silence() -> AsyncIterator[bytes]:
        await never.wait()
        yield b""

    async with serving(OneKey()) as client:
        call = client.channel.stream_unary(TRACE_SERVICE, None, None)(silence())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        never.set()
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_connections_and_streams_can_be_limited() -> None:
    keepalive = {
        "server_parameters": {"max_connection_age": "1h", "time": "1m", "timeout": "5s"},
        "enforcement_policy": {"min_time": "1s", "permit_without_stream": False},
    }
    async with serving(keepalive=keepalive, max_concurrent_streams=2) as client:
        await client.export(b"")  # the limits arrive with the connection
        calls = [client.export(traces(span(f"span {number}"))) for number in range(200)]
        assert await asyncio.gather(*calls) == [b""] * 200


async def test_a_message_without_room_is_refused_before_it_is_read() -> None:
    body = traces(span("large", {"text": "x" * 1_000_000}))
    async with serving(max_in_flight_mib=1) as client:
        client.memory.gate.clear()
        first = asyncio.ensure_future(client.export(body))
        await client.memory.entered.wait()
        refused = await client.refused(traces(span("small")))
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert RetryInfo.FromString(trailer(refused, "google.rpc.retryinfo-bin") or b"").retry_delay.seconds == 1
        client.memory.gate.set()
        assert await first == b""
        assert await client.export(traces(span("small"))) == b""


def streaming(client: Client) -> Any:
    """A call whose message has not been sent yet."""
    start: Any = client.channel.stream_unary(TRACE_SERVICE, None, None)
    return start()


async def test_a_message_that_does_not_come_is_to_be_sent_again() -> None:
    async with serving(read_timeout="100ms") as client:
        call = streaming(client)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert "too long" in await call.details()


async def test_a_call_without_a_message_is_an_error_of_the_sender() -> None:
    async with serving() as client:
        call = streaming(client)
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
