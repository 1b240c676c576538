"""OTLP over gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc

Requests stay bytes: no generated servicer parses them, our own decoder does. gRPC itself undoes gzip, with the size
limit applied to the decompressed message as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc
import grpc.aio

from spanledger.errors import ConfigError
from spanledger.model.received import Encoding, Signal
from spanledger.receiver.auth import Authenticator
from spanledger.receiver.export import Exports
from spanledger.receiver.settings import MEBIBYTE, GrpcSettings
from spanledger.receiver.status import Failure, failure_of
from spanledger.settings import split_endpoint

_SIGNALS: Final = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
}
_MAX_METADATA_BYTES: Final = 64 * 1024
_NEVER_MS: Final = (1 << 31) - 1
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
if TYPE_CHECKING:
    GenericHandler = grpc.GenericRpcHandler[Any, Any]
else:
    GenericHandler = grpc.GenericRpcHandler


class GrpcServer:
    """Serves the Export method of the three OTLP services."""

    def __init__(self, settings: GrpcSettings, exports: Exports, authenticator: Authenticator) -> None:
        self._settings = settings
        self._exports = exports
        self._authenticator = authenticator
        self._server: grpc.aio.Server | None = None
        self.address: str | None = None
        """`host:port` once started."""

    async def start(self, *, reuse_port: bool = False) -> None:
        """Listen. Raises `ConfigError` when the endpoint cannot be bound."""
        host, port = split_endpoint(self._settings.endpoint)
        host = host or "::"
        shown = f"[{host}]" if ":" in host else host
        server = grpc.aio.server(options=_options(self._settings, reuse_port))
        server.add_generic_rpc_handlers((_Methods(self._exports, self._authenticator),))
        try:
            bound = server.add_insecure_port(f"{shown}:{port}")
        except RuntimeError:
            raise ConfigError(f"cannot listen on {shown}:{port}: is another process listening there?") from None
        await server.start()
        self._server = server
        self.address = f"{shown}:{bound}"

    async def stop(self, grace_seconds: float) -> None:
        """Take no new requests; let those in flight finish within the grace; close all connections."""
        if self._server is not None:
            await self._server.stop(grace_seconds)


class _Methods(GenericHandler):
    """Finds the handler of a call, when its metadata has arrived and its message has not been read."""

    def __init__(self, exports: Exports, authenticator: Authenticator) -> None:
        self._exports = exports
        self._authenticator = authenticator

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        signal = _SIGNALS.get(handler_call_details.method)
        if signal is None:
            return None  # UNIMPLEMENTED
        metadata = handler_call_details.invocation_metadata
        try:
            headers = {key: value for key, value in metadata if isinstance(value, str)}
            project_id = self._authenticator.authenticate(headers)
            self._exports.check(signal)
        except Exception as problem:
            return _refusal(failure_of(problem))
        return grpc.unary_unary_rpc_method_handler(partial(_export, self._exports, project_id, signal))


async def _export(exports: Exports, project_id: str, signal: Signal, body: bytes, context: Context) -> bytes:
    try:
        return await exports.take(project_id, signal, Encoding.PROTOBUF, body)
    except Exception as problem:
        answer = failure_of(problem)
    return await _abort(answer, context)


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
