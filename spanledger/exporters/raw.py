"""The contract of an exporter on the raw road: it is given request bodies and passes them on unchanged.

What is passed on never met the mapping: it is what senders sent, as the processors left it. As for `Exporter`,
queueing, batching, halving, retry with backoff and dead letters come from the pipeline.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from spanledger.clients.auth import Credentials
from spanledger.exporters.base import Deleted, WriteResult
from spanledger.exporters.messages import count, halves
from spanledger.model.received import Telemetry

NO_CREDENTIALS: Final = Credentials()


class RawExporter(ABC):
    """Passes bodies of one signal on to one destination; an exporter for several signals is made once for each, so
    that a destination which takes one signal and not another holds up nothing. `write` is never called before `start`
    returned or after `close` began."""

    name: str = "exporter"
    concurrency: int = 1
    """Writes at the same time."""
    credentials: Credentials = NO_CREDENTIALS
    """Set before `start` where the settings name an `auth`."""

    @abstractmethod
    async def start(self) -> None:
        """As `Exporter.start`."""

    @abstractmethod
    async def write(self, batch: Sequence[Telemetry], token: str) -> WriteResult:
        """Pass bodies on; each is a complete request by itself, and they may be sent as one. Answers as
        `Exporter.write` does. What is written again after an answer that never came arrives twice, as OTLP allows.
        `token` is empty: the protocols have no place for it."""

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        """As `Exporter.deleted`, for destinations that are a store of ours."""
        return ()

    async def erase(self, batch: Sequence[Telemetry], *, for_good: bool) -> None:
        """As `Exporter.erase`, of bodies: of a project's all, of others (`for_good`) what is deleted of them."""
        return

    @abstractmethod
    async def close(self) -> None:
        """As `Exporter.close`."""

    def halves(self, telemetry: Telemetry) -> Sequence[Telemetry]:
        """Two bodies that hold what one refused body holds; none when that is a single item."""
        return halves(telemetry)

    def items(self, telemetry: Telemetry) -> int:
        """How many spans, log records or metrics a body holds."""
        return count(telemetry.body)
