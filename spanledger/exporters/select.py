"""An exporter that is given only some kinds of records."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger.exporters.base import WRITTEN, Deleted, Exporter, WriteResult
from spanledger.model.records import Record


class Select(Exporter):
    """Passes on the records of some kinds (`run`, `score`, `thread`, `metric`); others count as written."""

    def __init__(self, exporter: Exporter, kinds: frozenset[str]) -> None:
        self._exporter = exporter
        self._kinds = kinds
        self.name = exporter.name
        self.concurrency = exporter.concurrency

    async def start(self) -> None:
        """See `Exporter.start`."""
        await self._exporter.start()

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """See `Exporter.write`."""
        places = [place for place, record in enumerate(records) if record.record in self._kinds]
        if not places:
            return WRITTEN
        return (await self._exporter.write([records[place] for place in places], token)).placed(places)

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        """See `Exporter.deleted`."""
        return await self._exporter.deleted(since_ns)

    async def erase(self, records: Sequence[Record], *, for_good: bool) -> None:
        """See `Exporter.erase`."""
        await self._exporter.erase(records, for_good=for_good)

    async def close(self) -> None:
        """See `Exporter.close`."""
        await self._exporter.close()
