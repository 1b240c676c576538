"""The exporters `otlp` and `otlphttp` against real receivers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from spanledger.access.bearer import BearerTokenAuth
from spanledger.access.settings import BearerTokenAuthSettings
from spanledger.clients.auth import Credentials
from spanledger.clients.tls import ClientTlsSettings
from spanledger.errors import CredentialsUnavailable, Overloaded, PayloadError, Throttled
from spanledger.exporters.base import WRITTEN, WriteResult
from spanledger.exporters.messages import count, halves
from spanledger.exporters.otlp import OtlpExporter, OtlpHttpExporter
from spanledger.exporters.otlp.answers import of_grpc, of_http
from spanledger.exporters.otlp.settings import OtlpHttpSettings, OtlpSettings
from spanledger.model.received import Encoding, Signal, Telemetry
from spanledger.receiver.otlp import OtlpReceiver
from tests.receiver import bodies
from tests.receiver.certificates import Authority
from tests.receiver.servers import Memory, OneKey, settings
from tests.receiver.tables import TABLE


def traces(*names: str) -> Telemetry:
    return Telemetry("acme", Signal.TRACES, bodies.traces(*map(bodies.span, names)))


@asynccontextmanager
async def receiving(memory: Memory, **options: Any) -> AsyncIterator[OtlpReceiver]:
    receiver = OtlpReceiver(settings(), TABLE, memory, **options)
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop(0)


@asynccontextmanager
async def exporting(
    receiver: OtlpReceiver, protocol: str, signal: Signal = Signal.TRACES, **keys: Any
) -> AsyncIterator[OtlpExporter | OtlpHttpExporter]:
    exporter: OtlpExporter | OtlpHttpExporter
    if protocol == "grpc":
        given = {"endpoint": f"http://{receiver.grpc_address}", **keys}
        exporter = OtlpExporter(OtlpSettings.model_validate(given), signal)
    else:
        given = {"endpoint": f"http://{receiver.http_address}", **keys}
        exporter = OtlpHttpExporter(OtlpHttpSettings.model_validate(given), signal)
    await exporter.start()
    try:
        yield exporter
    finally:
        await exporter.close()


both = pytest.mark.parametrize("protocol", ["grpc", "http"])


@pytest.mark.parametrize(
    ("protocol", "compression"),
    [
        *(("grpc", name) for name in ("gzip", "deflate", "zstd", "none")),
        *(("http", name) for name in ("gzip", "deflate", "zlib", "zstd", "snappy", "x-snappy-framed", "lz4", "none")),
    ],
)
async def test_bodies_arrive_byte_for_byte_in_one_request(protocol: str, compression: str) -> None:
    memory = Memory()
    async with receiving(memory) as receiver, exporting(receiver, protocol, compression=compression) as exporter:
        assert await exporter.write([traces("a"), traces("b", "c")], "") == WRITTEN
    assert [one.body for one in memory.received] == [traces("a").body + traces("b", "c").body]
    assert memory.names == ["a", "b", "c"]


async def test_json_says_the_same() -> None:
    memory = Memory()
    async with receiving(memory) as receiver, exporting(receiver, "http", encoding="json") as exporter:
        assert await exporter.write([traces("a")], "") == WRITTEN
    assert [(one.encoding, one.signal) for one in memory.received] == [(Encoding.JSON, Signal.TRACES)]
    assert [item.trace_id for one in memory.received for item in one.items if hasattr(item, "trace_id")] == [
        bodies.TRACE_ID
    ]


@both
async def test_headers_are_sent(protocol: str) -> None:
    memory = Memory()
    key = OneKey()
    async with receiving(memory, authenticators={"": key}) as receiver:
        async with exporting(receiver, protocol, headers={"Authorization": "Bearer secret"}) as exporter:
            assert await exporter.write([traces("a")], "") == WRITTEN
        async with exporting(receiver, protocol) as stranger:
            answer = await stranger.write([traces("b")], "")
    assert memory.names == ["a"]
    # A key can be put right, and then the same request goes through: no reason to give data up.
    assert answer.retry is not None
    assert "not known" in answer.retry
    assert answer.refused is None


@both
async def test_credentials_of_an_extension_are_sent_as_they_are_now(protocol: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    extension = BearerTokenAuth(BearerTokenAuthSettings.model_validate({"filename": token}))
    await extension.start()
    memory = Memory()
    async with (
        receiving(memory, authenticators={"": OneKey()}) as receiver,
        exporting(receiver, protocol) as exporter,
    ):
        exporter.credentials = extension
        assert (await exporter.write([traces("a")], "")).retry is not None
        token.write_text("secret\n")
        assert extension.look()
        assert await exporter.write([traces("b")], "") == WRITTEN
    await extension.stop()
    assert memory.names == ["b"]


class Tenants(Credentials):
    """Sends what a request was kept with; some of it cannot be sent, and of the rest there is none for a while."""

    def __init__(self) -> None:
        self.turned_down_times = 0

    async def put(self, headers: MutableMapping[str, str], context: str) -> None:
        if context == "nonsense":
            raise PayloadError("nonsense is no header")
        if context == "later":
            raise CredentialsUnavailable("no token yet")
        headers["Authorization"] = f"Bearer {context}"

    def turned_down(self) -> None:
        self.turned_down_times += 1


def of(context: str, name: str) -> Telemetry:
    return replace(traces(name), context=context)


@both
async def test_each_context_goes_in_a_request_of_its_own(protocol: str) -> None:
    memory = Memory()
    async with (
        receiving(memory, authenticators={"": OneKey()}) as receiver,
        exporting(receiver, protocol, headers={"Authorization": "Bearer of the settings"}) as exporter,
    ):
        exporter.credentials = tenants = Tenants()
        batch = [of("secret", "a"), of("stranger", "b"), of("secret", "c")]
        answer = await exporter.write(batch, "")
        later = await exporter.write([of("later", "d"), of("secret", "e"), of("nonsense", "f")], "")
    assert [one.body for one in memory.received] == [batch[0].body + batch[2].body, traces("e").body]
    # What a sender chose is the sender's: nobody waits until it is put right.
    assert answer.refused is not None
    assert "not known" in answer.refused
    assert (answer.retry, answer.stored) == (None, [0, 2])
    assert tenants.turned_down_times == 1
    assert later == WriteResult(retry="no token yet", stored=[1])


@both
async def test_the_servers_delay_is_heard(protocol: str) -> None:
    memory = Memory()
    async with receiving(memory) as receiver, exporting(receiver, protocol) as exporter:
        memory.failure = Overloaded("the log is full", 7.0)
        overloaded = await exporter.write([traces("a")], "")
        memory.failure = Throttled("project shop sent its 100 items", 30.0)
        throttled = await exporter.write([traces("a")], "")
    assert (overloaded.retry_after, throttled.retry_after) == (7.0, 30.0)
    assert overloaded.retry is not None
    assert "the log is full" in overloaded.retry


@both
async def test_what_can_never_be_right_is_refused(protocol: str) -> None:
    async with receiving(Memory()) as receiver, exporting(receiver, protocol) as exporter:
        answer = await exporter.write([Telemetry("acme", Signal.TRACES, b"\xff\xff")], "")
    assert answer.retry is None
    assert answer.refused is not None


@both
async def test_items_refused_in_a_success_are_counted_and_never_sent_again(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    memory = Memory()
    bad = bodies.traces(bodies.span("good"), bodies.span("bad", trace_id=b"short"))
    async with receiving(memory) as receiver, exporting(receiver, protocol) as exporter:
        assert await exporter.write([Telemetry("acme", Signal.TRACES, bad)], "") == WRITTEN
        assert exporter.refused == 1
    assert memory.names == ["good"]
    assert "refused 1 of the traces of a request" in caplog.text


@both
async def test_a_server_that_is_away_is_worth_another_attempt(protocol: str) -> None:
    async with receiving(Memory()) as receiver, exporting(receiver, protocol) as exporter:
        await receiver.stop(0)
        answer = await exporter.write([traces("a")], "")
    assert answer.retry is not None


async def test_a_slow_answer_ends_at_the_timeout() -> None:
    memory = Memory()
    memory.gate.clear()
    async with receiving(memory) as receiver:
        for protocol in ("grpc", "http"):
            async with exporting(receiver, protocol, timeout="50ms") as exporter:
                assert (await exporter.write([traces("a")], "")).retry is not None
        memory.gate.set()


@asynccontextmanager
async def answering(respond: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[OtlpHttpExporter]:
    application = web.Application()
    application.router.add_post("/v1/traces", respond)
    async with TestServer(application) as server:
        exporter = OtlpHttpExporter(
            OtlpHttpSettings.model_validate({"endpoint": f"http://127.0.0.1:{server.port}/"}), Signal.TRACES
        )
        await exporter.start()
        yield exporter
        await exporter.close()


async def test_the_reason_is_read_from_the_status() -> None:
    async def respond(request: web.Request) -> web.Response:
        body = Status(code=3, message="span 7 has no name").SerializeToString()
        return web.Response(status=400, body=body, content_type="application/x-protobuf")

    async with answering(respond) as exporter:
        assert await exporter.write([traces("a")], "") == WriteResult(refused="HTTP 400 span 7 has no name")


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        (429, "12", WriteResult(retry="HTTP 429 no", retry_after=12.0)),
        (503, None, WriteResult(retry="HTTP 503 no")),
        (502, "soon", WriteResult(retry="HTTP 502 no")),
        (504, "Wed, 21 Oct 2015 07:28:00 GMT", WriteResult(retry="HTTP 504 no", retry_after=0.0)),
        (400, None, WriteResult(refused="HTTP 400 no")),
        (413, "5", WriteResult(refused="HTTP 413 no")),
        (500, None, WriteResult(refused="HTTP 500 no")),
        (401, None, WriteResult(retry="HTTP 401 no")),
        (404, None, WriteResult(retry="HTTP 404 no")),
        (302, None, WriteResult(retry="HTTP 302 no")),
    ],
)
def test_the_table_of_http(status: int, retry_after: str | None, expected: WriteResult) -> None:
    assert of_http(status, retry_after, "no") == expected


@pytest.mark.parametrize(
    ("code", "retried"),
    [
        (grpc.StatusCode.CANCELLED, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, True),
        (grpc.StatusCode.ABORTED, True),
        (grpc.StatusCode.OUT_OF_RANGE, True),
        (grpc.StatusCode.UNAVAILABLE, True),
        (grpc.StatusCode.DATA_LOSS, True),
        (grpc.StatusCode.UNAUTHENTICATED, True),
        (grpc.StatusCode.PERMISSION_DENIED, True),
        (grpc.StatusCode.UNIMPLEMENTED, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, False),
        (grpc.StatusCode.INVALID_ARGUMENT, False),
        (grpc.StatusCode.INTERNAL, False),
        (grpc.StatusCode.UNKNOWN, False),
        (grpc.StatusCode.NOT_FOUND, False),
        (grpc.StatusCode.FAILED_PRECONDITION, False),
    ],
)
def test_the_table_of_grpc(code: grpc.StatusCode, retried: bool) -> None:
    answer = of_grpc(code, "no", {})
    assert (answer.retry, answer.refused) == ((f"{code.name}: no", None) if retried else (None, f"{code.name}: no"))


def test_a_full_server_that_says_when_is_asked_again() -> None:
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)))
    trailers: dict[str, bytes | str] = {"grpc-status-details-bin": Status(details=[detail]).SerializeToString()}
    assert of_grpc(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", trailers) == WriteResult(
        retry="RESOURCE_EXHAUSTED: slow down", retry_after=1.5
    )


def names_of(telemetry: Telemetry) -> list[str]:
    request = ExportTraceServiceRequest.FromString(telemetry.body)
    return [span.name for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def test_a_body_is_halved_down_to_its_items() -> None:
    one = traces("a", "b", "c")
    both_resources = Telemetry("acme", Signal.TRACES, one.body + traces("d").body)
    assert [names_of(half) for half in halves(both_resources)] == [["a", "b", "c"], ["d"]]
    assert [names_of(half) for half in halves(one)] == [["a"], ["b", "c"]]
    assert halves(traces("a")) == ()
    assert halves(Telemetry("acme", Signal.TRACES, b"\xff")) == ()


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (bodies.traces(bodies.span("a"), bodies.span("b")) + bodies.traces(bodies.span("c")), 3),
        (bodies.logs(bodies.log_record(), bodies.log_record()), 2),
        (b"", 0),
        (b"\xff" * 100, 0),
        (b"\x0a\x7f", 0),
    ],
)
def test_items_are_counted_without_reading_them(body: bytes, items: int) -> None:
    assert count(body) == items


# Settings.


@pytest.mark.parametrize(
    ("endpoint", "insecure", "target", "secure"),
    [
        ("gateway:4317", False, "gateway:4317", True),
        ("gateway:4317", True, "gateway:4317", False),
        ("http://gateway:4317", False, "gateway:4317", False),
        ("https://gateway:4317/", True, "gateway:4317", True),
        ("dns:///gateway:4317", True, "dns:///gateway:4317", False),
        ("unix:///run/otel.sock", False, "unix:///run/otel.sock", False),
    ],
)
def test_endpoints_as_the_collector_takes_them(endpoint: str, insecure: bool, target: str, secure: bool) -> None:
    found = OtlpSettings.model_validate({"endpoint": endpoint, "tls": {"insecure": insecure}})
    assert (found.target, found.secure) == (target, secure)


def test_addresses_of_signals() -> None:
    found = OtlpHttpSettings.model_validate(
        {"endpoint": "http://gateway:4318/otel/", "logs_endpoint": "https://logs.example.com/in"}
    )
    assert [found.url(signal) for signal in Signal] == [
        "http://gateway:4318/otel/v1/traces",
        "https://logs.example.com/in",
        "http://gateway:4318/otel/v1/metrics",
    ]


def test_headers_may_be_a_list() -> None:
    given = {"endpoint": "http://gateway:4318", "headers": [{"name": "X-Key", "value": "k"}]}
    found = OtlpHttpSettings.model_validate(given)
    assert {name: value.get_secret_value() for name, value in found.headers.items()} == {"X-Key": "k"}
    assert "k'" not in repr(found)


@pytest.mark.parametrize(
    ("model", "given", "text"),
    [
        (OtlpHttpSettings, {}, "expected endpoint, or one of"),
        (OtlpHttpSettings, {"endpoint": "gateway:4318"}, "expected addresses such as"),
        (OtlpHttpSettings, {"endpoint": "http://user:pass@gateway"}, "expected no user or password"),
        (OtlpSettings, {"endpoint": "gateway:4317", "tls": {"insecure_skip_verify": True}}, "not possible over gRPC"),
        (OtlpSettings, {"endpoint": "gateway:4317", "tls": {"min_version": "1.3"}}, "no other bounds"),
        (OtlpHttpSettings, {"endpoint": "http://gateway", "compression_params": {"level": 10}}, "a level from 1 to 9"),
        (
            OtlpHttpSettings,
            {"endpoint": "http://gateway", "compression": "snappy", "compression_params": {"level": 1}},
            "no level",
        ),
        (OtlpHttpSettings, {"endpoint": "http://gateway", "tls": {"cipher_suites": ["A"]}}, "cipher_suites"),
        (OtlpSettings, {"endpoint": "gateway:4317", "tls": {"cert_file": "a.pem"}}, "certificate and its key"),
    ],
)
def test_settings_that_cannot_be(model: Any, given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        model.model_validate(given)


@pytest.mark.parametrize(("compression", "level"), [("gzip", 9), ("zstd", 22), ("deflate", 1), ("zlib", -1)])
async def test_how_hard_to_compress_may_be_said(compression: str, level: int) -> None:
    memory = Memory()
    keys: dict[str, Any] = {"compression": compression, "compression_params": {"level": level}}
    async with receiving(memory) as receiver, exporting(receiver, "http", **keys) as exporter:
        assert await exporter.write([traces("a")], "") == WRITTEN
    assert memory.names == ["a"]


@pytest.mark.parametrize(("keys", "expected"), [({}, [None, None]), ({"cookies": {"enabled": True}}, [None, "to=one"])])
async def test_cookies_are_sent_back_where_that_is_asked_for(keys: dict[str, Any], expected: list[str | None]) -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "to=one; Path=/"})

    app = web.Application()
    app.router.add_post("/v1/traces", answer)
    async with TestServer(app) as server:
        given = {"endpoint": f"http://127.0.0.1:{server.port}", **keys}
        exporter = OtlpHttpExporter(OtlpHttpSettings.model_validate(given), Signal.TRACES)
        await exporter.start()
        for name in ("a", "b"):
            assert await exporter.write([traces(name)], "") == WRITTEN
        await exporter.close()
    assert seen == expected


@pytest.mark.parametrize(("newest", "goes"), [("1.2", False), ("1.3", True)])
async def test_over_http_the_oldest_version_of_tls_may_be_said(tmp_path: Path, newest: str, goes: bool) -> None:
    authority = Authority(tmp_path)
    memory = Memory()
    tls = {**authority.issue(), "max_version": newest}
    receiver = OtlpReceiver(settings(http={"tls": tls}), TABLE, memory)
    await receiver.start()
    given = {"endpoint": receiver.http_url, "tls": {"ca_file": str(authority.file), "min_version": "1.3"}}
    exporter = OtlpHttpExporter(OtlpHttpSettings.model_validate(given), Signal.TRACES)
    await exporter.start()
    assert (await exporter.write([traces("a")], "") == WRITTEN) is goes
    await exporter.close()
    await receiver.stop(0)
    assert memory.names == (["a"] if goes else [])


@both
async def test_the_systems_authorities_may_be_trusted_beside_its_own(tmp_path: Path, protocol: str) -> None:
    authority = Authority(tmp_path)
    memory = Memory()
    served: dict[str, Any] = {protocol: {"tls": authority.issue()}}
    receiver = OtlpReceiver(settings(**served), TABLE, memory)
    await receiver.start()
    address = receiver.grpc_address if protocol == "grpc" else receiver.http_address
    endpoint = f"https://localhost:{str(address).rpartition(':')[2]}"
    tls = {"ca_file": str(authority.file), "include_system_ca_certs_pool": True}
    exporter: OtlpExporter | OtlpHttpExporter
    if protocol == "grpc":
        given = OtlpSettings.model_validate({"endpoint": endpoint, "tls": tls})
        exporter = OtlpExporter(given, Signal.TRACES)
    else:
        exporter = OtlpHttpExporter(OtlpHttpSettings.model_validate({"endpoint": endpoint, "tls": tls}), Signal.TRACES)
    await exporter.start()
    assert await exporter.write([traces("a")], "") == WRITTEN
    await exporter.close()
    await receiver.stop(0)
    known = ClientTlsSettings.model_validate(tls).ca() or b""
    system = ssl.create_default_context().get_ca_certs(binary_form=True)
    assert known.count(b"BEGIN CERTIFICATE") == 1 + len(system)


@both
async def test_certificates_that_are_renewed_are_read_again(tmp_path: Path, protocol: str) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    memory = Memory()
    served: dict[str, Any] = {protocol: {"tls": authority.issue()}}
    receiver = OtlpReceiver(settings(**served), TABLE, memory)
    await receiver.start()
    address = receiver.grpc_address if protocol == "grpc" else receiver.http_address
    keys = {
        "endpoint": f"https://localhost:{str(address).rpartition(':')[2]}",
        "tls": {"ca_file": str(stranger.file), "reload_interval": "1ms"},
    }
    exporter: OtlpExporter | OtlpHttpExporter
    if protocol == "grpc":
        exporter = OtlpExporter(OtlpSettings.model_validate(keys), Signal.TRACES)
    else:
        exporter = OtlpHttpExporter(OtlpHttpSettings.model_validate(keys), Signal.TRACES)
    await exporter.start()
    assert (await exporter.write([traces("a")], "")).retry is not None
    authority.file.replace(stranger.file)
    while await exporter.write([traces("b")], "") != WRITTEN:
        pass
    await exporter.close()
    await receiver.stop(0)
    assert memory.names == ["b"]


def test_compressions_that_grpc_does_not_have_are_told() -> None:
    settings = OtlpSettings.model_validate({"endpoint": "gateway:4317", "compression": "zstd"})
    assert list(settings.without_effect()) == ["compression: zstd has no effect; gRPC for Python sends gzip instead"]
