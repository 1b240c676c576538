"""Spans, log records and metrics as they came, in the tables of the Collector's ClickHouse exporter, so that dashboards
made for these go on working.

Names, types and meaning of columns are that exporter's. Two columns are added behind them: the project, and an id of
the request that a row came in. Its rows enter a partition together or not at all, so the id tells what is there
already: a request that comes again, from the log or from its sender, is not written again.

Loaded on first use, as the exporter of runs is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanledger.exporters.clickhouse.otel.exporter import OtelTablesExporter

__all__ = ["OtelTablesExporter"]


def __getattr__(name: str) -> Any:
    if name == "OtelTablesExporter":
        from spanledger.exporters.clickhouse.otel.exporter import OtelTablesExporter

        return OtelTablesExporter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
