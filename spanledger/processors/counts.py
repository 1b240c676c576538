"""What a processor did, in plain numbers; telemetry turns them into metrics."""

from __future__ import annotations

from typing import Final

from spanledger.model.distribution import Distribution

_BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds."""


class ProcessorCounts:
    """Counts of one processor in the chain of one signal."""

    __slots__ = ("incoming", "name", "outgoing", "seconds")

    def __init__(self, name: str) -> None:
        self.name = name
        self.incoming = self.outgoing = 0
        """Spans, log records or data points."""
        self.seconds = Distribution(_BOUNDS)
        """Per request."""
