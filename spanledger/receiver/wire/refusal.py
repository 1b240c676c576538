"""Refusing one item of a body, with a text that lets its sender find it."""

from __future__ import annotations

import json

from spanledger.errors import PayloadError

_NAMED_AT_MOST = 1000
_TEXT_AT_MOST = 80


class Refused(PayloadError):
    """One item cannot be kept. Never leaves `spanledger.receiver.wire`: the item is named in `Decoded.rejected`."""


class Refusals:
    """The refused items of a body. After a thousand, further ones are counted but no longer described, so that a body
    of millions of empty spans cannot be turned into gigabytes of complaints."""

    __slots__ = ("texts",)

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, item: str, reason: str) -> None:
        self.texts.append(f"{item}: {reason}" if len(self.texts) < _NAMED_AT_MOST else "refused, not described")


def quoted(text: object) -> str:
    """A text from outside, fit for a message: quoted, control characters escaped, at most 80 characters."""
    shown = text if isinstance(text, str) else str(text)
    if len(shown) > _TEXT_AT_MOST:
        shown = shown[: _TEXT_AT_MOST - 1] + "…"
    return json.dumps(shown.encode("utf-8", "replace").decode(), ensure_ascii=False)


def span_label(name: object, trace_id: str, span_id: str) -> str:
    """`span "chat gpt-4o" (trace 4bf9…, span 00f0…)`."""
    return f"span {quoted(name)} ({_ids(trace_id, span_id)})"


def log_label(event_name: object, trace_id: str, span_id: str) -> str:
    """`log record "gen_ai.choice" (trace 4bf9…, span 00f0…)`."""
    name = f" {quoted(event_name)}" if event_name else ""
    return f"log record{name} ({_ids(trace_id, span_id)})"


def metric_label(name: object) -> str:
    """`data point of metric "gen_ai.client.token.usage"`."""
    return f"data point of metric {quoted(name)}"


def _ids(trace_id: str, span_id: str) -> str:
    return f"trace {_id(trace_id)}, span {_id(span_id)}"


def _id(text: str) -> str:
    if not text:
        return "none"
    return text if text.isalnum() and len(text) <= 32 else quoted(text[:32])
