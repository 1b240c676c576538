"""OTLP over gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc

Requests stay bytes: no generated servicer parses them, our own decoder does. gRPC itself undoes gzip, with the size
limit applied to the decompressed message as well.

A message is collected inside gRPC, which tells nobody how large it is before it is complete. So the methods are served
as if they took a stream: then gRPC calls the handler before it reads the message, and the handler admits it. See
`_Message` for how much room that takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc
import grpc.aio

from spanledger.access.authenticator import Authenticator, Sender, sender_of
from spanledger.errors import ConfigError, Overloaded, PayloadError
from spanledger.model.context import NO_CONTEXT, RequestContext
from spanledger.model.received import Encoding, Signal
from spanledger.receiver.admission import Admission, Reservation
from spanledger.receiver.context import address_of_peer, context_of
from spanledger.receiver.export import Exports
from spanledger.receiver.listen import UNIX, make_way, remove_socket
from spanledger.receiver.settings import MEBIBYTE, GrpcSettings
from spanledger.receiver.slow_messages import SlowMessages
from spanledger.receiver.status import Code, Failure, failure, failure_of
from spanledger.receiver.tls import Certificates
from spanledger.receiver.traffic import Traffic
from spanledger.settings import split_endpoint
from spanledger.tracing import NO_SPAN, Span

_SIGNALS: Final = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
}
_MAX_METADATA_BYTES: Final = 64 * 1024
_HANDSHAKE_MS: Final = 10_000
"""For a new connection to speak HTTP/2; gRPC's own default is two minutes."""
_UNASKED: Final = 64 * 1024
"""Bytes of a message that arrive before anybody reads it: the first window of an HTTP/2 stream (RFC 9113, 6.9.2)."""
_PROMPT: Final = 0.02
"""Seconds in which an ordinary message is there: what is not costs a look at the memory, and nothing else."""
_NEVER_MS: Final = (1 << 31) - 1
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
if TYPE_CHECKING:
    GenericHandler = grpc.GenericRpcHandler[Any, Any]
else:
    GenericHandler = grpc.GenericRpcHandler


class GrpcServer:
    """Serves the Export method of the three OTLP services."""

    def __init__(
        self, settings: GrpcSettings, exports: Exports, authenticator: Authenticator, admission: Admission
    ) -> None:
        self._settings = settings
        self.traffic = Traffic()
        self._methods = _Methods(settings, exports, authenticator, admission, self.traffic)
        self._server: grpc.aio.Server | None = None
        self.address: str | None = None
        """`host:port` or `unix:/path`, once started."""

    async def start(self, *, reuse_port: bool = False) -> None:
        """Listen. Raises `ConfigError` when the endpoint cannot be bound or a certificate cannot be used."""
        settings = self._settings
        address = settings.endpoint
        if address.startswith(UNIX):
            make_way(address.removeprefix(UNIX))
        else:
            host, port = split_endpoint(address)
            host = host or "::"
            address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        credentials = None
        if settings.tls is not None:
            credentials = Certificates(settings.tls, "protocols::grpc::tls").grpc_credentials()
        server = grpc.aio.server(options=_options(settings, reuse_port))
        server.add_generic_rpc_handlers((self._methods,))
        try:
            bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        except RuntimeError:
            raise ConfigError(f"cannot listen on {address}: is another process listening there?") from None
        await server.start()
        self._server = server
        self.address = address if address.startswith(UNIX) else f"{address.rpartition(':')[0]}:{bound}"

    async def stop(self, grace_seconds: float) -> None:
        """Take no new requests; let those in flight finish within the grace; close all connections."""
        if self._server is None:
            return
        await self._server.stop(grace_seconds)
        if self.address is not None and self.address.startswith(UNIX):
            remove_socket(self.address.removeprefix(UNIX))


class _Methods(GenericHandler):
    """Finds the handler of a call, when its metadata has arrived and its message has not been read."""

    def __init__(
        self,
        settings: GrpcSettings,
        exports: Exports,
        authenticator: Authenticator,
        admission: Admission,
        traffic: Traffic,
    ) -> None:
        self._traffic = traffic
        self._read_timeout = settings.read_timeout
        self._include_metadata = settings.include_metadata
        self._exports = exports
        self._authenticator = authenticator
        self._admission = admission
        self._slow = SlowMessages(admission.max_bytes, settings.max_recv_msg_size_mib * MEBIBYTE)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        signal = _SIGNALS.get(handler_call_details.method)
        if signal is None:
            return None  # UNIMPLEMENTED
        metadata = handler_call_details.invocation_metadata
        try:
            # gRPC refuses those over its own bound too, but only after the handler was called.
            if sum(len(key) + len(value) for key, value in metadata) > _MAX_METADATA_BYTES:
                return _refusal(failure(Code.RESOURCE_EXHAUSTED, f"more than {_MAX_METADATA_BYTES} bytes of metadata"))
            sender = sender_of(self._authenticator, _strings(metadata))
            self._exports.check(signal)
            self._exports.check_room(None)
        except Exception as problem:
            self._traffic.refuse(problem, signal)
            answer = failure_of(problem)
            if self._exports.traced:
                with self._exports.span(signal, "grpc", _strings(metadata)) as span:
                    _tell(span, answer)
            return _refusal(answer)
        return grpc.stream_unary_rpc_method_handler(partial(self._traced, sender, signal))

    async def _traced(
        self,
        sender: Sender | Awaitable[Sender],
        signal: Signal,
        requests: AsyncIterator[bytes],
        context: Context,
    ) -> bytes:
        if not self._exports.traced:
            return await self._export(sender, signal, context, NO_SPAN)
        with self._exports.span(signal, "grpc", _strings(context.invocation_metadata() or ())) as span:
            return await self._export(sender, signal, context, span)

    async def _export(self, sender: Sender | Awaitable[Sender], signal: Signal, context: Context, span: Span) -> bytes:
        try:
            if not isinstance(sender, Sender):
                sender = await sender
            with self._admission.reserve(_UNASKED) as reservation:
                body = await _Message(context, reservation, self._slow, self._read_timeout).read()
                told = self._told(sender, context) if self._exports.uses_contexts else NO_CONTEXT
                return await self._exports.take(sender, signal, Encoding.PROTOBUF, body, self._traffic, told)
        except Exception as problem:
            self._traffic.refuse(problem, signal)
            answer = failure_of(problem)
        _tell(span, answer)
        return await _abort(answer, context)

    def _told(self, sender: Sender, context: Context) -> RequestContext:
        metadata = context.invocation_metadata() if self._include_metadata else None
        return context_of(sender.caller, address_of_peer(context.peer()), metadata or ())


class _Message:
    """The message of one call, on its way in.

    Nearly all are there at once, and take the room of their actual size. One that is not there promptly is watched
    together with all others like it (`SlowMessages`): a sender far away needs some round trips for half a megabyte,
    and many of those must find room, but not many of 64 MiB.
    """

    __slots__ = ("_context", "_given_up", "_has_place", "_loop", "_reservation", "_slow", "_task", "_timeout", "_timer")

    def __init__(self, context: Context, reservation: Reservation, slow: SlowMessages, timeout: float) -> None:
        self._context = context
        self._reservation = reservation
        self._slow = slow
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._given_up: Overloaded | None = None
        self._has_place = False

    async def read(self) -> bytes:
        """The message, its size reserved. Raises `Overloaded` for one that takes too long or finds no room, and
        `PayloadError` when there is none."""
        await self._slow.turn()
        self._has_place = True
        try:
            self._reservation.check_unknown()
            self._slow.begin()
            self._task = asyncio.current_task()
            self._timer = self._loop.call_later(_PROMPT, self._not_prompt)
            message = await self._context.read()
        except asyncio.CancelledError:
            task = self._task
            if self._given_up is None or task is None or task.uncancel():
                raise
            raise self._given_up from None
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._slow.remove(self)
            self._leave()
        if not isinstance(message, bytes):  # grpc.aio.EOF
            raise PayloadError("the call brings no message")
        self._reservation.grow(len(message))
        self._reservation.shrink(len(message))
        return message

    def give_up(self) -> None:
        self._end(self._slow.overloaded())

    def _leave(self) -> None:
        if self._has_place:
            self._has_place = False
            self._slow.leave()

    def _not_prompt(self) -> None:
        self._slow.add(self)
        self._leave()
        if self._timeout:
            self._timer = self._loop.call_later(self._timeout, self._late)

    def _late(self) -> None:
        self._end(Overloaded("the message took too long to arrive", retry_after=1))

    def _end(self, problem: Overloaded) -> None:
        self._given_up = problem
        if self._task is not None:
            self._task.cancel()


def _strings(metadata: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    return {key: value for key, value in metadata if isinstance(value, str)}


def _tell(span: Span, answer: Failure) -> None:
    span.set(status=answer.code.name)
    span.fail(answer.message)


def _refusal(answer: Failure) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler that reads no message: gRPC calls one for streams before the first has arrived."""
    return grpc.stream_unary_rpc_method_handler(partial(_refuse, answer))


async def _refuse(answer: Failure, requests: AsyncIterator[bytes], context: Context) -> bytes:
    return await _abort(answer, context)


async def _abort(answer: Failure, context: Context) -> bytes:
    status = answer.status()
    await context.abort(_CODES[answer.code], status.message, answer.trailers())
    raise AssertionError("abort returned")


def _options(settings: GrpcSettings, reuse_port: bool) -> list[tuple[str, int]]:
    """gRPC core's channel arguments (grpc/impl/channel_arg_names.h)."""
    server, policy = settings.keepalive.server_parameters, settings.keepalive.enforcement_policy
    options = [
        ("grpc.so_reuseport", int(reuse_port)),  # on by default: a second process would silently share the port
        ("grpc.max_receive_message_length", settings.max_recv_msg_size_mib * MEBIBYTE),
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.max_connection_idle_ms", _milliseconds(server.max_connection_idle)),
        ("grpc.max_connection_age_ms", _milliseconds(server.max_connection_age)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(server.max_connection_age_grace)),
        ("grpc.keepalive_time_ms", _milliseconds(server.time)),
        ("grpc.keepalive_timeout_ms", _milliseconds(server.timeout)),
        ("grpc.keepalive_permit_without_calls", int(policy.permit_without_stream)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", round(policy.min_time * 1000)),
    ]
    if settings.max_concurrent_streams is not None:
        options.append(("grpc.max_concurrent_streams", settings.max_concurrent_streams))
        # Else gRPC refuses streams at random near the limit: 114 of 200 calls of a client that kept to it (1.85).
        options.append(("grpc.http.overload_protection", 0))
    return options


def _milliseconds(seconds: float) -> int:
    return min(round(seconds * 1000), _NEVER_MS) or _NEVER_MS
