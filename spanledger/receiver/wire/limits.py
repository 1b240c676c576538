"""Bounds of decoding. They hold whatever a sender builds, in both encodings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one body may hold. An item over `max_depth` or `max_values` is refused alone; a body over `max_items` is
    refused as a whole, because naming a million refused items helps nobody."""

    max_depth: int = 64
    """Levels of a nested AnyValue: the value of an attribute stands on level 1, the members of its array on 2."""
    max_items: int = 1_000_000
    """Spans, log records or metrics in a body."""
    max_values: int = 1_000_000
    """Values in one item, nested ones included. Empty values are the reason: in protobuf two bytes become a message
    object of 56 (upb, measured), so that 64 MiB on the wire would become 1.9 GB."""


DEFAULT_LIMITS = Limits()
