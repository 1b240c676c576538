"""Exporter `otlp`: bodies as they came, over gRPC."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

import grpc
import grpc.aio

from spanledger._version import __version__
from spanledger.errors import ConfigError
from spanledger.exporters.base import WRITTEN, WriteResult
from spanledger.exporters.messages import merged, refused_items
from spanledger.exporters.otlp.answers import of_grpc
from spanledger.exporters.otlp.settings import OtlpSettings
from spanledger.exporters.raw import RawExporter
from spanledger.model.received import Signal, Telemetry

logger = logging.getLogger(__name__)

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


class OtlpExporter(RawExporter):
    """One channel, requests as bytes: nothing is decoded on the way."""

    concurrency = 4

    def __init__(self, settings: OtlpSettings, signal: Signal) -> None:
        self.name = f"otlp {settings.target}"
        self._settings = settings
        self._signal = signal
        self._channel: Any = None  # stubs demand serialisers, grpc does not: bytes are sent as they are
        self._export: Any = None
        self._certificates = settings.tls.watched()
        self._closing: set[asyncio.Task[None]] = set()
        self._metadata = tuple(
            (name.lower(), value.get_secret_value()) for name, value in sorted(settings.headers.items())
        )
        self.refused = 0
        """Items that the destination said it refused, in answers that were a success otherwise."""

    async def start(self) -> None:
        """Make the channel; it connects when there is something to send, and again whenever it must. Raises
        `ConfigError` for certificates that cannot be read."""
        settings = self._settings
        options = self._options()
        compression = _COMPRESSIONS.get(settings.compression, grpc.Compression.Gzip)
        if settings.secure:
            tls = settings.tls
            credentials = grpc.ssl_channel_credentials(tls.ca(), tls.key(), tls.certificate())
            self._channel = grpc.aio.secure_channel(settings.target, credentials, options, compression)
        else:
            self._channel = grpc.aio.insecure_channel(settings.target, options, compression)
        self._export = self._channel.unary_unary(_METHODS[self._signal], None, None)

    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        """Send the bodies as one request."""
        if self._certificates.changed():
            await self._renew()
        call = self._export(
            merged(one.body for one in batch), timeout=self._settings.timeout or None, metadata=self._sent()
        )
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            trailers: Any = error.trailing_metadata() or ()
            return of_grpc(error.code(), error.details() or "", dict(trailers))
        count, why = refused_items(self._signal, response)
        if count or why:
            self.refused += count
            logger.warning("%s refused %d of the %s of a request: %s", self.name, count, self._signal, why[:300])
        return WRITTEN

    async def _renew(self) -> None:
        """Another channel, with the certificates as they are now. The one before ends with its last request."""
        before = self._channel
        try:
            await self.start()
        except ConfigError as error:
            logger.error("%s: changed certificates are not used: %s", self.name, error)
            return
        logger.info("%s: certificates are read again", self.name)
        task = asyncio.create_task(before.close(self._settings.timeout or _LAST_REQUESTS))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the channel."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()

    def _sent(self) -> tuple[tuple[str, str], ...]:
        lent = self.credentials()
        return (*self._metadata, *((name.lower(), value) for name, value in lent.items())) if lent else self._metadata

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
