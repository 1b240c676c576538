"""Which span a request belongs to, as senders say in headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Propagator: TypeAlias = Literal["tracecontext", "b3"]


@dataclass(frozen=True, slots=True)
class SpanContext:
    """The place of a span."""

    trace_id: bytes
    """16 bytes, not all zero."""
    span_id: bytes
    """8 bytes, not all zero."""
    sampled: bool
    """Whether it is recorded."""
    state: str = ""
    """W3C `tracestate`, as it came."""
    remote: bool = False
    """Whether another process made it."""


_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_B3: Final = re.compile(r"([0-9a-fA-F]{16}|[0-9a-fA-F]{32})-([0-9a-fA-F]{16})(?:-([01d])(?:-[0-9a-fA-F]{16})?)?")
_STATE_AT_MOST: Final = 512
"""Characters that have to be passed on (W3C Trace Context, 3.3.1.5)."""


def _tracecontext(headers: Mapping[str, str]) -> SpanContext | None:
    """https://www.w3.org/TR/trace-context/#traceparent-header"""
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    state = headers.get("tracestate", "")
    return _context(found[2], found[3], bool(int(found[4], 16) & 1), state if len(state) <= _STATE_AT_MOST else "")


def _b3(headers: Mapping[str, str]) -> SpanContext | None:
    """https://github.com/openzipkin/b3-propagation: one header, or several."""
    found = _B3.fullmatch(headers.get("b3", "").strip())
    if found is not None:
        trace_id, span_id, sampled = found[1], found[2], found[3] in ("1", "d")
    else:
        trace_id, span_id = headers.get("x-b3-traceid", ""), headers.get("x-b3-spanid", "")
        sampled = headers.get("x-b3-sampled", "") in ("1", "true") or headers.get("x-b3-flags") == "1"
        if _B3.fullmatch(f"{trace_id}-{span_id}") is None:
            return None
    return _context(trace_id.zfill(32), span_id, sampled)


def _context(trace_id: str, span_id: str, sampled: bool, state: str = "") -> SpanContext | None:
    trace, span = bytes.fromhex(trace_id), bytes.fromhex(span_id)
    return SpanContext(trace, span, sampled, state, remote=True) if any(trace) and any(span) else None


EXTRACT: Final[dict[Propagator, Callable[[Mapping[str, str]], SpanContext | None]]] = {
    "tracecontext": _tracecontext,
    "b3": _b3,
}
"""How each propagator reads headers, whose names are in lower case; None where there is nothing valid."""
