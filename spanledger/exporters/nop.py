"""Exporter `nop`: nothing. For pipelines that must have an exporter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from spanledger.exporters.base import WRITTEN, WriteResult
from spanledger.exporters.raw import RawExporter
from spanledger.model.received import Signal, Telemetry
from spanledger.settings import Settings


class NopSettings(Settings):
    """Exporter `nop` has no keys of its own."""

    batch_bytes: ClassVar[int] = 16 << 20


class NopExporter(RawExporter):
    """Everything counts as passed on."""

    def __init__(self, settings: NopSettings, signal: Signal) -> None:
        self.name = "nop"

    async def start(self) -> None:
        """Nothing to prepare."""

    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        """Done."""
        return WRITTEN

    async def close(self) -> None:
        """Nothing to release."""
