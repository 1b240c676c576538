"""Converters of times, durations and ids (pkg/ottl/ottlfuncs/README.md)."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from spanledger.processors.ottl.arguments import Converter, parameters
from spanledger.processors.ottl.converters_text import text
from spanledger.processors.ottl.errors import OttlError
from spanledger.processors.ottl.operators import Duration, Time
from spanledger.processors.ottl.paths import Item, type_name
from spanledger.processors.values import Value
from spanledger.settings import parse_duration

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROOT: Final = (b"", b"\x00" * 8)


def _ns(value: Value) -> int:
    if isinstance(value, Time | Duration):
        return value.ns
    raise OttlError(f"expected a time or a duration, found {type_name(value)}")


def _duration(value: Value) -> Duration:
    try:
        return Duration(round(parse_duration(text(value)) * 1e9))
    except ValueError as problem:
        raise OttlError(f"Duration: {problem}") from None


def _time(value: Value, format_: Value, location: Value) -> Time:
    try:
        found = datetime.strptime(text(value), text(format_))  # the zone follows
    except ValueError:
        raise OttlError("Time: the text does not fit the format") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=_zone(location))
    since = found - _EPOCH
    return Time((since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000)


def _zone(name: Value) -> tzinfo:
    from zoneinfo import ZoneInfo

    if name is None:
        return UTC
    try:
        return ZoneInfo(text(name))
    except (KeyError, ValueError, OSError):
        raise OttlError("Time: no such location") from None


def _format_time(value: Value, format_: Value) -> str:
    if not isinstance(value, Time):
        raise OttlError(f"FormatTime wants a time, not {type_name(value)}")
    try:
        return (_EPOCH + timedelta(microseconds=value.ns // 1000)).strftime(text(format_))
    except (ValueError, OverflowError):
        raise OttlError("FormatTime: the time or the format cannot be written") from None


def _truncate_time(value: Value, duration: Value) -> Time:
    if not isinstance(value, Time) or not isinstance(duration, Duration) or duration.ns <= 0:
        raise OttlError("TruncateTime wants a time and a duration")
    return Time(value.ns - value.ns % duration.ns)


def _per(unit_ns: int) -> Converter:
    """Times count from 1970, durations from nothing; whole units."""
    return Converter(parameters("value"), lambda value: _ns(value) // unit_ns)


def _fraction(unit_ns: int) -> Converter:
    return Converter(parameters("value"), lambda value: _ns(value) / unit_ns)


def _unix(seconds: Value, nanoseconds: Value) -> Time:
    return Time(int(seconds) * 1_000_000_000 + int(nanoseconds or 0))


def _uuid7() -> str:
    milliseconds = time.time_ns() // 1_000_000
    raw = bytearray(milliseconds.to_bytes(6, "big") + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def _id(length: int) -> Converter:
    def call(value: Value) -> bytes:
        if isinstance(value, str):
            try:
                value = bytes.fromhex(value)
            except ValueError:
                raise OttlError("an id is hexadecimal") from None
        if not isinstance(value, bytes) or len(value) != length:
            raise OttlError(f"an id of {length} bytes is expected")
        return value

    return Converter(parameters("bytes"), call)


def _is_root_span(item: Item) -> bool:
    return item.span is not None and item.span.parent_span_id in _ROOT


TIMES: Final[dict[str, Converter]] = {
    "Duration": Converter(parameters("duration"), _duration),
    "FormatTime": Converter(parameters("time", "format"), _format_time),
    "Hour": Converter(parameters("value"), lambda value: _ns(value) // 3_600_000_000_000 % 24),
    "Hours": _fraction(3_600_000_000_000),
    "IsRootSpan": Converter((), _is_root_span, needs_item=True),
    "Microseconds": _per(1_000),
    "Milliseconds": _per(1_000_000),
    "Minutes": _fraction(60_000_000_000),
    "Nanoseconds": _per(1),
    "Now": Converter((), lambda: Time(time.time_ns())),
    "Seconds": _fraction(1_000_000_000),
    "SpanID": _id(8),
    "Time": Converter(parameters("target", "format", "location?"), _time),
    "TraceID": _id(16),
    "TruncateTime": Converter(parameters("time", "duration"), _truncate_time),
    "UUID": Converter((), lambda: str(uuid.uuid4())),
    "UUIDv7": Converter((), _uuid7),
    "Unix": Converter(parameters("seconds", "nanoseconds?"), _unix),
    "UnixMicro": _per(1_000),
    "UnixMilli": _per(1_000_000),
    "UnixNano": _per(1),
    "UnixSeconds": _per(1_000_000_000),
}
