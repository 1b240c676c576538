"""`oauth2client` and `headers_setter` as a configuration puts them together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from spanledger.config import load_config
from spanledger.service import Service
from tests.cli.serving import span_body
from tests.clients.token_server import serving

CONFIG = """\
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}
exporters:
  otlp_http:
    endpoint: DESTINATION
    compression: none
    auth: {authenticator: headers_setter}
    retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}
extensions:
  file_storage: {directory: FOLDER/log}
  headers_setter:
    additional_auth: oauth2client
    headers: [{key: X-Scope-OrgID, value: acme}]
  oauth2client:
    client_id: shop
    client_secret: "s3cr:t"
    token_url: TOKENS
service:
  extensions: [headers_setter, oauth2client, file_storage]
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
"""


async def test_a_token_that_is_taken_back_is_replaced_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[tuple[str | None, str | None]] = []
    refused: list[str | None] = []
    good = "Bearer token-2"

    async def respond(request: web.Request) -> web.Response:
        token = request.headers.get("Authorization")
        if token != good:
            refused.append(token)
            return web.Response(status=401)
        taken.append((token, request.headers.get("X-Scope-OrgID")))
        return web.Response()

    application = web.Application()
    application.router.add_post("/v1/traces", respond)
    async with serving() as tokens, TestServer(application, host="127.0.0.1") as destination:
        # The authorization server is away at first: what arrives waits.
        asked = asyncio.Event()

        def away() -> web.Response:
            asked.set()
            return web.Response(status=503)

        tokens.answer = away
        file = tmp_path / "spanledger.yaml"
        text = CONFIG.replace("FOLDER", str(tmp_path)).replace("TOKENS", tokens.url)
        file.write_text(text.replace("DESTINATION", f"http://127.0.0.1:{destination.port}"))
        service = Service(load_config([file], env={}))
        await service.start()
        url = service.endpoints()["otlp over HTTP"] + "/v1/traces"
        headers = {"Content-Type": "application/json"}
        async with aiohttp.ClientSession() as session:
            body = span_body("00f067aa0ba90001", "gpt-4o")
            async with session.post(url, data=body, headers=headers) as response:
                assert response.status == 200
        await asked.wait()
        assert (taken, refused) == ([], [])
        tokens.answer = None
        assert await service.stop(30) is True
    assert refused == ["Bearer token-1"]
    assert taken == [("Bearer token-2", "acme")]
    assert "s3cr" not in caplog.text
    assert "token-" not in caplog.text
