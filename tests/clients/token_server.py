"""An OAuth 2.0 token endpoint for the grant of client credentials."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer


class TokenServer:
    """Issues `token-1`, `token-2`, … to the client `shop` with the secret `s3cr:t`; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.headers: list[str | None] = []
        self.expires_in: object = 3600
        self.answer: Callable[[], web.Response] | None = None
        self.in_body = False
        self.issued = 0
        self.url = ""

    async def respond(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.asked.append({name: [str(value) for value in form.getall(name)] for name in form})
        self.headers.append(request.headers.get("Authorization"))
        if self.answer is not None:
            return self.answer()
        pair = "Basic " + base64.b64encode(b"shop:s3cr%3At").decode()
        known = form.get("client_secret") == "s3cr:t" if self.in_body else self.headers[-1] == pair
        if not known:
            return web.json_response({"error": "invalid_client", "error_description": "s3cr:t is wrong"}, status=401)
        self.issued += 1
        content = {"access_token": f"token-{self.issued}", "token_type": "bearer", "expires_in": self.expires_in}
        return web.json_response(content)


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None) -> AsyncIterator[TokenServer]:
    tokens = TokenServer()
    application = web.Application()
    application.router.add_post("/token", tokens.respond)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server(ssl=context)
    tokens.url = f"{'https://localhost' if context else 'http://127.0.0.1'}:{server.port}/token"
    try:
        yield tokens
    finally:
        await server.close()
