"""A recorder between an application and spanledger: passes OTLP/HTTP requests on unchanged and keeps a copy.

What it kept can be sent once more, which is what a sender does that never saw the answer.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

_PASSED_ON = ("Content-Type", "Content-Encoding", "User-Agent")


@dataclass(frozen=True)
class Export:
    """One OTLP/HTTP export request, as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body, uncompressed."""
        return gzip.decompress(self.body) if self.headers.get("Content-Encoding") == "gzip" else self.body


@dataclass
class Relay:
    """The running recorder. `endpoint` is what `OTEL_EXPORTER_OTLP_ENDPOINT` wants."""

    upstream: str | None
    endpoint: str = ""
    exports: list[Export] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def bodies(self, signal: str) -> list[bytes]:
        """Uncompressed bodies of `traces`, `logs` or `metrics`, in order of arrival."""
        return [export.content for export in self.exports if export.path == f"/v1/{signal}"]

    async def send_again(self) -> None:
        """Every recorded request once more, byte for byte, to the upstream."""
        async with aiohttp.ClientSession() as session:
            for export in self.exports:
                url = f"{self.upstream}{export.path}"
                async with session.post(url, data=export.body, headers=export.headers) as response:
                    assert response.status == 200, await response.text()


@asynccontextmanager
async def recording(upstream: str | None = None) -> AsyncIterator[Relay]:
    """A recorder on a free port. Without an upstream it accepts everything itself."""
    relay = Relay(upstream)
    async with aiohttp.ClientSession() as session:

        async def receive(request: web.Request) -> web.Response:
            headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
            export = Export(request.path, headers, await request.read())
            relay.exports.append(export)
            if upstream is None:
                relay.statuses.append(200)
                return web.Response(body=b"", content_type="application/x-protobuf")
            url = f"{upstream}{export.path}"
            async with session.post(url, data=export.body, headers=export.headers) as response:
                answer = await response.read()
                relay.statuses.append(response.status)
                return web.Response(status=response.status, body=answer, content_type=response.content_type)

        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/{signal}", receive)
        runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            relay.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield relay
        finally:
            await runner.cleanup()
