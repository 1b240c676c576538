"""The ledger over HTTP (`server`), a client for it (`client`), and its look in a terminal (`terminal`).

The server is loaded on first use, so that reading a configuration does not load aiohttp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spanledger.api.settings import ApiSettings

if TYPE_CHECKING:
    from spanledger.api.server import ApiServer

__all__ = ["ApiServer", "ApiSettings"]


def __getattr__(name: str) -> Any:
    if name == "ApiServer":
        from spanledger.api.server import ApiServer

        return ApiServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
