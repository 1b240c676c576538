"""A model provider on loopback that answers what the test wrote down, and remembers what it was asked.

It speaks OpenAI's API (Chat Completions and Responses, whole and streaming) and Anthropic's (Messages, whole). Nothing
in it is random: ids count up, and tokens are the ones of the script.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

from tests.e2e import anthropic_messages, openai_chat, openai_responses
from tests.e2e.script import Failure, Numbered, Reply, Tokens

Json: TypeAlias = dict[str, Any]

_ID_PREFIXES = {"completions": "chatcmpl-e2e-", "responses": "resp_e2e_", "messages": "msg_e2e_"}


@dataclass(frozen=True)
class Asked:
    """A request that arrived."""

    path: str
    body: Json


@dataclass
class Provider:
    """The running provider. `base_url` is what `OPENAI_BASE_URL` wants."""

    script: list[Reply | Failure]
    base_url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answered: list[Numbered] = field(default_factory=list)
    _calls: int = 0

    @property
    def tokens(self) -> Tokens:
        """What all answers together consumed: what the provider's bill says."""
        return sum((reply.tokens for reply in self.answered), Tokens(0, 0))

    def _next(self, request: Asked) -> Numbered | Failure:
        position = len(self.asked)
        self.asked.append(request)
        if position >= len(self.script):
            return Failure(500, "script_ended", f"the script has {len(self.script)} answers, this is one more")
        reply = self.script[position]
        if isinstance(reply, Failure):
            return reply
        calls = []
        for call in reply.calls:
            self._calls += 1
            calls.append((f"call_{self._calls}", call))
        prefix = _ID_PREFIXES[request.path.rpartition("/")[2]]
        numbered = Numbered(
            id=f"{prefix}{len(self.answered) + 1}",
            model=reply.model or str(request.body["model"]),
            text=reply.text,
            calls=tuple(calls),
            tokens=reply.tokens,
        )
        self.answered.append(numbered)
        return numbered

    async def chat_completions(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.path, await request.json())
        reply = self._next(asked)
        if isinstance(reply, Failure):
            return _failed(reply)
        if not asked.body.get("stream"):
            return web.json_response(openai_chat.whole(reply))
        with_usage = bool((asked.body.get("stream_options") or {}).get("include_usage"))
        chunks = [f"data: {json.dumps(chunk)}\n\n" for chunk in openai_chat.chunks(reply, with_usage=with_usage)]
        return await _stream(request, [*chunks, "data: [DONE]\n\n"])

    async def responses(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(request.path, await request.json())
        reply = self._next(asked)
        if isinstance(reply, Failure):
            return _failed(reply)
        if not asked.body.get("stream"):
            return web.json_response(openai_responses.whole(reply))
        events = openai_responses.events(reply)
        return await _stream(request, [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events])

    async def messages(self, request: web.Request) -> web.StreamResponse:
        reply = self._next(Asked(request.path, await request.json()))
        return _failed(reply) if isinstance(reply, Failure) else web.json_response(anthropic_messages.whole(reply))


def _failed(failure: Failure) -> web.Response:
    error = {"message": failure.message, "type": failure.code, "param": None, "code": failure.code}
    return web.json_response({"error": error}, status=failure.status)


async def _stream(request: web.Request, parts: Iterable[str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for part in parts:
        await response.write(part.encode())
        await asyncio.sleep(0)
    await response.write_eof()
    return response


@asynccontextmanager
async def running(*script: Reply | Failure) -> AsyncIterator[Provider]:
    """A provider that gives these answers, in this order, on a free port of 127.0.0.1."""
    provider = Provider(list(script))
    app = web.Application()
    app.router.add_post("/v1/chat/completions", provider.chat_completions)
    app.router.add_post("/v1/responses", provider.responses)
    app.router.add_post("/v1/messages", provider.messages)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        provider.base_url = f"http://127.0.0.1:{port}/v1"
        yield provider
    finally:
        await runner.cleanup()
