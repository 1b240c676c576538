"""Exporters `otlp` and `otlphttp`: telemetry passed on to the next Collector, or another spanledger."""

from __future__ import annotations

from spanledger.exporters.otlp.grpc_client import OtlpExporter
from spanledger.exporters.otlp.http_client import OtlpHttpExporter

__all__ = ["OtlpExporter", "OtlpHttpExporter"]
