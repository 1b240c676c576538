"""Runs out of log records: coding agents tell their sessions there, often without sending any span.

A record becomes the span that the agent did not send, with ids made of what identifies it, so that a redelivery, or a
second record of the same request or tool call, meets the first. Where a span of the same request or call stands in the
trace, the span is the run and the record only gives it what it lacks (conventions §2.36).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from spanledger.mapping.coerce import flag, number, text
from spanledger.mapping.dialects import LOG_TABLES
from spanledger.mapping.dialects.base import AGENT, LogRun
from spanledger.mapping.draft import Draft
from spanledger.mapping.facts import Facts
from spanledger.model.ids import uuid8
from spanledger.model.span import STATUS_ERROR, LogRecord, Value

_SESSIONS: Final = ("session.id", "conversation.id")
_TURNS: Final = ("prompt.id", "prompt_id")
_SHORT_NAMES: Final = (
    ("com.anthropic.claude_code", "claude_code."),
    ("gemini-cli", "gemini_cli."),
    ("codex", "codex."),
)
"""Scope or service → what its event names begin with where the record leaves it out."""
_NS_PER_MS: Final = 1_000_000
_LONGEST_CALL_MS: Final = 24 * 3_600_000


def span_of(record: LogRecord) -> Facts | None:
    """The span that a coding agent's log record stands for; None for any other record, and for those that tell nothing
    of a session."""
    name = _name_of(record)
    if name is None:
        return None
    told, table = LOG_TABLES[name]
    attributes = record.attributes
    if any(attributes.get(key) not in allowed for key, allowed in told.only.items()):
        return None
    failed = told.failed or flag(attributes.get("success")) is False
    if told.only_failed and not _says_failed(attributes):
        return None
    identity = [found for key in told.identity if (found := text(attributes.get(key))) is not None]
    if told.joins and not identity:
        return None
    session = _first(attributes, _SESSIONS) or text(record.resource.attributes.get("session.id"))
    if session is None and not record.trace_id:
        return None
    turn = _first(attributes, _TURNS) or ""
    made = Facts()
    made.trace_id = record.trace_id or _hex("log trace", session or "", turn)[:32]
    root = _hex("log turn", session or "", turn)[:16]
    made.span_id = root if told.root else _span_id(name, told, identity, session or "", record)
    if not told.root:
        made.parent_span_id = record.span_id or root
    elif record.span_id:
        made.parent_span_id = record.span_id
    made.name, made.scope, made.resource, made.repairs = name, record.scope, record.resource, list(record.repairs)
    made.end_ns = record.time_ns or record.observed_ns
    made.start_ns = made.end_ns - _duration(attributes)
    if failed or (told.only_failed and _says_failed(attributes)):
        made.status_code = STATUS_ERROR
    facts = {"gen_ai.operation.name": told.operation, **told.facts, **attributes}
    table.fill(made, facts.items())
    return made


def superseded(drafts: Mapping[str, Draft], logged: Iterable[str]) -> set[str]:
    """Span ids of the log records whose request, tool call or turn a span of the trace tells."""
    told = set(logged)
    if not told:
        return told
    known: set[tuple[str, str]] = set()
    has_turn = False
    for span_id, draft in drafts.items():
        if span_id not in told:
            known.update((draft.kind, identity) for identity in _identities(draft.span))
            has_turn = has_turn or draft.kind == AGENT
    found: set[str] = set()
    for span_id in told & drafts.keys():
        draft = drafts[span_id]
        is_told = any((draft.kind, identity) in known for identity in _identities(draft.span))
        if is_told or (draft.kind == AGENT and has_turn):
            found.add(span_id)
    return found


def donate(drafts: Mapping[str, Draft], gone: set[str]) -> None:
    """Give the spans what only the log records tell: Claude Code states the cost of a request nowhere else."""
    costs = {
        (draft.kind, identity): draft
        for span_id in gone
        if (draft := drafts[span_id]).reported is not None
        for identity in _identities(draft.span)
    }
    if not costs:
        return
    for span_id, draft in drafts.items():
        if span_id in gone or draft.reported is not None:
            continue
        for identity in _identities(draft.span):
            giver = costs.get((draft.kind, identity))
            if giver is not None:
                draft.reported = giver.reported
                draft.price_hints = {**giver.price_hints, **draft.price_hints}


def _identities(span: Facts) -> list[str]:
    return [found for value in (span.request_id, span.response_id, span.tool_call_id) if (found := text(value))]


def _name_of(record: LogRecord) -> str | None:
    body = record.body if isinstance(record.body, str) else ""
    for said in (record.event_name, record.attributes.get("event.name"), body):
        if not isinstance(said, str) or not said:
            continue
        if said in LOG_TABLES:
            return said
        if "." in said:
            continue
        service = str(record.resource.attributes.get("service.name", ""))
        for owner, prefix in _SHORT_NAMES:
            if record.scope.name.startswith(owner) or service.startswith(prefix.rstrip(".").replace("_", "-")):
                whole = prefix + said
                if whole in LOG_TABLES:
                    return whole
    return None


def _span_id(name: str, told: LogRun, identity: list[str], session: str, record: LogRecord) -> str:
    if identity:
        return _hex("log run", told.operation, session, *identity)[:16]
    stated = sorted((key, repr(value)) for key, value in record.attributes.items())
    return _hex("log run", name, str(record.time_ns or record.observed_ns), repr(stated))[:16]


def _hex(*parts: str) -> str:
    return uuid8(*parts).replace("-", "")


def _first(attributes: Mapping[str, Value], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        found = text(attributes.get(key))
        if found is not None:
            return found
    return None


def _duration(attributes: Mapping[str, Value]) -> int:
    millis = number(attributes.get("duration_ms"))
    return round(millis * _NS_PER_MS) if millis is not None and 0 <= millis <= _LONGEST_CALL_MS else 0


def _says_failed(attributes: Mapping[str, Value]) -> bool:
    status = number(attributes.get("http.response.status_code"))
    return (status is not None and status >= 400) or text(attributes.get("error.message")) is not None
