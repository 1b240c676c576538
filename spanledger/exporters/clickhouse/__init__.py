"""ClickHouse, as a server or embedded (chDB): exporter, and reader for the API.

The exporter is loaded on first use, so that reading a configuration does not load the driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spanledger.exporters.clickhouse.settings import ClickHouseSettings

if TYPE_CHECKING:
    from spanledger.exporters.clickhouse.admin import ClickHouseAdmin
    from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
    from spanledger.exporters.clickhouse.reader import ClickHouseStore

__all__ = ["ClickHouseAdmin", "ClickHouseExporter", "ClickHouseSettings", "ClickHouseStore"]


def __getattr__(name: str) -> Any:
    if name == "ClickHouseExporter":
        from spanledger.exporters.clickhouse.exporter import ClickHouseExporter

        return ClickHouseExporter
    if name == "ClickHouseStore":
        from spanledger.exporters.clickhouse.reader import ClickHouseStore

        return ClickHouseStore
    if name == "ClickHouseAdmin":
        from spanledger.exporters.clickhouse.admin import ClickHouseAdmin

        return ClickHouseAdmin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
