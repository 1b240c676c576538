"""OTLP/HTTP, as a client sees it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import logging
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import bcrypt
import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanledger.access.authenticator import Authenticator
from spanledger.access.basic import BasicAuth
from spanledger.access.settings import BasicAuthSettings
from spanledger.errors import LogError, Overloaded, Throttled
from spanledger.model.received import Encoding, Signal
from spanledger.receiver.settings import OtlpReceiverSettings
from tests.receiver.bodies import log_record, logs, metrics, span, traces
from tests.receiver.compressed import gzip_bomb, zstd_bomb
from tests.receiver.decoding import json_span, json_traces
from tests.receiver.servers import Memory, OneKey, running, settings
from tests.receiver.test_wire_metrics import histogram

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers["Content-Type"]

    @property
    def problem(self) -> tuple[int, str]:
        """Code and message of the google.rpc.Status in the body."""
        if self.content_type == PROTOBUF:
            status = Status.FromString(self.body)
            return status.code, status.message
        content = json.loads(self.body)
        return content["code"], content["message"]


class Client:
    def __init__(self, session: aiohttp.ClientSession, address: str, memory: Memory) -> None:
        self.session = session
        self.address = address
        self.memory = memory

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, f"http://{self.address}{path}", **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def post(self, path: str, body: Any, media_type: str = PROTOBUF, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes) and len(body) > 1 << 20:  # aiohttp's client warns about larger ones
            body = io.BytesIO(body)
        return await self.request("POST", path, data=body, headers={"Content-Type": media_type, **named})


Serving = Callable[..., AbstractAsyncContextManager[Client]]


@asynccontextmanager
async def serving(
    configured: OtlpReceiverSettings | None = None, authenticator: Authenticator | None = None
) -> AsyncIterator[Client]:
    memory = Memory()
    async with (
        running(configured or settings(only="http"), memory, authenticator) as receiver,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        assert receiver.http_address is not None
        yield Client(session, receiver.http_address, memory)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with serving() as found:
        yield found


# accepted


async def test_protobuf_spans_are_accepted(client: Client) -> None:
    body = traces(span("chat gpt-4o"))
    answer = await client.post("/v1/traces", body)
    assert (answer.status, answer.content_type, answer.body) == (200, PROTOBUF, b"")
    (received,) = client.memory.received
    assert (received.project_id, received.signal, received.encoding) == ("default", Signal.TRACES, Encoding.PROTOBUF)
    assert received.body == body
    assert client.memory.names == ["chat gpt-4o"]
    assert received.received_ns > 0


async def test_json_spans_are_accepted(client: Client) -> None:
    answer = await client.post("/v1/traces", json.dumps(json_traces(json_span())), "application/json; charset=utf-8")
    assert (answer.status, answer.content_type, answer.body) == (200, JSON, b"{}")
    assert client.memory.received[0].encoding is Encoding.JSON


@pytest.mark.parametrize(
    ("path", "signal"),
    [
        ("/v1/traces", Signal.TRACES),
        ("/v1/traces/", Signal.TRACES),
        ("/v1/logs", Signal.LOGS),
        ("/v1/metrics", Signal.METRICS),
        ("/v1/otel", Signal.TRACES),
        ("/v1/otel/v1/traces", Signal.TRACES),
        ("/v1/otel/v1/logs", Signal.LOGS),
        ("/v1/otel/v1/metrics", Signal.METRICS),
    ],
)
async def test_signals_have_their_paths(client: Client, path: str, signal: Signal) -> None:
    body = {
        Signal.TRACES: traces(span()),
        Signal.LOGS: logs(log_record("event")),
        Signal.METRICS: metrics(histogram("m")),
    }[signal]
    answer = await client.post(path, body)
    assert answer.status == 200
    assert [received.signal for received in client.memory.received] == [signal]


async def test_paths_are_configurable() -> None:
    async with serving(settings(http={"traces_url_path": "collect/spans"}, only="http")) as client:
        assert (await client.post("/collect/spans", traces(span()))).status == 200
        assert (await client.post("/v1/traces", traces(span()))).status == 404


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON ; charset=utf-8"])
async def test_the_media_type_is_parsed(client: Client, media_type: str) -> None:
    assert (await client.post("/v1/traces", b"{}", media_type)).status == 200


async def test_an_empty_request_succeeds_and_is_not_handed_on(client: Client) -> None:
    answer = await client.post("/v1/traces", b"")
    assert (answer.status, answer.body) == (200, b"")
    assert client.memory.received == []


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress), ("identity", bytes)],
)
async def test_compressed_bodies_are_accepted(
    client: Client, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    body = traces(span("compressed"))
    assert (await client.post("/v1/traces", compress(body), Content_Encoding=encoding)).status == 200
    assert client.memory.names == ["compressed"]
    assert client.memory.received[0].body == body


async def test_gzip_without_its_header_is_accepted(client: Client) -> None:
    assert (await client.post("/v1/traces", gzip.compress(traces(span("bare"))))).status == 200
    assert client.memory.names == ["bare"]


async def test_a_body_in_chunks_is_accepted(client: Client) -> None:
    body = traces(*(span(f"span {number}") for number in range(1000)))

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]

    assert (await client.post("/v1/traces", chunks())).status == 200
    assert len(client.memory.received[0].items) == 1000


async def test_a_large_body_is_accepted(client: Client) -> None:
    body = traces(*(span(f"span {number}", {"text": "x" * 5000}) for number in range(400)))
    assert (await client.post("/v1/traces", body)).status == 200
    assert len(client.memory.received[0].items) == 400


async def test_a_client_that_waits_for_a_go_ahead_gets_one(client: Client) -> None:
    options = {"data": traces(span("expected")), "headers": {"Content-Type": PROTOBUF}, "expect100": True}
    assert (await client.request("POST", "/v1/traces", **options)).status == 200
    assert client.memory.names == ["expected"]


# partial success


async def test_bad_spans_are_named_in_a_protobuf_answer(client: Client) -> None:
    answer = await client.post("/v1/traces", traces(span("good"), span("bad", span_id=bytes(8))))
    assert (answer.status, answer.content_type) == (200, PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message == (
        'refused 1 of 2: span "bad" (trace 4bf92f3577b34da6a3ce929d0e0e4736, span 0000000000000000): '
        "span id is all zeros"
    )
    assert client.memory.names == ["good"]


async def test_bad_spans_are_named_in_a_json_answer(client: Client) -> None:
    body = json.dumps(json_traces(json_span(name="bad", traceId="")))
    answer = await client.post("/v1/traces", body, JSON)
    assert (answer.status, answer.content_type) == (200, JSON)
    assert json.loads(answer.body) == {
        "partialSuccess": {
            "rejectedSpans": "1",
            "errorMessage": 'refused 1 of 1: span "bad" (trace none, span 00f067aa0ba902b7): trace id is missing',
        }
    }
    assert client.memory.received == []


async def test_log_records_on_the_traces_path_are_refused_with_a_hint(client: Client) -> None:
    answer = await client.post("/v1/traces", logs(log_record("event", {"a": "b"})))
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 1)
    assert partial.error_message.endswith("this is an OTLP log record, logs go to /v1/logs (LogsService)")


async def test_refused_log_records_are_counted_as_such(client: Client) -> None:
    answer = await client.post("/v1/logs", traces(span()))
    assert ExportLogsServiceResponse.FromString(answer.body).partial_success.rejected_log_records == 1


async def test_refused_data_points_are_counted_as_such(client: Client) -> None:
    answer = await client.post("/v1/metrics", metrics(histogram("bad", bucket_counts=[1])))
    assert ExportMetricsServiceResponse.FromString(answer.body).partial_success.rejected_data_points == 1


async def test_the_message_about_many_bad_spans_is_short(client: Client) -> None:
    answer = await client.post("/v1/traces", traces(*[span("bad", span_id=b"")] * 3000))
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert partial.rejected_spans == 3000
    assert len(partial.error_message.encode()) <= 4096


async def test_invalid_utf8_is_accepted_and_noted(client: Client) -> None:
    body = traces(span("n", {"gen_ai.prompt": "café"})).replace(b"caf\xc3\xa9", b"caf\xc3\xc3")
    answer = await client.post("/v1/traces", body)
    assert (answer.status, answer.body) == (200, b"")
    (item,) = client.memory.received[0].items
    assert getattr(item, "repairs", None) == ["invalid_utf8:gen_ai.prompt"]


# refused


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
async def test_a_truncated_body_is_a_400_in_its_own_encoding(client: Client, media_type: str) -> None:
    whole = traces(span()) if media_type == PROTOBUF else json.dumps(json_traces(json_span())).encode()
    answer = await client.post("/v1/traces", whole[:-1], media_type)
    assert (answer.status, answer.content_type) == (400, media_type)
    code, message = answer.problem
    assert code == 3
    assert message.startswith(("truncated protobuf: ", "malformed JSON: "))


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml; charset=utf-8", "application/x-protobuf-x"])
async def test_another_media_type_is_a_415(client: Client, media_type: str) -> None:
    answer = await client.post("/v1/traces", traces(span()), media_type)
    assert (answer.status, answer.content_type) == (415, JSON)
    found = media_type.partition(";")[0]
    assert answer.problem == (3, f"Content-Type is '{found}', expected application/x-protobuf or application/json")


async def test_a_missing_media_type_is_a_415(client: Client) -> None:
    answer = await client.request("POST", "/v1/traces", data=b"x", skip_auto_headers=["Content-Type"])
    assert answer.status == 415
    assert answer.problem == (3, "Content-Type is missing, expected application/x-protobuf or application/json")


async def test_gzip_that_ends_too_early_is_a_400(client: Client) -> None:
    answer = await client.post("/v1/traces", gzip.compress(traces(span()))[:-4], Content_Encoding="gzip")
    assert (answer.status, answer.content_type) == (400, PROTOBUF)
    assert answer.problem == (3, "the body is not valid gzip: it ends too early")


async def test_an_unknown_content_encoding_is_a_400(client: Client) -> None:
    answer = await client.post("/v1/traces", b"x", JSON, Content_Encoding="br")
    assert answer.status == 400
    known = "deflate, gzip, identity, lz4, snappy, x-snappy-framed, zlib, zstd"
    assert answer.problem == (3, f"unsupported Content-Encoding: 'br', supported are {known}")


async def test_five_megabytes_of_nested_values_are_a_400(client: Client) -> None:
    answer = await client.post("/v1/traces", b"[" * 5_000_000, JSON)
    assert (answer.status, answer.content_type) == (400, JSON)
    assert answer.problem == (3, "malformed JSON, nested more than 276 levels deep: Expecting value")
    assert (await client.post("/v1/traces", traces(span()))).status == 200


@pytest.mark.parametrize(("encoding", "bomb"), [("gzip", gzip_bomb(100)), ("zstd", zstd_bomb(100))])
async def test_a_bomb_is_a_413(client: Client, encoding: str, bomb: bytes) -> None:
    answer = await client.post("/v1/traces", bomb, Content_Encoding=encoding)
    assert (answer.status, answer.content_type) == (413, PROTOBUF)
    assert answer.problem == (8, "the decompressed request body is larger than 67108864 bytes")


@pytest.mark.parametrize("chunked", [False, True], ids=["by its length", "while reading"])
async def test_a_body_over_the_limit_is_a_413(chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield bytes(1000)

    async with serving(settings(http={"max_request_body_size": 100_000}, only="http")) as client:
        answer = await client.post("/v1/traces", chunks() if chunked else bytes(200_000))
        assert (answer.status, answer.content_type) == (413, PROTOBUF)
        assert answer.problem == (8, "the request body is larger than 100000 bytes")


async def test_decompressed_bodies_have_a_limit_of_their_own() -> None:
    limits = {"max_request_body_size": 10_000, "max_decompressed_body_size": 20_000}
    async with serving(settings(http=limits, only="http")) as client:
        body = traces(span(attributes={"text": "x" * 15_000}))
        assert (await client.post("/v1/traces", gzip.compress(body), Content_Encoding="gzip")).status == 200
        assert (await client.post("/v1/traces", gzip.compress(body * 2), Content_Encoding="gzip")).status == 413


async def test_an_unknown_path_is_a_404(client: Client) -> None:
    answer = await client.post("/v1/profiles", b"")
    assert (answer.status, answer.content_type) == (404, PROTOBUF)
    code, message = answer.problem
    assert code == 12
    assert message.startswith("nothing is served here; paths are /v1/otel, ")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_another_method_is_a_405(client: Client, method: str) -> None:
    answer = await client.request(method, "/v1/traces")
    assert (answer.status, answer.headers["Allow"], answer.content_type) == (405, "POST", JSON)
    if method != "HEAD":
        assert answer.problem == (12, f"{method} is not possible, use POST")


# refused by the intake


async def test_an_overloaded_intake_is_a_503_with_a_delay(client: Client) -> None:
    client.memory.failure = Overloaded("the queue is full", retry_after=1.2)
    answer = await client.post("/v1/traces", json.dumps(json_traces(json_span())), JSON)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert json.loads(answer.body) == {
        "code": 14,
        "message": "the queue is full",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.200s"}],
    }


async def test_a_full_log_is_told_before_the_body_is_there(client: Client) -> None:
    client.memory.full = Overloaded("the log is full", retry_after=3)

    async def never() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    answer = await client.post("/v1/traces", never())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")
    assert answer.problem == (14, "the log is full")


async def test_a_full_disk_is_a_503_that_says_nothing_of_it(client: Client) -> None:
    client.memory.failure = LogError("/data/log: no space left on device")
    answer = await client.post("/v1/traces", traces(span()))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.problem == (14, "the request cannot be stored now, send it again")


async def test_an_unexpected_failure_is_a_500_without_details(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.memory.failure = RuntimeError("secret table name")
    with caplog.at_level(logging.ERROR):
        answer = await client.post("/v1/traces", traces(span()))
    assert (answer.status, answer.problem) == (500, (13, "internal error"))
    assert "Retry-After" not in answer.headers
    assert "secret table name" in caplog.text
    client.memory.failure = None
    assert (await client.post("/v1/traces", traces(span()))).status == 200


# who sends


async def test_a_known_sender_belongs_to_a_project() -> None:
    async with serving(authenticator=OneKey()) as client:
        assert (await client.post("/v1/traces", traces(span()), Authorization="Bearer secret")).status == 200
        assert client.memory.received[0].project_id == "shop"


async def test_a_sender_over_its_limit_is_a_429_with_the_delay() -> None:
    known = OneKey()
    known.refusing = Throttled("over the project's limit", 2.5)
    async with serving(authenticator=known) as client:
        answer = await client.post("/v1/traces", traces(span()), Authorization="Bearer secret")
        assert (answer.status, answer.headers["Retry-After"]) == (429, "3")
        assert answer.problem == (8, "over the project's limit")


async def test_a_slow_check_of_a_password_is_waited_for() -> None:
    htpasswd = {"inline": "ali:" + bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode()}
    extension = BasicAuth(BasicAuthSettings.model_validate({"htpasswd": htpasswd, "project": "cave"}))
    async with serving(authenticator=extension) as client:
        for password, status in (("open sesame", 200), ("guess", 401)):
            pair = base64.b64encode(f"ali:{password}".encode()).decode()
            answer = await client.post("/v1/traces", traces(span()), Authorization=f"Basic {pair}")
            assert answer.status == status
    await extension.stop()


async def test_an_unknown_sender_is_a_401_in_the_encoding_of_its_request() -> None:
    async with serving(authenticator=OneKey()) as client:
        for media_type in (PROTOBUF, JSON):
            answer = await client.post("/v1/traces", b"", media_type, Authorization="Bearer guess")
            assert (answer.status, answer.content_type) == (401, media_type)
            assert answer.problem == (16, "the key is not known")


# browsers

BROWSER = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
CORS = {"cors": {"allowed_origins": ["https://*.example.com"], "allowed_headers": ["X-Mine"], "max_age": 600}}


async def test_a_preflight_is_answered_without_a_key() -> None:
    async with serving(settings(http=CORS, only="http"), OneKey()) as client:
        answer = await client.request("OPTIONS", "/v1/traces", headers=BROWSER)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Access-Control-Max-Age"] == "600"
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"content-type", "authorization", "traceparent", "X-Mine"} <= set(allowed)


async def test_a_preflight_from_elsewhere_is_a_403() -> None:
    async with serving(settings(http=CORS, only="http")) as client:
        elsewhere = BROWSER | {"Origin": "https://example.org"}
        answer = await client.request("OPTIONS", "/v1/traces", headers=elsewhere)
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(("body", "status"), [(b"{}", 200), (b"{", 400)])
async def test_a_browser_may_read_every_answer(body: bytes, status: int) -> None:
    async with serving(settings(http=CORS, only="http")) as client:
        answer = await client.post("/v1/traces", body, JSON, Origin="https://app.example.com")
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert answer.headers["Vary"] == "Origin"


async def test_any_header_can_be_allowed() -> None:
    cors = {"allowed_origins": ["*"], "allowed_headers": ["*"]}
    async with serving(settings(http={"cors": cors}, only="http")) as client:
        asking = BROWSER | {"Access-Control-Request-Headers": "x-one, x-two"}
        answer = await client.request("OPTIONS", "/v1/traces", headers=asking)
    assert answer.headers["Access-Control-Allow-Headers"] == "x-one, x-two"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"


async def test_responses_carry_the_configured_headers() -> None:
    async with serving(settings(http={"response_headers": {"X-Frame-Options": "DENY"}}, only="http")) as client:
        answer = await client.post("/v1/traces", b"{}", JSON)
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Server"].startswith("spanledger/")
