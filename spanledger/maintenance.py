"""Extension `maintenance`: what a ledger needs now and then, done by the process that serves it.

Each round resolves what was touched lately (`spanledger.resolve`) and lets go what is older than its project's own
retention. The embedded engine belongs to one process, so there this is the only way to do it while it serves.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from spanledger.errors import SpanledgerError, StoreUnavailable
from spanledger.exporters.base import Exporter
from spanledger.exporters.store import RunStore, StoreAdmin
from spanledger.mapping.cost import PriceList
from spanledger.resolve import resolve_store
from spanledger.settings import Duration, Settings

logger = logging.getLogger(__name__)


class MaintenanceSettings(Settings):
    """Extension `maintenance`."""

    interval: Duration = Field(default=3600.0, ge=60)
    """Time between two rounds."""
    resolve: bool = True
    """Put traces right whose pieces arrived apart, as `spanledger resolve` does."""
    lookback: Duration = Field(default=86400.0, ge=600)
    """How far back a round looks at traces, from the start of their runs."""
    retention: bool = True
    """Delete what is older than the `retention` that an exporter gives its project."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A store, and what makes the parts that work on it."""

    name: str
    store: Callable[[], RunStore]
    exporter: Callable[[], Exporter]
    admin: Callable[[], StoreAdmin]


class Maintenance:
    """The rounds, one after the other, until it is stopped."""

    def __init__(
        self, settings: MaintenanceSettings, stores: Sequence[Kept], prices: PriceList, memory_ns: int
    ) -> None:
        """`memory_ns` is how long the mapping remembers a trace: what is younger is left to it."""
        self._settings = settings
        self._stores = stores
        self._prices = prices
        self._memory_ns = memory_ns
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the first round comes after the interval."""
        self._task = asyncio.create_task(self._rounds())

    async def stop(self) -> None:
        """End, in the middle of a round where there is one: the next does the rest."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(self._settings.interval)
            await self.round(time.time_ns())

    async def round(self, now_ns: int) -> None:
        """One round over every store. What fails is logged and left to the next round."""
        for kept in self._stores:
            try:
                if self._settings.retention:
                    await self._expire(kept, now_ns)
                if self._settings.resolve:
                    await self._resolve(kept, now_ns)
            except StoreUnavailable as error:
                logger.warning("maintenance waits for its store", extra={"exporter": kept.name, "reason": str(error)})
            except SpanledgerError as error:
                logger.error("maintenance failed", extra={"exporter": kept.name, "reason": str(error)})
            except Exception:
                logger.exception("maintenance broke", extra={"exporter": kept.name})

    async def _expire(self, kept: Kept, now_ns: int) -> None:
        admin = kept.admin()
        try:
            await admin.start()
            gone = await admin.expire(now_ns)
        finally:
            await admin.close()
        if gone:
            logger.info("deleted what passed its retention", extra={"exporter": kept.name, "rows": gone})

    async def _resolve(self, kept: Kept, now_ns: int) -> None:
        store, exporter = kept.store(), kept.exporter()
        try:
            await exporter.start()
            await store.start()
            done = await resolve_store(
                store,
                exporter,
                self._prices,
                since_ns=now_ns - round(self._settings.lookback * 1e9),
                until_ns=now_ns,
                settled_ns=now_ns - self._memory_ns,
            )
        finally:
            await store.close()
            await exporter.close()
        if done.changed:
            logger.info("resolved traces", extra={"exporter": kept.name, "runs": done.changed, "traces": done.traces})
        for reason in done.refused[:1]:
            logger.warning("the store refused what was resolved", extra={"exporter": kept.name, "reason": reason})
