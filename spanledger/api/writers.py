"""How the store that the API reads is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spanledger.exporters.base import Exporter
from spanledger.exporters.store import StoreAdmin


@dataclass(frozen=True, slots=True)
class Writers:
    """Exporter and administration of the store; made when a first change is asked for."""

    exporter: Callable[[], Exporter]
    admin: Callable[[], StoreAdmin]
