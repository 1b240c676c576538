"""Own telemetry on its way to an OTLP receiver, over HTTP or gRPC."""

from __future__ import annotations

import gzip
import math
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import grpc
import grpc.aio

from spanledger._version import __version__
from spanledger.errors import ConfigError
from spanledger.model.received import Signal
from spanledger.telemetry.otlp_settings import OtlpClientSettings
from spanledger.tracing import OWN_AGENT

_AGENT: Final = f"{OWN_AGENT}/{__version__}"
_METHODS: Final = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}


class SendError(Exception):
    """A request did not go through. `again`: the same may go through later."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class OtlpClient:
    """Sends requests of one signal, on connections that stay."""

    def __init__(self, settings: OtlpClientSettings, signal: Signal) -> None:
        self._settings = settings
        self._signal = signal
        self._session: aiohttp.ClientSession | None = None
        self._call: Callable[..., Any] | None = None
        self._channel: grpc.aio.Channel | None = None

    async def start(self) -> None:
        """Raises `ConfigError` when a certificate cannot be used."""
        settings = self._settings
        try:
            files = (settings.certificate, settings.client_key, settings.client_certificate)
            contents = [file.read_bytes() if file is not None else None for file in files]
            if settings.protocol == "grpc":
                self._channel = self._open_channel(*contents)
                self._call = self._channel.unary_unary(_METHODS[self._signal], bytes, bytes)
                return
            context = ssl.create_default_context(cafile=settings.certificate)
            if settings.client_certificate is not None and settings.client_key is not None:
                context.load_cert_chain(settings.client_certificate, settings.client_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"own {self._signal}: a certificate or key cannot be used: {error}") from error
        timeout = aiohttp.ClientTimeout(total=settings.timeout / 1000)
        connector = aiohttp.TCPConnector(ssl=context)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, headers={"User-Agent": _AGENT})

    async def send(self, body: bytes, within: float = math.inf) -> None:
        """Send a request; `within`: seconds, where that is less than the settings say. Raises `SendError`."""
        seconds = min(within, self._settings.timeout / 1000)
        if self._call is not None:
            await self._send_by_grpc(self._call, body, seconds)
        elif self._session is not None:
            await self._send_by_http(self._session, body, seconds)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        if self._channel is not None:
            await self._channel.close(None)

    async def _send_by_http(self, session: aiohttp.ClientSession, body: bytes, seconds: float) -> None:
        settings = self._settings
        url = settings.endpoint if "://" in settings.endpoint else f"http://{settings.endpoint}"
        if urlsplit(url).path in ("", "/"):
            url = f"{url.rstrip('/')}/v1/{self._signal}"
        headers = {"content-type": "application/x-protobuf", **settings.all_headers()}
        if settings.compression == "gzip":
            headers["content-encoding"] = "gzip"
            body = gzip.compress(body, 1)
        try:
            timeout = aiohttp.ClientTimeout(total=seconds)
            async with session.post(url, data=body, headers=headers, timeout=timeout) as response:
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise SendError(str(error) or type(error).__name__, again=True) from error
        if not 200 <= status < 300:
            raise SendError(f"HTTP status {status}", again=status in (429, 502, 503, 504))

    def _open_channel(self, ca: bytes | None, key: bytes | None, certificate: bytes | None) -> grpc.aio.Channel:
        settings = self._settings
        scheme, _, target = settings.endpoint.rpartition("://")
        gzipped = settings.compression == "gzip"
        compression = grpc.Compression.Gzip if gzipped else grpc.Compression.NoCompression
        options = [("grpc.primary_user_agent", _AGENT)]
        if scheme == "http" or (not scheme and settings.insecure):
            return grpc.aio.insecure_channel(target, options, compression)
        credentials = grpc.ssl_channel_credentials(ca, key, certificate)
        return grpc.aio.secure_channel(target, credentials, options, compression)

    async def _send_by_grpc(self, call: Callable[..., Any], body: bytes, seconds: float) -> None:
        try:
            await call(body, timeout=seconds, metadata=list(self._settings.all_headers().items()))
        except grpc.aio.AioRpcError as error:
            again = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            raise SendError(error.details() or error.code().name, again=again) from error
