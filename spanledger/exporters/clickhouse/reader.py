"""Reads the ledger from ClickHouse for the API, with connections of its own."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

from spanledger.exporters.assemble import (
    group_of,
    in_order,
    record_json,
    runs_without_contents,
    summary_json,
    totals_of,
)
from spanledger.exporters.breakdown import MAX_SERIES, breakdown
from spanledger.exporters.breakdown import series as over_time
from spanledger.exporters.clickhouse import query, query_groups, summary
from spanledger.exporters.clickhouse.columns import decode
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.query import FAR_FUTURE, PAYLOAD, SCORE, Key, Statement
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.schema import RUN_PAYLOADS, SCORES, Column, Table
from spanledger.exporters.store import (
    DEFAULT_PAGE,
    MAX_PAGE,
    MAX_TRACE,
    SCAN_PAGE,
    Breakdown,
    By,
    Cursor,
    Group,
    Grouping,
    GroupSort,
    Page,
    RunFilter,
    RunJson,
    ScoreSort,
    Sort,
    Totals,
)
from spanledger.exporters.values import is_uuid
from spanledger.model.records import Run

Row: TypeAlias = tuple[Any, ...]

_BEHIND_ALL_IDS: Final = "g"
"""Sorts behind every UUID."""
SEARCHED_ROWS: Final = 100_000
"""Rows whose texts are searched for one page: some take a thousandth of a millisecond each."""
_SPARE: Final = 10
"""Rows that are read for a page in order beyond a fourth of its runs more: some are versions that lost."""
_HOUR: Final = 3600 * 1_000_000_000
_WEEKS: Final = (0, 1, 5)
"""Weeks before the one of yesterday."""
_FEW_VALUES: Final = {
    *(By.MODEL, By.REQUEST_MODEL, By.PROVIDER, By.TYPE, By.STATUS, By.ENVIRONMENT, By.RELEASE, By.SERVICE, By.TAG)
}
"""Facts whose groups are few, at all intervals together."""
_MAX_ROWS: Final = 20_000
"""Groups that are read for a series, before those that it shows are known."""


class ClickHouseStore:
    """A `spanledger.exporters.store.RunStore`."""

    def __init__(self, settings: ClickHouseSettings, searched_rows: int = SEARCHED_ROWS) -> None:
        """`searched_rows`: how many are looked at for a bounded page, and then the rest of their week: a partition is
        read as a whole."""
        self._searched_rows = searched_rows
        self.settings = settings
        self._threads: ThreadPoolExecutor | None = None
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()

    async def start(self) -> None:
        """See `RunStore.start`. Further connections are opened when all are busy, up to `query_connections`."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.settings.query_connections, "clickhouse-reader")
        try:
            await self._rows(Statement("SELECT 1"))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """See `RunStore.close`."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
            while not self._idle.empty():
                await asyncio.to_thread(self._idle.get_nowait().close)

    async def list_runs(
        self, filter_: RunFilter, limit: int = DEFAULT_PAGE, after: Cursor | None = None, *, bounded: bool = False
    ) -> Page:
        """See `RunStore.list_runs`.

        Goes backwards through windows of time, each longer than the one before. In each, candidates are found in any
        version, then their winning versions are read and filtered again.
        """
        if after is not None and not 0 <= after.started_at <= FAR_FUTURE:
            return Page([], None)
        wanted = limit + 1
        oldest = ends = filter_.started_from or 0
        before = after or Cursor(FAR_FUTURE if filter_.started_to is None else filter_.started_to - 1, _BEHIND_ALL_IDS)
        newest = min(before.started_at, time.time_ns())
        found: list[Row] = []
        # Of a user, a session or a trace there are few, and indexes to find them by.
        indexed = bool(filter_.users or filter_.sessions or filter_.trace_id)
        if bounded and not indexed:
            oldest = max(await self._far_enough(filter_, before.started_at), oldest)
        windows = () if indexed else _windows(newest)
        for low in (*(max(begin, oldest) for begin in windows), oldest):
            while len(found) < wanted and before.started_at >= low:
                ids, before = await self._candidates(filter_, low, before, wanted)
                found += await self._winners(filter_, ids)
            if low == oldest or len(found) >= wanted:
                break
        runs = [_summary(row) for row in found[:limit]]
        if len(found) > limit:
            last = found[limit - 1]
            return Page(runs, Cursor(last[summary.STARTED_AT], last[summary.RUN_ID]))
        return Page(runs, Cursor(oldest - 1, _BEHIND_ALL_IDS) if oldest > ends else None)

    async def _far_enough(self, filter_: RunFilter, before: int) -> int:
        """The begin of the newest week from which on there are `searched_rows` rows up to a time, or 0."""
        rows = 0
        weeks = await self._rows(query.rows_by_week(self._database, filter_, before))
        for week, count in weeks[:-1]:
            rows += count
            if rows >= self._searched_rows:
                return query.begin_of(week)
        return 0

    async def sorted_runs(
        self,
        filter_: RunFilter,
        sort: Sort | ScoreSort,
        *,
        descending: bool = True,
        limit: int = DEFAULT_PAGE,
        offset: int = 0,
    ) -> list[RunJson]:
        """See `RunStore.sorted_runs`. Keys are sorted first: rows are wide."""
        if isinstance(sort, Sort) and offset + limit <= MAX_PAGE:
            first = await self._first_runs(filter_, sort, descending, offset + limit)
            if first is not None:
                return first[offset:]
        keys: list[Any] = await self._rows(query.in_order(self._database, filter_, sort, descending, limit, offset))
        if not keys:
            return []
        rows = await self._rows(query.by_keys(self._database, filter_.project_id, keys))
        found = {row[summary.RUN_ID]: row for row in rows}
        return [_summary(found[run_id]) for _, run_id in keys if run_id in found]

    async def _first_runs(self, filter_: RunFilter, sort: Sort, descending: bool, wanted: int) -> list[RunJson] | None:
        """The first runs of an order, found as in `list_runs`: rows in any version, then their winners that stand where
        the row does. None when too few of the rows were winners, or too few runs have the fact."""
        limit = wanted + wanted // 4 + _SPARE
        rows = await self._rows(query.first_rows(self._database, filter_, sort, descending, limit))
        keys = list(dict.fromkeys((trace, id_) for _, _, trace, id_ in rows))
        winners = await self._rows(query.winners(self._database, filter_, keys)) if keys else []
        values = {row[summary.RUN_ID]: summary.values(row) for row in winners}
        found = [
            id_
            for place, at, _, id_ in dict.fromkeys(rows)
            if id_ in values and (summary.place(sort, values[id_]), summary.started_at(values[id_])) == (place, at)
        ]
        if len(found) < wanted and not (sort is Sort.STARTED and len(rows) < limit):
            return None
        return [summary_json(values[id_]) for id_ in found[:wanted]]

    async def groups(self, filter_: RunFilter, grouping: Grouping) -> list[Group]:
        """See `RunStore.groups`."""
        rows = await self._rows(query_groups.groups(self._database, filter_, grouping))
        return [group_of(grouping, row) for row in rows if row[2]]

    async def breakdown(self, filter_: RunFilter, by: By | None, bucket_ns: int | None, top: int) -> Breakdown:
        """See `RunStore.breakdown`. To compare versions takes as long as to sum, so both is done once where it can be:
        of users there may be too many for a series, and a run is in the groups of all its tags, so that these do not
        sum up to the whole."""
        if bucket_ns is None and (by is None or by is By.TAG):
            return await breakdown(self.groups, filter_, by, bucket_ns, top)
        few, series = by in _FEW_VALUES and bucket_ns is not None, by is None or by in _FEW_VALUES
        limit = MAX_SERIES if by is None else _MAX_ROWS if few else top
        grouping = Grouping(
            by, bucket_ns if series else None, GroupSort.COST, True, limit + 1, latency=True, people=False
        )
        tags = by is By.TAG
        rows, alone = await asyncio.gather(
            self._rows(query_groups.breakdown(self._database, filter_, grouping, with_whole=not tags, with_keys=few)),
            self.groups(filter_, Grouping(latency=True, people=False)) if tags else _none(),
        )
        whole, groups, found = alone[0] if alone else None, [], []
        for no_key, no_bucket, *row in rows:
            if no_key:
                whole = group_of(Grouping(), row) if row[2] else None
            elif by is not None and (no_bucket or grouping.bucket_ns is None):
                groups.append(group_of(Grouping(by), row))
            else:
                found.append(group_of(grouping, row))
        kept = groups[:top]
        if by is not None and (len(rows) > limit if few else bucket_ns is not None):
            return Breakdown(whole, kept, await over_time(self.groups, filter_, by, bucket_ns, kept))
        keys = {group.key for group in kept}
        found = [group for group in found if by is None or group.key in keys]
        return Breakdown(whole, kept, sorted(found, key=lambda group: (group.bucket or 0, group.key or "")))

    async def get_run(self, project_id: str, run_id: str) -> RunJson | None:
        """See `RunStore.get_run`."""
        if not is_uuid(run_id):
            return None
        rows = await self._rows(query.run(self._database, project_id, run_id))
        if not rows:
            return None
        group, *row = rows[0]
        run = _summary(row)
        contents = await self._rows(
            query.payload(self._database, project_id, group, row[summary.RUN_ID], row[summary.VERSION])
        )
        if contents:
            return in_order(Run, run | _json(RUN_PAYLOADS, PAYLOAD, contents[0]))
        nothing = {column.name: _EMPTY.get(column.name) for column in PAYLOAD if column.name != "error"}
        return in_order(Run, run | nothing) | {"payload_expired": True}

    async def trace(self, project_id: str, trace_id: str) -> list[RunJson]:
        """See `RunStore.trace`."""
        rows = await self._rows(query.trace(self._database, project_id, trace_id, MAX_TRACE))
        return [_summary(row) for row in rows]

    async def scores(self, project_id: str, run_id: str) -> list[dict[str, Any]]:
        """See `RunStore.scores`."""
        if not is_uuid(run_id):
            return []
        rows = await self._rows(query.scores(self._database, project_id, run_id))
        return [_json(SCORES, SCORE, row) for row in rows]

    async def scores_of(self, project_id: str, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """See `RunStore.scores_of`."""
        known = [run_id for run_id in run_ids if is_uuid(run_id)]
        rows = await self._rows(query.scores_of(self._database, project_id, known)) if known else []
        return [_json(SCORES, SCORE, row) for row in rows]

    async def totals(self, filter_: RunFilter) -> Totals:
        """See `RunStore.totals`."""
        (row,) = await self._rows(query_groups.totals(self._database, filter_))
        return totals_of(row)

    async def projects(self, started_from: int, started_to: int) -> list[str]:
        """See `RunStore.projects`."""
        return [id_ for (id_,) in await self._rows(query.projects(self._database, started_from, started_to))]

    async def scan(self, filter_: RunFilter) -> AsyncIterator[list[Run]]:
        """See `RunStore.scan`. As in `list_runs`, candidates in any version come first, then their winners; a run whose
        start moved to another partition is given there."""
        for (week,) in await self._rows(query.weeks(self._database, filter_)):
            after: Key | None = None
            while True:
                keys: list[Any] = await self._rows(query.keys(self._database, filter_, week, after, SCAN_PAGE))
                if not keys:
                    break
                rows = await self._rows(query.winners(self._database, filter_, list(dict.fromkeys(keys))))
                yield _records([row for row in rows if query.week(row[summary.STARTED_AT]) == week])
                after = keys[-1]

    @property
    def _database(self) -> str:
        return self.settings.database

    async def _candidates(
        self, filter_: RunFilter, low: int, before: Cursor, wanted: int
    ) -> tuple[Sequence[Row], Cursor]:
        """The newest rows that match, and where to go on: before `low` when there are no more."""
        end = Cursor(low - 1, _BEHIND_ALL_IDS)
        ids = await self._rows(query.candidates(self._database, filter_, low, before, wanted))
        return ids, end if len(ids) < wanted else Cursor(ids[-1][0], ids[-1][2])

    async def _winners(self, filter_: RunFilter, candidates: Sequence[Row]) -> list[Row]:
        if not candidates:
            return []
        keys = [(trace, id_) for _, trace, id_ in candidates]
        rows = await self._rows(query.winners(self._database, filter_, list(dict.fromkeys(keys))))
        # An older version may have started at another time; its run stands where the winner starts.
        places = {(at, id_) for at, _, id_ in candidates}
        return [row for row in rows if (row[summary.STARTED_AT], row[summary.RUN_ID]) in places]

    async def _rows(self, statement: Statement) -> list[Row]:
        if self._threads is None:
            raise RuntimeError("the store is not started")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._query, statement)

    def _query(self, statement: Statement) -> list[Row]:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = Connection(self.settings, timeout=self.settings.query_timeout)
        try:
            return connection.query(statement.sql, statement.parameters, statement.settings)
        finally:
            self._idle.put(connection)


async def _none() -> list[Group]:
    return []


def _windows(newest: int) -> Iterator[int]:
    """Begins of the windows that a list of everything looks into. Most are full of what happened just now, which lies
    in small parts that were written just now; else rows are read by whole weeks, as long as these are partitions."""
    yield newest - _HOUR
    for weeks in _WEEKS:
        yield query.week_begin(newest - 24 * _HOUR) - weeks * query.WEEK_NS


_EMPTY: Final[dict[str, Any]] = {"params": {}, "attributes": {}, "warnings": []}


def _json(table: Table, columns: Sequence[Column], row: Sequence[Any]) -> dict[str, Any]:
    """JSON of a row: the columns' values, then the names of blank texts."""
    blank = row[-1]
    return record_json(
        table, ((column, decode(column, value, blank)) for column, value in zip(columns, row, strict=False))
    )


def _records(rows: Sequence[Row]) -> list[Run]:
    return list(runs_without_contents(map(summary.values, rows)))


def _summary(row: Sequence[Any]) -> RunJson:
    return summary_json(summary.values(row))
