"""Numbers of a run as people read them. Unknown is a dash, never zero."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from spanledger.api.parameters import parse_time

Json = dict[str, Any]

UNKNOWN: Final = "–"


def money(amount: str | None) -> str:
    """`$12.34`, `$0.0123`, `$0.000105`: cents from a dollar on, three significant digits below."""
    if amount is None:
        return UNKNOWN
    value = Decimal(amount)
    if value == 0:
        return "$0"
    if abs(value) >= 1:
        return f"${value:,.2f}"
    shown = format(value.quantize(Decimal(1).scaleb(value.adjusted() - 2)), "f")
    return f"${shown.rstrip('0').rstrip('.')}"


def count(number: int | None) -> str:
    """`1,234`."""
    return UNKNOWN if number is None else f"{number:,}"


def tokens(run: Json) -> str:
    """`1,234 → 56`, input and output; in brackets where they are counted elsewhere."""
    usage = run.get("usage") or {}
    given, got = usage.get("input_tokens"), usage.get("output_tokens")
    if given is None and got is None:
        return ""
    shown = f"{count(given)} → {count(got)}"
    return shown if run.get("billable") else f"({shown})"


def cost(run: Json) -> str:
    """What the run cost; in brackets where it is counted elsewhere."""
    total = (run.get("cost") or {}).get("total")
    if total is None:
        return ""
    return money(total) if run.get("billable") else f"({money(total)})"


def duration(nanoseconds: int | None) -> str:
    """`350ms`, `1.24s`, `2m05s`, `3h12m`."""
    if nanoseconds is None:
        return ""
    milliseconds = nanoseconds / 1e6
    if milliseconds < 1:
        return f"{nanoseconds / 1e3:.0f}µs"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1e3
    if seconds < 59.995:
        return f"{seconds:.2f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m"


def age(started_at: str, now_ns: int) -> str:
    """Time since the start: `now`, `42s`, `5m`, `3h`, `12d`."""
    seconds = (now_ns - parse_time(started_at)) // 1_000_000_000
    if seconds < 1:
        return "now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def clock(started_at: str) -> str:
    """`2026-03-01 10:00:00.123 UTC`."""
    return f"{started_at[:10]} {started_at[11:23]} UTC"
