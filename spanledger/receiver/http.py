"""OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from spanledger._version import __version__
from spanledger.access.authenticator import Authenticator, Sender, sender_of
from spanledger.errors import Overloaded, PayloadError, PayloadTooLarge
from spanledger.model.context import NO_CONTEXT, RequestContext
from spanledger.model.received import Encoding, Signal
from spanledger.receiver.admission import Admission, Reservation
from spanledger.receiver.client_events import PATHS as CLIENT_PATHS
from spanledger.receiver.compression import BodyReader
from spanledger.receiver.context import context_of
from spanledger.receiver.cors import CorsPolicy
from spanledger.receiver.export import Exports
from spanledger.receiver.http_connection import Connection
from spanledger.receiver.idle_connections import Closable, Connections, Unspoken
from spanledger.receiver.listen import UNIX, Listeners, connections_at_most
from spanledger.receiver.settings import HttpSettings
from spanledger.receiver.status import Code, Failure, failure, failure_of
from spanledger.receiver.tls import HANDSHAKE_SECONDS, Certificates
from spanledger.receiver.traffic import Traffic
from spanledger.tracing import current_span

_MEDIA_TYPES: Final = {Encoding.PROTOBUF: "application/x-protobuf", Encoding.JSON: "application/json"}
_ENCODINGS: Final = {media_type: encoding for encoding, media_type in _MEDIA_TYPES.items()}

_LUNARY_PREFIX: Final = "/v1/otel"
"""Lunary's documentation gives this as the OTLP endpoint, its server listened on /v1/traces: both are served, and
the prefix alone is what an exporter posts to whose URL is taken as it stands."""
_RATE_GRACE: Final = 10.0
"""Seconds at the start of a body in which its pace does not count."""
_LINGER: Final = 0.25
"""Seconds that connections have to bring one more request when the server stops: what was opened just before is
answered, not cut off."""
_SHUTDOWN_STEP: Final = 0.25
"""Seconds that aiohttp is given to write what is already answered."""


class HttpServer:
    """Serves export requests on the paths of the three signals."""

    def __init__(
        self, settings: HttpSettings, exports: Exports, authenticator: Authenticator, admission: Admission
    ) -> None:
        self._settings = settings
        self.traffic = Traffic()
        self._admission = admission
        self._exports = exports
        self._authenticator = authenticator
        self._cors = CorsPolicy(settings.cors) if settings.cors.allowed_origins else None
        self._encodings = frozenset(settings.compression_algorithms) - {""}
        self._max_decompressed = settings.max_decompressed_body_size or settings.max_request_body_size
        self._signals = _paths(settings)
        self._connections: Connections[Closable] = Connections(
            settings.max_connections or connections_at_most(), settings.idle_timeout
        )
        self._headers = {"Server": f"spanledger/{__version__}", **settings.response_headers}
        self._server: web.Server | None = None
        self._listeners = Listeners()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    @property
    def address(self) -> str | None:
        """`host:port` or `unix:/path`, once started."""
        return self._listeners.address

    @property
    def url(self) -> str | None:
        """Where senders find it: `http://host:port`, `https://host:port` or `unix:/path`; None before `start`."""
        if self.address is None or self.address.startswith(UNIX):
            return self.address
        return f"{'http' if self._settings.tls is None else 'https'}://{self.address}"

    async def start(self, *, reuse_port: bool = False) -> None:
        """Listen. Raises `ConfigError` when the endpoint cannot be bound or a certificate cannot be used."""
        settings = self._settings
        options: dict[str, Any] = {}
        if settings.tls is not None:
            options = {
                "ssl": Certificates(settings.tls, "protocols::http::tls", "http/1.1").context(),
                "ssl_handshake_timeout": HANDSHAKE_SECONDS,
            }
        loop = asyncio.get_running_loop()
        self._server = server = web.Server(self._handle)

        def connection() -> Unspoken:
            return Unspoken(self._connections, lambda: self._connection(server, loop))

        await self._listeners.open(settings.endpoint, connection, reuse_port=reuse_port, **options)

    async def stop(self, grace_seconds: float) -> None:
        """Take no new connections; let those that stand bring one last request, and what is in flight finish, within
        the grace; close all connections."""
        self._stopping = True
        self._listeners.close()
        if self._server is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._connections.wait_for_none(_LINGER)
                await self._idle.wait()
        self._server.pre_shutdown()
        self._connections.close()
        await self._server.shutdown(_SHUTDOWN_STEP)

    def _connection(self, server: web.Server, loop: asyncio.AbstractEventLoop) -> Connection:
        settings = self._settings
        return Connection(
            server,
            self._connections,
            self._headers,
            loop=loop,
            head_timeout=settings.read_header_timeout,
            idle_timeout=settings.idle_timeout,
        )

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        connection = cast(Connection, request.protocol)  # made by _connection
        connection.request_began()
        self._in_flight += 1
        self._idle.clear()
        try:
            response = await self._answer(request)
            response.headers.update(self._headers)
            origin = request.headers.get("Origin")
            if self._cors is not None and origin is not None and self._cors.allows(origin):
                response.headers.update(self._cors.response_headers(origin))
            if self._stopping or not self._settings.keep_alives_enabled:
                response.force_close()
            return response
        finally:
            connection.request_ended()
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        encoding = _ENCODINGS.get(_media_type(request.headers))
        path = request.path.rstrip("/")
        told = CLIENT_PATHS.get(path)
        signal = Signal.TRACES if told is not None else self._signals.get(path)
        if signal is None:
            paths = ", ".join(self._signals)
            return _failed(failure(Code.UNIMPLEMENTED, f"nothing is served here; paths are {paths}"), encoding)
        if (
            request.method == "OPTIONS"
            and self._cors is not None
            and "Access-Control-Request-Method" in request.headers
        ):
            return self._preflight(self._cors, request)
        if request.method != "POST":
            response = _failed(
                failure(Code.UNIMPLEMENTED, f"{request.method} is not possible, use POST", 405), encoding
            )
            response.headers["Allow"] = "POST" if self._cors is None else "POST, OPTIONS"
            return response
        if not self._exports.traced:
            return await self._take(request, signal, encoding, told)
        with self._exports.span(signal, "http", {key.lower(): value for key, value in request.headers.items()}) as span:
            response = await self._take(request, signal, encoding, told)
            span.attributes["http.response.status_code"] = response.status
        return response

    async def _take(
        self, request: web.BaseRequest, signal: Signal, encoding: Encoding | None, told: Encoding | None
    ) -> web.Response:
        try:
            sender = sender_of(self._authenticator, request.headers)
            if not isinstance(sender, Sender):
                sender = await sender
            self._exports.check(signal)
            context = NO_CONTEXT
            if self._exports.uses_contexts:
                headers = request.headers.items() if self._settings.include_metadata else ()
                context = context_of(sender.caller, request.remote or "", headers)
            if told is not None:
                take = partial(self._events, sender, told, context)
            elif encoding is not None:
                take = partial(self._export, sender, signal, encoding, context)
            else:
                return _unsupported_media_type(request.headers)
            if (request.content_length or 0) > self._settings.max_request_body_size:
                raise PayloadTooLarge(f"the request body is larger than {self._settings.max_request_body_size} bytes")
            self._exports.check_room(request.content_length)
            with self._admission.reserve(request.content_length or 0) as reservation:
                return await take(await self._read(request, reservation))
        except ConnectionError:  # the sender is gone and reads no answer; raised, aiohttp would log it as our error
            response = web.Response(status=400)
            response.force_close()
            return response
        except Exception as problem:
            self.traffic.refuse(problem, signal)
            answer = failure_of(problem)
            current_span().fail(answer.message)
            if told is not None:
                return _failed_client(answer)
            return _failed(answer, encoding)

    async def _export(
        self, sender: Sender, signal: Signal, encoding: Encoding, context: RequestContext, body: bytes
    ) -> web.Response:
        accepted = await self._exports.take(sender, signal, encoding, body, self.traffic, context)
        return web.Response(body=accepted, headers={"Content-Type": _MEDIA_TYPES[encoding]})

    async def _events(self, sender: Sender, told: Encoding, context: RequestContext, body: bytes) -> web.Response:
        results = await self._exports.client_events.take(sender, told, body, self.traffic, context)
        return web.Response(body=msgspec.json.encode(results), content_type="application/json")

    async def _read(self, request: web.BaseRequest, reservation: Reservation) -> bytes:
        """The decompressed body. Raises `PayloadError`, also for a body that does not keep to HTTP, and `Overloaded`
        for one that takes too long or grows when there is no room."""
        reader = BodyReader(
            request.headers.get("Content-Encoding", ""),
            self._settings.max_request_body_size,
            self._max_decompressed,
            self._encodings,
            reservation.grow,
        )
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # aiohttp takes any output for a begun response
        content = request.content
        try:
            if content.is_eof():  # a small body comes with its head, and there is nothing to wait for
                while not content.at_eof():
                    reader.feed(content.read_nowait())
                return reader.finish()
            pace = _Pace(self._settings, request.content_length or 0)
            received = 0
            async with asyncio.timeout_at(pace.deadline(0)) as patience:
                while not content.at_eof():
                    data = await content.readany()
                    received += len(data)
                    patience.reschedule(pace.deadline(received))
                    reader.feed(data)
        except TimeoutError:
            raise Overloaded("the request body took too long to arrive", retry_after=1) from None
        except web.RequestPayloadError as problem:
            raise PayloadError(f"the request body does not keep to HTTP: {problem}") from None
        return reader.finish()

    def _preflight(self, cors: CorsPolicy, request: web.BaseRequest) -> web.Response:
        origin = request.headers.get("Origin", "")
        if not cors.allows(origin):
            return _failed(failure(Code.PERMISSION_DENIED, "this origin is not in cors.allowed_origins"), None)
        return web.Response(status=204, headers=cors.preflight_headers(request.headers))


class _Pace:
    """How long a body may take: as a whole, between two pieces, and in relation to what has come."""

    __slots__ = ("_began", "_idle", "_rate", "_whole")

    def __init__(self, settings: HttpSettings, length: int) -> None:
        """`length`: bytes announced, 0 when unknown."""
        self._began = asyncio.get_running_loop().time()
        self._idle = settings.body_idle_timeout or math.inf
        self._whole = settings.read_timeout or math.inf
        # A large body holds much room: one that cannot be complete in time at its pace is not waited for.
        self._rate = max(settings.min_body_rate, length / self._whole)

    def deadline(self, received: int) -> float | None:
        """When patience ends, by the event loop's clock, if nothing more comes after these bytes."""
        until = min(self._began + self._whole, asyncio.get_running_loop().time() + self._idle)
        if self._rate:
            until = min(until, self._began + _RATE_GRACE + received / self._rate)
        return None if until == math.inf else until


def _paths(settings: HttpSettings) -> dict[str, Signal]:
    signals = {
        settings.traces_url_path: Signal.TRACES,
        settings.logs_url_path: Signal.LOGS,
        settings.metrics_url_path: Signal.METRICS,
    }
    lunary = {f"{_LUNARY_PREFIX}/v1/{signal}": signal for signal in Signal}
    return {path.rstrip("/"): signal for path, signal in {_LUNARY_PREFIX: Signal.TRACES, **lunary, **signals}.items()}


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _unsupported_media_type(headers: Mapping[str, str]) -> web.Response:
    found = _media_type(headers)[:100]
    text = f"Content-Type is {found!r}" if found else "Content-Type is missing"
    problem = failure(Code.INVALID_ARGUMENT, f"{text}, expected {' or '.join(_ENCODINGS)}", http=415)
    return _failed(problem, None)


def _failed_client(problem: Failure) -> web.Response:
    """A response as Lunary's clients read it."""
    body = {"error": problem.code.name.lower(), "message": problem.message}
    response = web.Response(status=problem.http, body=msgspec.json.encode(body), content_type="application/json")
    if (retry_after := problem.retry_after_seconds()) is not None:
        response.headers["Retry-After"] = retry_after
    return response


def _failed(problem: Failure, encoding: Encoding | None) -> web.Response:
    """A response with a google.rpc.Status; in JSON where the request's encoding is none of ours."""
    encoding = encoding or Encoding.JSON
    response = web.Response(
        status=problem.http, body=problem.body(encoding), headers={"Content-Type": _MEDIA_TYPES[encoding]}
    )
    retry_after = problem.retry_after_seconds()
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response
