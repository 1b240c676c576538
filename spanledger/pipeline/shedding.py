"""The log keeps nothing of what was deleted.

Requests that were delivered stay in the log for a while, for the mapping's memory, and in a file for as long as it has
others. Once something was deleted from a store, all that was delivered goes, whatever it holds: what a request is about
nobody knows from outside. What waits still goes when it is delivered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from spanledger.errors import SpanledgerError
from spanledger.exporters.base import Deleted, Exporter
from spanledger.pipeline.base import Log
from spanledger.pipeline.clock import Clock

logger = logging.getLogger(__name__)

_INTERVAL: Final = 30.0
_BACK_NS: Final = 86_400 * 10**9
"""How far back a start looks: for what was deleted while no process ran."""
_OVERLAP_NS: Final = 60 * 10**9
"""Notes may bear the time of another machine, or come late."""


class Shedding:
    """Looks for deletions now and then."""

    def __init__(self, log: Log, exporters: Iterable[Exporter], delivered: Callable[[], int], clock: Clock) -> None:
        """`delivered`: place up to which everything is written by every exporter."""
        self._log = log
        self._exporters: Sequence[Exporter] = list(exporters)
        self._delivered = delivered
        self._clock = clock
        self._since_ns = clock.time_ns() - _BACK_NS
        self._known: set[Deleted] = set()
        self._through: int | None = None
        """Place that has to be delivered before the log can shed; None when nothing was deleted."""

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            await self.look()

    async def look(self) -> None:
        """Look once. A store that does not answer is asked the next time."""
        now = self._clock.time_ns()
        try:
            notes = {note for exporter in self._exporters for note in await exporter.deleted(self._since_ns)}
            if notes - self._known:
                self._through = self._log.last_seq
            self._known, self._since_ns = notes, now - _OVERLAP_NS
            if self._through is not None and self._delivered() >= self._through:
                await self._log.shed()
                self._through = None
        except SpanledgerError as error:
            logger.debug("cannot look for deletions: %s", error)
