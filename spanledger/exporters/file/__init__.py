"""Exporter `file`: records of the ledger as JSON lines, or telemetry as it came."""

from __future__ import annotations

from spanledger.exporters.file.records import FileExporter
from spanledger.exporters.file.settings import FileSettings, RotationSettings
from spanledger.exporters.file.telemetry import TelemetryFiles

__all__ = ["FileExporter", "FileSettings", "RotationSettings", "TelemetryFiles"]
