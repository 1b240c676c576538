"""Exporter `otlphttp`: bodies as they came, over HTTP."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import Final

import aiohttp
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from spanledger._version import __version__
from spanledger.errors import ConfigError
from spanledger.exporters.base import WRITTEN, WriteResult
from spanledger.exporters.messages import as_json, merged, refused_items
from spanledger.exporters.otlp.answers import of_http
from spanledger.exporters.otlp.encodings import compressor
from spanledger.exporters.otlp.settings import OtlpHttpSettings
from spanledger.exporters.raw import RawExporter
from spanledger.model.received import Signal, Telemetry

logger = logging.getLogger(__name__)

_ANSWER_AT_MOST: Final = 64 * 1024
_LARGE: Final = 256 * 1024
"""Bytes from which a body is compressed beside the event loop: about 2 ms of gzip."""


class OtlpHttpExporter(RawExporter):
    """One session, whose connections are kept."""

    concurrency = 4

    def __init__(self, settings: OtlpHttpSettings, signal: Signal) -> None:
        """Raises `ConfigError` when the settings do not say where the signal goes."""
        url = settings.url(signal)
        if url is None:
            raise ConfigError(f"otlphttp: neither endpoint nor {signal}_endpoint says where {signal} go")
        self.name = f"otlphttp {url}"
        self._url = url
        self._settings = settings
        self._signal = signal
        self._session: aiohttp.ClientSession | None = None
        self._writing: Counter[aiohttp.ClientSession] = Counter()
        """Requests on their way through each session."""
        self._certificates = settings.tls.watched()
        params = settings.compression_params
        self._compress = compressor(settings.compression, params.level if params is not None else 0)
        self._headers = {
            "Content-Type": "application/json" if settings.encoding == "json" else "application/x-protobuf",
            "User-Agent": f"spanledger/{__version__}",
        }
        if self._compress is not None:
            self._headers["Content-Encoding"] = "deflate" if settings.compression == "zlib" else settings.compression
        self._headers |= {name: value.get_secret_value() for name, value in settings.headers.items()}
        self.refused = 0
        """Items that the destination said it refused, in answers that were a success otherwise."""

    async def start(self) -> None:
        """Make the session; it connects when there is something to send. Raises `ConfigError`."""
        settings = self._settings
        context: ssl.SSLContext | bool = settings.tls.context() if self._url.startswith("https:") else True
        connector = aiohttp.TCPConnector(
            ssl=context,
            limit=settings.max_conns_per_host,
            force_close=settings.disable_keep_alives,
            keepalive_timeout=None if settings.disable_keep_alives else settings.idle_conn_timeout,
        )
        timeout = aiohttp.ClientTimeout(total=settings.timeout or None)
        kept = settings.cookies is not None and settings.cookies.enabled
        jar = aiohttp.CookieJar(unsafe=True) if kept else aiohttp.DummyCookieJar()  # unsafe: also of IP addresses
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True, cookie_jar=jar)

    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        """Send the bodies as one request."""
        if self._certificates.changed():
            await self._renew()
        session = self._session
        if session is None:
            raise RuntimeError("the exporter is not started")
        self._writing[session] += 1
        try:
            return await self._send(session, batch)
        finally:
            self._writing[session] -= 1
            if not self._writing[session]:
                del self._writing[session]
                if session is not self._session:
                    await session.close()

    async def _renew(self) -> None:
        """Another session, with the certificates as they are now. The one before ends with its last request."""
        before = self._session
        try:
            await self.start()
        except ConfigError as error:
            logger.error("%s: changed certificates are not used: %s", self.name, error)
            return
        logger.info("%s: certificates are read again", self.name)
        if before is not None and before not in self._writing:
            await before.close()

    async def _send(self, session: aiohttp.ClientSession, batch: Sequence[Telemetry]) -> WriteResult:
        body = merged(one.body for one in batch)
        try:
            body = self._encoded(body) if len(body) < _LARGE else await asyncio.to_thread(self._encoded, body)
        except ValueError as error:
            return WriteResult(refused=str(error))
        tls = self._settings.tls
        try:
            async with session.post(
                self._url,
                data=body,
                headers={**self._headers, **self.credentials()},
                proxy=self._settings.proxy_url,
                allow_redirects=False,
                server_hostname=tls.server_name_override,
            ) as response:
                answer = await response.content.read(_ANSWER_AT_MOST)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return WriteResult(retry=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        is_json = response.content_type == "application/json"
        if not 200 <= response.status < 300:
            return of_http(response.status, response.headers.get("Retry-After"), _text(answer, response.content_type))
        count, why = refused_items(self._signal, answer, json=is_json)
        if count or why:
            self.refused += count
            logger.warning("%s refused %d of the %s of a request: %s", self.name, count, self._signal, why[:300])
        return WRITTEN

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _encoded(self, body: bytes) -> bytes:
        if self._settings.encoding == "json":
            body = as_json(self._signal, body)
        return self._compress(body) if self._compress is not None else body


def _text(answer: bytes, content_type: str) -> str:
    """What an answer says: the message of a `google.rpc.Status`, or the body itself."""
    if content_type == "application/x-protobuf":
        try:
            return str(status_pb2.Status.FromString(answer).message)
        except DecodeError:
            return ""
    return answer.decode("utf-8", "replace")
