"""Bodies that clients send otherwise than by OTLP: Lunary's `POST /v1/runs/ingest` and a gateway's request log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from spanledger.errors import PayloadError, PayloadTooLarge
from spanledger.model.client_event import ClientEvent
from spanledger.model.received import Decoded, Encoding
from spanledger.receiver.wire.limits import DEFAULT_LIMITS, Limits

_EVENTS: Final = frozenset(
    ("start", "end", "error", "feedback", "chat", "custom-event", "update", "score", "info", "warn", "debug", "stream")
)
_COMMENT: Final = re.compile(rb"^\s*//", re.MULTILINE)
_LONGEST_ID: Final = 1000


@dataclass(slots=True)
class Told:
    """One entry of a body: what it is called, what it holds, or why it cannot be used."""

    id: str | None
    body: dict[str, Any]
    error: str | None = None
    passed_over: bool = False
    """Right, and about no run: it is accepted and not kept."""


def decode_client_events(encoding: Encoding, body: bytes, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """`spanledger.model.received.Decode` for these bodies."""
    told = read_lunary(body, limits) if encoding is Encoding.LUNARY else read_gateway(body, limits)
    items = [ClientEvent(encoding, each.body) for each in told if each.error is None and not each.passed_over]
    return Decoded(items, [each.error for each in told if each.error is not None])


def read_lunary(body: bytes, limits: Limits = DEFAULT_LIMITS) -> list[Told]:
    """The events of `{"events": …}`: a list, one object, or objects in lists of their own (lunary-js before 0.6).
    Raises `PayloadError` when there are none."""
    document = _json(body)
    events = document.get("events") if isinstance(document, dict) else document
    if isinstance(events, dict):
        events = [events]
    if not isinstance(events, list):
        raise PayloadError('the body holds no events: expected {"events": [...]}')
    flat = [inner for event in events for inner in (event if isinstance(event, list) else [event])]
    _bounded(flat, limits)
    return [_lunary(at, event) for at, event in enumerate(flat)]


def _lunary(at: int, event: Any) -> Told:
    if not isinstance(event, dict):
        return Told(None, {}, f"events[{at}]: expected an object")
    run_id = event.get("runId", event.get("run_id"))
    if event.get("type") == "log":
        return Told(run_id if isinstance(run_id, str) else None, event, passed_over=True)
    if not isinstance(run_id, str) or not 0 < len(run_id) <= _LONGEST_ID:
        return Told(None, event, f"events[{at}].runId: expected a text of 1 to {_LONGEST_ID} characters")
    if event.get("event") not in _EVENTS:
        known = "start, end, error, feedback, chat, custom-event, update"
        return Told(run_id, event, f"events[{at}].event: expected one of {known}")
    return Told(run_id, event)


def read_gateway(body: bytes, limits: Limits = DEFAULT_LIMITS) -> list[Told]:
    """Documents of a request log: a JSON array, one object, or one object a line. Raises `PayloadError`."""
    try:
        documents = _json(body)
        documents = documents if isinstance(documents, list) else [documents]
    except PayloadError as error:
        if body.lstrip()[:1] != b"{":
            raise
        documents = list(_lines(body, error))
    _bounded(documents, limits)
    return [_gateway(at, document) for at, document in enumerate(documents)]


def _lines(body: bytes, whole: PayloadError) -> Iterator[Any]:
    for number, line in enumerate(body.splitlines(), 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if number == 1:
                    raise whole from None
                yield f"line {number} is not JSON"


def _gateway(at: int, document: Any) -> Told:
    if isinstance(document, str) and document.startswith("line "):
        return Told(None, {}, document)
    if not isinstance(document, dict):
        return Told(None, {}, f"[{at}]: expected an object")
    attributes = document.get("attributes")
    if not isinstance(attributes, dict):
        return Told(None, document, f"[{at}].attributes: expected an object")
    id_ = attributes.get("id")
    for name in ("request", "response"):
        if not isinstance(attributes.get(name) or {}, dict):
            return Told(str(id_) if id_ else None, document, f"[{at}].attributes.{name}: expected an object")
    return Told(str(id_)[:_LONGEST_ID] if isinstance(id_, str | int) else None, document)


def _bounded(entries: list[Any], limits: Limits) -> None:
    if len(entries) > limits.max_items:
        raise PayloadTooLarge(f"the body holds more than {limits.max_items} entries")


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = ""
        if comment := _COMMENT.search(body):
            line = body.count(b"\n", 0, comment.end()) + 1
            hint = f"; line {line} begins a comment, which JSON does not have"
        raise PayloadError(f"the body is not JSON: {error}{hint}") from None
