"""Durations and time to first token, with the units that each dialect really writes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from spanledger.mapping.coerce import number
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json
from spanledger.model.span import Event, Value

_FIRST_TOKEN_EVENTS: Final = (
    "First Token Stream Event",
    "ai.stream.firstChunk",
    "gen_ai.content.completion.chunk",
    "llm.content.completion.chunk",
)


_CHUNK_EVENTS: Final = ("mlflow.chunk.item.", "stream.start")  # MLflow, Langtrace


def tells_stream(events: list[Event]) -> bool:
    """Whether an event of the span marks a piece of a streamed answer."""
    return any(event.name in _FIRST_TOKEN_EVENTS or event.name.startswith(_CHUNK_EVENTS) for event in events)


def duration_of(span: Facts, warnings: list[str]) -> int | None:
    """End minus start in nanoseconds; None while the span is open, 0 when the clock jumped back."""
    if span.end_ns == 0:
        return None
    if span.end_ns < span.start_ns:
        warnings.append("negative_duration")
        return 0
    return span.end_ns - span.start_ns


def first_token_ns(span: Facts, events: list[Event], duration: int | None) -> int | None:
    """Time to first token in nanoseconds.

    A value beyond the span's duration is tried as milliseconds (Strands writes ms under a key whose unit is s), then
    dropped.
    """
    found: float | None = None
    seconds = number(span.ttft_s)
    if seconds is None:
        seconds = number(span.ttft_server)
    if seconds is not None and seconds > 0:
        found = seconds * 1e9
        if duration is not None and found > duration:
            found = seconds * 1e6
    millis = number(span.ttft_ms)
    if found is None and millis is not None and millis > 0:
        found = millis * 1e6
    if found is None and span.usage_document is not None:
        found = _in_metrics(span.usage_document)
    if found is None and span.first_token_at is not None:
        at = _instant(span.first_token_at)
        if at is not None and at >= span.start_ns:
            found = float(at - span.start_ns)
    if found is None:
        for event in events:
            if event.name in _FIRST_TOKEN_EVENTS and event.time_ns >= span.start_ns > 0:
                written = number(event.attributes.get("ai.response.msToFirstChunk"))
                found = written * 1e6 if written is not None else float(event.time_ns - span.start_ns)
                break
    if found is None or found < 0 or (duration is not None and found > duration):
        return None
    return round(found)


def _in_metrics(value: Value) -> float | None:
    """Nanoseconds to the first token that a document of metrics tells in seconds: Braintrust, LiveKit's llm_metrics."""
    document = parse_json(value)[1]
    if not isinstance(document, dict):
        return None
    for key in ("time_to_first_token", "ttft"):
        seconds = number(document.get(key))
        if seconds is not None and seconds > 0:
            return seconds * 1e9
    return None


def _instant(value: Value) -> int | None:
    """Nanoseconds since the epoch of an ISO 8601 text, which Langfuse quotes twice."""
    _, parsed = parse_json(value) if isinstance(value, str) and value[:1] == '"' else (True, value)
    if not isinstance(parsed, str):
        return None
    try:
        at = datetime.fromisoformat(parsed.strip())
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000
