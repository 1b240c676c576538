"""An exporter whose records pass through functions of the user's own first."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from spanledger.exporters.base import WRITTEN, Deleted, Exporter, WriteResult
from spanledger.model.records import Record

_log = logging.getLogger(__name__)

Function: TypeAlias = Callable[[Record], object]
"""Returns the record to keep, changed or not; `False` drops it, `None` keeps what it was given."""
_ERRORS_TOLD: Final = 10
"""Failures that are told with their traceback; after that every thousandth."""


class Rewrite(Exporter):
    """Passes on what the functions make of each record; one that is dropped counts as written."""

    def __init__(self, exporter: Exporter, functions: Sequence[Function]) -> None:
        self._exporter = exporter
        self._functions = tuple(functions)
        self.name = exporter.name
        self.concurrency = exporter.concurrency
        self.failed = 0
        """Calls that raised so far."""

    async def start(self) -> None:
        """See `Exporter.start`."""
        await self._exporter.start()

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """See `Exporter.write`."""
        kept: list[Record] = []
        places: list[int] = []
        for place, record in enumerate(records):
            made = self._made(record)
            if made is not None:
                kept.append(made)
                places.append(place)
        if not kept:
            return WRITTEN
        return (await self._exporter.write(kept, token)).placed(places)

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        """See `Exporter.deleted`."""
        return await self._exporter.deleted(since_ns)

    async def erase(self, records: Sequence[Record], *, for_good: bool) -> None:
        """See `Exporter.erase`."""
        await self._exporter.erase(records, for_good=for_good)

    async def close(self) -> None:
        """See `Exporter.close`."""
        await self._exporter.close()

    def _made(self, record: Record) -> Record | None:
        # Other exporters and the trace memory hold the same record; a function may change it in place.
        record = copy.deepcopy(record)
        for function in self._functions:
            try:
                made = function(record)
                if made is False:
                    return None
                if made is not None and made is not True:
                    if type(made) is not type(record):
                        raise TypeError(f"returned {type(made).__name__}, expected {type(record).__name__}")
                    record = made
            except Exception:
                self.failed += 1
                if self.failed <= _ERRORS_TOLD or self.failed % 1000 == 0:
                    _log.exception("a processor of your own raised", extra={"failures": self.failed})
        return record
