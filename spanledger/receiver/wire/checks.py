"""Rules for ids, times and enumerations that hold for both encodings."""

from __future__ import annotations

from spanledger.model.span import SPAN_KINDS, STATUS_ERROR, Link, LogRecord, Span, Value
from spanledger.receiver.wire.notes import note
from spanledger.receiver.wire.refusal import Refused, quoted

_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_LAST_KIND = len(SPAN_KINDS) - 1
_HEX_DIGITS = frozenset("0123456789abcdef")

_MILLISECONDS = range(10**12, 10**13)
_MICROSECONDS = range(10**15, 10**16)


def set_ids(span: Span, trace_id: str, span_id: str, parent_span_id: str) -> None:
    """Put the ids into a span. Each is lower-case hex, or whatever else the sender gave. Raises `Refused`.

    A parent that cannot be (wrong length, not hex) makes the span a root instead of losing it.
    """
    if trace_id == _NO_TRACE or not _is_hex(trace_id, 32):
        raise Refused(_id_problem("trace id", trace_id, 16))
    if span_id == _NO_SPAN or not _is_hex(span_id, 16):
        raise Refused(_id_problem("span id", span_id, 8))
    span.trace_id = trace_id
    span.span_id = span_id
    if parent_span_id and parent_span_id != _NO_SPAN and parent_span_id != span_id:
        if _is_hex(parent_span_id, 16):
            span.parent_span_id = parent_span_id
        else:
            note(span.repairs, "bad_parent_span_id", parent_span_id)


def set_log_ids(record: LogRecord, trace_id: str, span_id: str) -> None:
    """Put the ids into a log record, which may have none; one that cannot be is left out with a note."""
    for name, value, digits, none in (("trace_id", trace_id, 32, _NO_TRACE), ("span_id", span_id, 16, _NO_SPAN)):
        if not value or value == none:
            continue
        if _is_hex(value, digits):
            setattr(record, name, value)
        else:
            note(record.repairs, f"bad_{name}", value)


def add_link(span: Span, trace_id: str, span_id: str, attributes: dict[str, Value]) -> None:
    """Add a link; one whose ids cannot be leads nowhere and is left out with a note."""
    if _is_hex(trace_id, 32) and _is_hex(span_id, 16):
        span.links.append(Link(trace_id, span_id, attributes))
    else:
        note(span.repairs, "bad_link", span_id)


def set_times(span: Span, start_ns: int, end_ns: int) -> None:
    """Put start and end into a span. Hand-made exporters count milliseconds (13 digits) or microseconds (16 digits);
    as nanoseconds those would lie in January 1970, so they are scaled up."""
    span.start_ns = start_ns
    span.end_ns = end_ns
    if start_ns < 10**16 or end_ns < 10**16:
        span.start_ns, span.end_ns = nanoseconds(start_ns), nanoseconds(end_ns)
        if span.start_ns != start_ns or span.end_ns != end_ns:
            span.repairs.append("timestamp_unit")


def nanoseconds(time: int) -> int:
    """A timestamp, scaled up where its number of digits says milliseconds or microseconds."""
    if time in _MILLISECONDS:
        return time * 1_000_000
    if time in _MICROSECONDS:
        return time * 1_000
    return time


def set_kind_and_status(span: Span, kind: int, status_code: int) -> None:
    """Put kind and status code into a span. Numbers of a later protocol version become 0 = not given, with a note:
    proto3 enumerations are open."""
    if 0 <= kind <= _LAST_KIND:
        span.kind = kind
    else:
        note(span.repairs, "unknown_kind", str(kind))
    if 0 <= status_code <= STATUS_ERROR:
        span.status_code = status_code
    else:
        note(span.repairs, "unknown_status", str(status_code))


def _is_hex(text: str, digits: int) -> bool:
    """Whether a text, which is in lower case, has so many hex digits and nothing else. The quickest of five ways."""
    if len(text) != digits:
        return False
    try:
        return 2 * len(bytes.fromhex(text)) == digits  # it takes spaces between the bytes
    except ValueError:
        return False


def _id_problem(what: str, value: str, size: int) -> str:
    if not value:
        return f"{what} is missing"
    if not value.strip("0") and len(value) == 2 * size:
        return f"{what} is all zeros"
    if _HEX_DIGITS.issuperset(value) and len(value) % 2 == 0:
        return f"{what} is {len(value) // 2} bytes long, expected {size}"
    return f"{what} {quoted(value)} is not {2 * size} hex digits"
