"""Lunary's ingest and a gateway's request log, on their way to the log: who an event belongs to, and an answer for
each.

The SDKs of Lunary decide how: the Python one sends a batch again for ever unless it gets 200, the JavaScript one
never looks at the status (lunary 1.x, `consumer.py` and `lunary.ts`). So one bad event never fails the others, and
what can be kept is answered with 200.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import msgspec

from spanledger.access.authenticator import Sender
from spanledger.access.caller import Caller
from spanledger.errors import PayloadError, PermissionDenied, Unauthenticated
from spanledger.model.client_event import ClientEvent
from spanledger.model.context import NO_CONTEXT, RequestContext
from spanledger.model.received import Encoding, Intake, Received, Signal
from spanledger.receiver.admission import Turnstile
from spanledger.receiver.traffic import Traffic
from spanledger.receiver.wire.client_events import Told, read_gateway, read_lunary

PATHS: Final = {
    "/v1/runs/ingest": Encoding.LUNARY,
    "/api/report": Encoding.LUNARY,  # lunary-js before 0.5
    "/v1/logs/gateway": Encoding.GATEWAY,
}
_LARGE_BODY: Final = 512 * 1024
"""Bytes from which a body is read beside the event loop."""
_DECODED_AT_ONCE: Final = 16 << 20


class ClientEvents:
    """Takes bodies of clients; one for each server."""

    def __init__(self, intake: Intake, turnstile: Turnstile | None = None) -> None:
        self._intake = intake
        self._turnstile = turnstile or Turnstile(_DECODED_AT_ONCE)
        self._decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="client events")

    async def take(
        self,
        sender: Sender,
        encoding: Encoding,
        body: bytes,
        traffic: Traffic | None = None,
        context: RequestContext = NO_CONTEXT,
    ) -> dict[str, Any]:
        """One result for each entry, in their order, once what is good is safe; entries are counted in `traffic`.
        Raises `PayloadError` when the body holds none, and what the intake raises."""
        received_ns = time.time_ns()
        if not self._turnstile.pass_at_once(len(body)):
            await self._turnstile.wait(len(body))
        try:
            read = read_lunary if encoding is Encoding.LUNARY else read_gateway
            if len(body) < _LARGE_BODY:
                told = read(body)
            else:
                told = await asyncio.get_running_loop().run_in_executor(self._decoder, read, body)
            good = 0
            for project, entries in (await self._by_project(sender, told)).items():
                whole = body if len(entries) == len(told) else _body_of(encoding, entries)
                items = [ClientEvent(encoding, each.body) for each in entries if not each.passed_over]
                if items:
                    received = Received(project, Signal.TRACES, encoding, whole, items, received_ns, context=context)
                    await self._accept(received, entries)
                    kept = sum(each.error is None and not each.passed_over for each in entries)
                    sender.charge(kept, len(whole))
                    good += kept
            if traffic is not None:
                refused = sum(each.error is not None for each in told)
                traffic.accept(Signal.TRACES, sender.project_id, good, refused, len(body))
        finally:
            self._turnstile.leave(len(body))
        return {"results": [_result(each) for each in told]}

    async def _accept(self, received: Received, entries: list[Told]) -> None:
        """Entries of one project. Where a processor gives the request up, each is tried alone, and those that it does
        not take get the error."""
        try:
            await self._intake.accept(received)
            return
        except PayloadError as error:
            if len(received.items) == 1:
                for each in entries:
                    if not each.passed_over:
                        each.error = str(error)
                return
        for each in entries:
            if not each.passed_over:
                alone = replace(
                    received,
                    body=_body_of(received.encoding, [each]),
                    items=[ClientEvent(received.encoding, each.body)],
                )
                await self._accept(alone, [each])

    async def _by_project(self, sender: Sender, told: list[Told]) -> dict[str, list[Told]]:
        """Good entries by the project they belong to: the sender's, or that of the key which an event names as its
        `appId`, for one process may report for several. An `appId` that is no key spoils its event alone."""
        known: dict[str, str | None] = {sender.project_id: sender.project_id}
        found: dict[str, list[Told]] = {}
        for each in told:
            if each.error is not None:
                continue
            app_id = each.body.get("appId")
            project: str | None = sender.project_id
            if isinstance(app_id, str) and app_id:
                if app_id not in known:
                    known[app_id] = await _project_of(sender, app_id)
                project = known[app_id]
            if project is None:
                each.error = "appId: no key of this server"
            else:
                found.setdefault(project, []).append(each)
        return found

    def close(self) -> None:
        """Let go of the thread."""
        self._decoder.shutdown(wait=False, cancel_futures=True)


async def _project_of(sender: Sender, key: str) -> str | None:
    try:
        caller = sender.authenticator.authenticate({"authorization": f"Bearer {key}"})
        if not isinstance(caller, Caller):
            caller = await caller
        sender.authenticator.admit(caller)
    except (Unauthenticated, PermissionDenied):
        return None
    return caller.project_id


def _body_of(encoding: Encoding, entries: list[Told]) -> bytes:
    bodies = [each.body for each in entries]
    return msgspec.json.encode({"events": bodies} if encoding is Encoding.LUNARY else bodies)


def _result(told: Told) -> dict[str, Any]:
    if told.error is None:
        return {"id": told.id, "success": True}
    return {"id": told.id, "success": False, "error": told.error}
