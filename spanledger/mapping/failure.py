"""Status and error of a run: span status, exception events, and what dialects say beside them."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.coerce import flag, number, text
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json
from spanledger.model.records import RunError
from spanledger.model.span import STATUS_ERROR, STATUS_OK, Event, Value

_CANCELLED: Final = (
    "CancelledError", "AbortError", "GeneratorExit", "APIUserAbortError", "KeyboardInterrupt", "ResponseAborted",
)  # fmt: skip
_INTERRUPTED: Final = (
    "GraphInterrupt",
    "CallDeferred",
    "ApprovalRequired",
    "GraphBubbleUp",
    "NodeInterrupt",
    "ParentCommand",
)
_EXCEPTION_EVENTS: Final = ("exception", "gen_ai.client.operation.exception")
_TELLING: Final = ("error_type", "level", "level_number", "tool_status", "tool_failed", "tool_success", "http_status")
"""Slots that make a failure of what the status of the span does not."""


def failure_of(span: Facts, events: list[Event]) -> tuple[str, RunError | None]:
    """(status, error). Status is `success`, `error`, `cancelled` or `started`."""
    if not (events or span.status_code == STATUS_ERROR or "success" in span.rest) and vars(span).keys().isdisjoint(
        _TELLING
    ):
        return ("started" if span.end_ns == 0 else "success"), None
    exception = last_exception(events)
    kind, message, stack = None, None, None
    if exception is not None:
        kind = text(exception.attributes.get("exception.type"))
        message = text(exception.attributes.get("exception.message"))
        stack = text(exception.attributes.get("exception.stacktrace"))
    kind = kind or text(span.error_type)
    message = message or text(span.error_message) or text(span.status_message)
    if message is None and _is_error_level(span):
        message = text(span.status_text)
    failed = (
        span.status_code == STATUS_ERROR
        or (span.status_code != STATUS_OK and (exception is not None or span.error_type is not None))
        or _is_error_level(span)
        or _tool_failed(span)
        or _agent_failed(span)
        or _http_failed(span)
    )
    if not failed:
        return ("started" if span.end_ns == 0 else "success"), None
    named = (kind or "").rsplit(".", 1)[-1]
    if named in _INTERRUPTED:
        return "success", None
    code = text(span.error_code)
    status = number(span.http_status)
    if code is None and status is not None and status >= 400:
        code = str(int(status))
    if code is None and kind is not None and kind.isdigit():
        code = kind
    message = message or text(span.status_text)
    if message is None:
        message = _plain_error(span.rest.get("error"))
    if message is None and _tool_failed(span):
        message = text(span.tool_output)  # LiveKit: what the tool answered the model is all there is
    error = RunError(type=kind, message=message, code=code, stack=stack or text(span.error_stack))
    aborted = named in _CANCELLED or (kind is None and (message or "").startswith(_CANCELLED))
    return ("cancelled" if aborted else "error"), error


def last_exception(events: list[Event]) -> Event | None:
    """The exception that a failed run failed with; earlier ones were retried or handled."""
    for event in reversed(events):
        if event.name in _EXCEPTION_EVENTS or "exception.type" in event.attributes:
            return event
    return None


def _is_error_level(span: Facts) -> bool:
    level = span.level
    if isinstance(level, str) and level.upper() in ("ERROR", "FATAL", "CRITICAL"):
        return True
    severity = number(span.level_number)
    return severity is not None and severity >= 17


def _tool_failed(span: Facts) -> bool:
    status = span.tool_status
    if isinstance(status, str) and status.lower() in ("error", "failed", "failure"):
        return True
    return flag(span.tool_failed) is True or flag(span.tool_success) is False


def _plain_error(value: Value) -> str | None:
    """An attribute called `error`: Claude Code's words, Logfire's object for OpenAI agents."""
    document = parse_json(value)[1] if isinstance(value, str) and value[:1] == "{" else value
    return text(document.get("message") if isinstance(document, dict) else document)


def _agent_failed(span: Facts) -> bool:
    """Claude Code states `success` on the spans of its requests and tools; for others it is a word of their own."""
    return span.scope.name.startswith("com.anthropic.claude_code") and flag(span.rest.get("success")) is False


def _http_failed(span: Facts) -> bool:
    status = number(span.http_status)
    return status is not None and status >= 400 and span.status_code != STATUS_OK
