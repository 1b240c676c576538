"""Values as clients write them in JSON: times in any unit, metadata of any shape."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import msgspec

from spanledger.mapping.coerce import number
from spanledger.model.span import Value

_END_OF_TIME = 1 << 63


def time_ns(value: Value) -> int | None:
    """Nanoseconds since the epoch from ISO 8601, or from a number in s, ms, µs or ns."""
    amount = number(value)
    if amount is not None and not (isinstance(value, str) and not value.replace(".", "").isdigit()):
        if amount <= 0 or not math.isfinite(amount):
            return None
        scale = 1_000_000_000
        for limit, factor in ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000)):
            if amount >= limit:
                scale = factor
                break
        at_ns = int(amount * scale)
        return at_ns if at_ns < _END_OF_TIME else None
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return None
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        delta = at - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000
    return None


def flat_metadata(value: Value) -> dict[str, str]:
    """Metadata as texts; objects and lists as their JSON. Tags are facts of their own."""
    found: dict[str, str] = {}
    for key, held in (value or {}).items() if isinstance(value, dict) else ():
        if held is None or held == "" or key == "tags":
            continue
        if isinstance(held, bool):
            found[key] = "true" if held else "false"
        elif isinstance(held, (str, int, float)):
            found[key] = str(held)
        else:
            found[key] = msgspec.json.encode(held).decode()
    return found
