"""Starts and ends of Lunary's runs that arrived at different processes, brought together in the store.

A mapper knows what reached its own process. Whoever comes second finds the other half in the store and writes the run
whole (`spanledger.mapping.lunary_join`). An end without its start looks before it is written. A start looks a little
later, once for many: most ends come to the same process, and those that were being written while the start was are
stored by then. So either sees the other, whichever is stored first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from spanledger.api.parameters import parse_time
from spanledger.errors import SpanledgerError, StoreUnavailable
from spanledger.exporters.base import Deleted, Exporter, WriteResult
from spanledger.exporters.conditions import Compare, Op
from spanledger.exporters.store import MAX_PAGE, RunFilter, RunStore
from spanledger.mapping.cost import PriceList
from spanledger.mapping.lunary_join import is_end, is_start, joined
from spanledger.model.records import Record, Run

logger = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, str]
"""(project, run id)."""

_LATER: Final = 5.0
"""Seconds after which a start looks for its end: longer than a write that was under way may take."""
_MAX_WAITING: Final = 20_000
_TIMES: Final = ("started_at", "ended_at")


class Joining(Exporter):
    """An exporter of a store that joins halves of runs. Everything else goes through as it is."""

    def __init__(
        self, exporter: Exporter, store: Callable[[], RunStore], prices: PriceList, later: float = _LATER
    ) -> None:
        """`store` makes the reader of the same store."""
        self._exporter = exporter
        self._make_store = store
        self._prices = prices
        self._later = later
        self._store: RunStore | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[Key, Run] = {}
        """Starts that have yet to look for their end."""
        self._task: asyncio.Task[None] | None = None
        self.joined = 0
        """Runs made whole so far."""
        self.name = exporter.name
        self.concurrency = exporter.concurrency

    async def start(self) -> None:
        """See `Exporter.start`."""
        await self._exporter.start()

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        """See `Exporter.write`."""
        ends = {(run.project_id, run.run_id): (place, run) for place, run in _lunary(records) if is_end(run)}
        if ends:
            try:
                starts = await self._halves(ends, is_start)
            except SpanledgerError as error:  # not even what can never work loses a record
                return WriteResult(retry=str(error))
            if starts:
                records = list(records)
                for key, start in starts.items():
                    place, end = ends[key]
                    records[place] = joined(start, end, self._prices)
                self.joined += len(starts)
                # Another batch than what the store may have seen under this token.
                token = f"{token} with {len(starts)} starts"
        result = await self._exporter.write(records, token)
        if result.retry is None and result.refused is None:
            self._remember(_lunary(records))
        return result

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        """See `Exporter.deleted`."""
        return await self._exporter.deleted(since_ns)

    async def erase(self, records: Sequence[Record], *, for_good: bool) -> None:
        """See `Exporter.erase`. A start that waits for its end is forgotten."""
        for record in records:
            if isinstance(record, Run):
                self._waiting.pop((record.project_id, record.run_id), None)
        await self._exporter.erase(records, for_good=for_good)

    async def close(self) -> None:
        """See `Exporter.close`. Starts that wait look now."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._look()
        except SpanledgerError as error:
            logger.warning("runs may lack what their start told", extra={"reason": str(error)})
        if self._store is not None:
            await self._store.close()
        await self._exporter.close()

    def _remember(self, runs: Iterable[tuple[int, Run]]) -> None:
        for _, run in runs:
            key = (run.project_id, run.run_id)
            if is_start(run):
                self._waiting[key] = run
            else:
                self._waiting.pop(key, None)
        while len(self._waiting) > _MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._look_later())

    async def _look_later(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._later)
            try:
                await self._look()
            except SpanledgerError as error:
                logger.warning("starts of runs wait for the store", extra={"reason": str(error)})

    async def _look(self) -> None:
        """Find the ends of the starts that wait, and write them whole. Raises `StoreUnavailable`."""
        waiting = dict(self._waiting)
        if not waiting:
            return
        ends = await self._halves(waiting, is_end)
        whole = [joined(waiting[key], end, self._prices) for key, end in ends.items()]
        if whole:
            result = await self._exporter.write(whole, f"joined {whole[0].run_id} {len(whole)} {whole[0].version}")
            if result.retry is not None:
                raise StoreUnavailable(result.retry)
            self.joined += len(whole)
        for key, run in waiting.items():
            if self._waiting.get(key) is run:
                del self._waiting[key]

    async def _halves(self, keys: Iterable[Key], wanted: Callable[[Run], bool]) -> dict[Key, Run]:
        """What the store holds under these keys, where it is the half that is wanted. Raises `StoreUnavailable`."""
        store = await self._reader()
        by_project: dict[str, list[str]] = {}
        for project, run_id in keys:
            by_project.setdefault(project, []).append(run_id)
        found: dict[Key, Run] = {}
        for project, ids in by_project.items():
            for at in range(0, len(ids), MAX_PAGE):
                some = tuple(ids[at : at + MAX_PAGE])
                page = await store.list_runs(RunFilter(project, where=Compare("run_id", Op.EQ, some)), len(some))
                for summary in page.runs:
                    if (summary["status"] == "started") is not (wanted is is_start):
                        continue
                    whole = await store.get_run(project, summary["run_id"])
                    if whole is not None and wanted(run := _record(whole)):
                        found[project, run.run_id] = run
        return found

    async def _reader(self) -> RunStore:
        async with self._starting:
            if self._store is None:
                store = self._make_store()
                await store.start()
                self._store = store
            return self._store


def _lunary(records: Iterable[Record]) -> Iterable[tuple[int, Run]]:
    return (
        (place, record)
        for place, record in enumerate(records)
        if isinstance(record, Run) and record.source == "lunary" and not record.without_contents
    )


def _record(whole: dict[str, Any]) -> Run:
    """A run as a store gave it."""
    times = {name: parse_time(whole[name]) for name in _TIMES if whole.get(name) is not None}
    facts = {name: value for name, value in whole.items() if name not in _TIMES and name != "payload_expired"}
    return msgspec.convert({**facts, **times}, Run, strict=False)
