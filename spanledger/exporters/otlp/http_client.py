"""Exporter `otlphttp`: bodies as they came, over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from typing import Final

import aiohttp
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from multidict import CIMultiDict

from spanledger._version import __version__
from spanledger.errors import ConfigError
from spanledger.exporters.base import WriteResult
from spanledger.exporters.messages import as_json
from spanledger.exporters.otlp.answers import of_http
from spanledger.exporters.otlp.client import OtlpClient
from spanledger.exporters.otlp.encodings import compressor
from spanledger.exporters.otlp.settings import OtlpHttpSettings
from spanledger.model.received import Signal

_ANSWER_AT_MOST: Final = 64 * 1024
_LARGE: Final = 256 * 1024
"""Bytes from which a body is compressed beside the event loop: about 2 ms of gzip."""


class OtlpHttpExporter(OtlpClient[aiohttp.ClientSession]):
    """One session, whose connections are kept."""

    def __init__(self, settings: OtlpHttpSettings, signal: Signal) -> None:
        """Raises `ConfigError` when the settings do not say where the signal goes."""
        url = settings.url(signal)
        if url is None:
            raise ConfigError(f"otlphttp: neither endpoint nor {signal}_endpoint says where {signal} go")
        super().__init__(f"otlphttp {url}", signal, settings.headers, settings.tls)
        self._url = url
        self._settings = settings
        self._writing: Counter[aiohttp.ClientSession] = Counter()
        """Requests on their way through each session."""
        params = settings.compression_params
        self._compress = compressor(settings.compression, params.level if params is not None else 0)
        self._headers = {
            "Content-Type": "application/json" if settings.encoding == "json" else "application/x-protobuf",
            "User-Agent": f"spanledger/{__version__}",
        }
        if self._compress is not None:
            self._headers["Content-Encoding"] = "deflate" if settings.compression == "zlib" else settings.compression

    def _connect(self) -> aiohttp.ClientSession:
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
        return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True, cookie_jar=jar)

    async def _send(self, body: bytes, headers: CIMultiDict[str]) -> WriteResult:
        session = self._connection
        if session is None:
            raise RuntimeError("the exporter is not started")
        self._writing[session] += 1
        try:
            return await self._post(session, body, headers)
        finally:
            self._writing[session] -= 1
            if not self._writing[session]:
                del self._writing[session]
                if session is not self._connection:
                    await session.close()

    async def _let_go(self, connection: aiohttp.ClientSession) -> None:
        if connection not in self._writing:
            await connection.close()

    async def _post(self, session: aiohttp.ClientSession, body: bytes, headers: CIMultiDict[str]) -> WriteResult:
        try:
            body = self._encoded(body) if len(body) < _LARGE else await asyncio.to_thread(self._encoded, body)
        except ValueError as error:
            return WriteResult(refused=str(error))
        own = CIMultiDict(self._headers)
        own.update(headers)
        try:
            async with session.post(
                self._url,
                data=body,
                headers=own,
                proxy=self._settings.proxy_url,
                allow_redirects=False,
                server_hostname=self._settings.tls.server_name_override,
            ) as response:
                answer = await response.content.read(_ANSWER_AT_MOST)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return WriteResult(retry=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        if not 200 <= response.status < 300:
            return of_http(response.status, response.headers.get("Retry-After"), _text(answer, response.content_type))
        return self._taken(answer, json=response.content_type == "application/json")

    async def close(self) -> None:
        """Close all connections."""
        if self._connection is not None:
            await self._connection.close()

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
