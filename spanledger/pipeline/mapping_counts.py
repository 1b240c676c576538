"""What the mapping stage of a pipeline did, in plain integers; telemetry turns them into metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from spanledger.model.records import Record, Run

_NAMES_AT_MOST: Final = 100
OTHER: Final = "(other)"
"""Stands for names beyond the first hundred: providers come from whoever sends."""


@runtime_checkable
class Remembering(Protocol):
    """A mapper that tells what it remembers."""

    def remembered(self) -> tuple[int, int, int]:
        """Traces, items, rough bytes."""


class MappingCounts:
    """What all feeds of a pipeline did."""

    __slots__ = ("dialects", "entries", "kinds", "records", "seconds", "unmappable", "unpriced")

    def __init__(self) -> None:
        self.entries = self.records = self.unmappable = 0
        self.seconds = 0.0
        """Spent in mappers."""
        self.kinds: dict[str, int] = {}
        """Records by run type, or `score`, `thread`, `metric`. A run that is written again counts again."""
        self.dialects: dict[str, int] = {}
        """Runs by dialect; `none` for those that no dialect knows. A run in two dialects counts in both."""
        self.unpriced: dict[str, int] = {}
        """Runs by provider whose model has no price, though its usage is known."""

    def note(self, records: Sequence[Record], seconds: float) -> None:
        """An entry was mapped."""
        self.entries += 1
        self.records += len(records)
        self.seconds += seconds
        for record in records:
            if not isinstance(record, Run):
                _count(self.kinds, record.record)
                continue
            _count(self.kinds, record.type)
            for dialect in record.dialects or ("none",):
                _count(self.dialects, dialect)
            if record.cost is not None and record.cost.source == "unknown_model":
                _count(self.unpriced, record.provider or "")


def _count(counts: dict[str, int], name: str) -> None:
    if name not in counts and len(counts) >= _NAMES_AT_MOST:
        name = OTHER
    counts[name] = counts.get(name, 0) + 1
