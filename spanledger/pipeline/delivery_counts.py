"""What became of the items that an exporter was offered, in plain integers; telemetry turns them into metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spanledger.model.distribution import Distribution
from spanledger.model.received import Signal

_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""


class DeliveryCounts:
    """Counts of one delivery since its start.

    An exporter writes records, and is asked about spans, log records and data points. So an entry of the log counts
    with its items once all of its records are written or dead, less the dead ones, which count as failed.
    """

    __slots__ = ("_unsettled", "failed", "sent", "write_seconds")

    def __init__(self) -> None:
        self.sent = dict.fromkeys(Signal, 0)
        self.failed = dict.fromkeys(Signal, 0)
        self.write_seconds = Distribution(_BOUNDS)
        """How long the exporter's attempts took, those that failed too."""
        self._unsettled = dict.fromkeys(Signal, 0)

    def done(self, signal: Signal, items: int) -> None:
        """An entry of so many items is done."""
        dead = min(self._unsettled[signal], items)
        self._unsettled[signal] -= dead
        self.sent[signal] += items - dead

    def dead(self, signals: Iterable[Signal]) -> None:
        """Records became dead letters, which count for these signals."""
        for signal in signals:
            self.failed[signal] += 1
            self._unsettled[signal] += 1
