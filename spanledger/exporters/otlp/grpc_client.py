"""Exporter `otlp`: bodies as they came, over gRPC."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
import grpc.aio
from multidict import CIMultiDict

from spanledger._version import __version__
from spanledger.exporters.base import WriteResult
from spanledger.exporters.otlp.answers import of_grpc
from spanledger.exporters.otlp.client import OtlpClient
from spanledger.exporters.otlp.settings import OtlpSettings
from spanledger.model.received import Signal

_METHODS: Final = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_COMPRESSIONS: Final = {
    "": grpc.Compression.NoCompression,
    "none": grpc.Compression.NoCompression,
    "deflate": grpc.Compression.Deflate,
}
_RESPONSE_AT_MOST: Final = 4 << 20
_LAST_REQUESTS: Final = 60.0
"""Seconds for requests on a channel that another one follows, where they have no limit of their own."""


class OtlpExporter(OtlpClient["grpc.aio.Channel"]):
    """One channel, requests as bytes: nothing is decoded on the way."""

    def __init__(self, settings: OtlpSettings, signal: Signal) -> None:
        super().__init__(f"otlp {settings.target}", signal, settings.headers, settings.tls)
        self._settings = settings
        self._export: Any = None  # stubs demand serialisers, grpc does not: bytes are sent as they are
        self._closing: set[asyncio.Task[None]] = set()

    def _connect(self) -> grpc.aio.Channel:
        settings = self._settings
        options = self._options()
        compression = _COMPRESSIONS.get(settings.compression, grpc.Compression.Gzip)
        if settings.secure:
            tls = settings.tls
            credentials = grpc.ssl_channel_credentials(tls.ca(), tls.key(), tls.certificate())
            channel = grpc.aio.secure_channel(settings.target, credentials, options, compression)
        else:
            channel = grpc.aio.insecure_channel(settings.target, options, compression)
        export: Any = channel.unary_unary
        self._export = export(_METHODS[self._signal], None, None)
        return channel

    async def _send(self, body: bytes, headers: CIMultiDict[str]) -> WriteResult:
        metadata = tuple((name.lower(), value) for name, value in headers.items())
        try:
            response = await self._export(body, timeout=self._settings.timeout or None, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            trailers: Any = error.trailing_metadata() or ()
            return of_grpc(error.code(), error.details() or "", dict(trailers))
        return self._taken(response)

    async def _let_go(self, connection: grpc.aio.Channel) -> None:
        task = asyncio.create_task(connection.close(self._settings.timeout or _LAST_REQUESTS))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the channel."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close(None)

    def _options(self) -> list[tuple[str, Any]]:
        settings = self._settings
        agent = f"spanledger/{__version__}"
        options: list[tuple[str, Any]] = [
            ("grpc.primary_user_agent", f"{settings.user_agent} {agent}" if settings.user_agent else agent),
            ("grpc.max_receive_message_length", _RESPONSE_AT_MOST),
            ("grpc.max_send_message_length", -1),
            ("grpc.enable_retries", 0),  # the pipeline repeats
            ("grpc.lb_policy_name", settings.balancer_name),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 5000),
            ("grpc.use_local_subchannel_pool", 1),  # a start after a fault begins with a connection of its own
        ]
        if settings.authority:
            options.append(("grpc.default_authority", settings.authority))
        if settings.tls.server_name_override:
            options.append(("grpc.ssl_target_name_override", settings.tls.server_name_override))
        if settings.keepalive:
            options += [
                ("grpc.keepalive_time_ms", round(settings.keepalive.time * 1000)),
                ("grpc.keepalive_timeout_ms", round(settings.keepalive.timeout * 1000)),
                ("grpc.keepalive_permit_without_calls", int(settings.keepalive.permit_without_stream)),
            ]
        return options
