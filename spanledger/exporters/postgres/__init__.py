"""PostgreSQL 14 and newer: exporter, and reader for the API.

All but the settings is loaded on first use: the driver, asyncpg, is an optional dependency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from spanledger.errors import StoreError
from spanledger.exporters.postgres.settings import PostgresSettings

if TYPE_CHECKING:
    from spanledger.exporters.postgres.admin import PostgresAdmin
    from spanledger.exporters.postgres.exporter import PostgresExporter
    from spanledger.exporters.postgres.reader import PostgresStore

__all__ = ["PostgresAdmin", "PostgresExporter", "PostgresSettings", "PostgresStore"]

_PLACES: Final = {"PostgresAdmin": "admin", "PostgresExporter": "exporter", "PostgresStore": "reader"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import asyncpg  # noqa: F401
    except ModuleNotFoundError as error:
        raise StoreError(
            "the exporter postgres needs the package asyncpg: pip install 'spanledger[postgres]'"
        ) from error
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
