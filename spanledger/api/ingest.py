"""What clients tell the API: Lunary's events, a gateway's request log, and what people think of a run. All of it goes
through the log and the mapping, as spans do."""

from __future__ import annotations

import time
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web

from spanledger.access.authenticator import Authenticator, Sender
from spanledger.api.answers import CALLER, answer, json_body
from spanledger.api.parameters import InvalidParameters
from spanledger.errors import NotServed
from spanledger.model.received import Encoding

_LONGEST: Final = 10_000


class ClientEvents(Protocol):
    """Takes the body of a client; see `spanledger.receiver.client_events`."""

    async def take(self, sender: Sender, encoding: Encoding, body: bytes) -> dict[str, Any]:
        """A result for each entry, once what is good is safe. Raises `PayloadError` and what the log raises."""


class Feedback(msgspec.Struct):
    """A user's opinion of a run: what is left out stays, null takes it back."""

    thumb: str | msgspec.UnsetType | None = msgspec.UNSET
    comment: str | msgspec.UnsetType | None = msgspec.UNSET


class GivenScore(msgspec.Struct):
    """A score of a run. The same label replaces it; a value of null takes it back."""

    label: str
    value: float | str | bool | None = None
    comment: str | None = None


class Ingest:
    """Handlers of `POST /v1/runs/ingest` and its like, and of feedback and scores."""

    def __init__(self, events: ClientEvents | None, authenticator: Authenticator) -> None:
        self._events = events
        self._authenticator = authenticator

    async def lunary(self, request: web.Request) -> web.Response:
        """`POST /v1/runs/ingest`."""
        return answer(await self._take(request, Encoding.LUNARY, None))

    async def gateway(self, request: web.Request) -> web.Response:
        """`POST /v1/logs/gateway`."""
        return answer(await self._take(request, Encoding.GATEWAY, None))

    async def feedback(self, request: web.Request) -> web.Response:
        """`PATCH /v1/runs/{id}/feedback`; null as body takes everything back."""
        given: Feedback | None = await json_body(request, Feedback | None)
        told = {"thumb": None, "comment": None} if given is None else msgspec.to_builtins(given)
        if told.get("thumb") not in (None, "up", "down"):
            raise InvalidParameters(
                [{"parameter": "thumb", "found": str(told["thumb"])[:200], "expected": "up, down or null"}]
            )
        _short("comment", told.get("comment"))
        if told:
            event = {"event": "feedback", "type": None, "feedback": told}
            await self.tell(request, request.match_info["id"], event)
        return answer(told)

    async def score(self, request: web.Request) -> web.Response:
        """`PATCH /v1/runs/{id}/score`."""
        given: GivenScore = await json_body(request, GivenScore)
        if not given.label:
            raise InvalidParameters([{"parameter": "label", "found": "", "expected": "a text"}])
        for name in ("label", "value", "comment"):
            _short(name, getattr(given, name))
        told = msgspec.to_builtins(given)
        await self.tell(request, request.match_info["id"], {"event": "score", "type": None, "score": told})
        return answer(told)

    async def tell(self, request: web.Request, run_id: str, event: dict[str, Any]) -> None:
        """Take an event of a run, as if a client had sent it."""
        event |= {"runId": run_id, "timestamp": time.time_ns() // 1000}
        await self._take(request, Encoding.LUNARY, msgspec.json.encode({"events": [event]}))

    async def _take(self, request: web.Request, encoding: Encoding, body: bytes | None) -> dict[str, Any]:
        if self._events is None:
            raise NotServed("this API only reads")
        sender = Sender(request[CALLER], self._authenticator)
        self._authenticator.admit(sender.caller)
        return await self._events.take(sender, encoding, await request.read() if body is None else body)


def _short(name: str, value: object) -> None:
    if isinstance(value, str) and len(value) > _LONGEST:
        expected = f"a text of at most {_LONGEST} characters"
        raise InvalidParameters([{"parameter": name, "found": value[:200], "expected": expected}])
