"""Reads the ledger from Postgres for the API, with connections of its own."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, TypeAlias

from spanledger.exporters.assemble import (
    SUMMARY,
    group_of,
    in_order,
    record_json,
    runs_without_contents,
    summary_json,
    totals_of,
)
from spanledger.exporters.breakdown import breakdown
from spanledger.exporters.breakdown import series as over_time
from spanledger.exporters.postgres import query, query_hours
from spanledger.exporters.postgres.columns import clean, decode
from spanledger.exporters.postgres.connection import Pool
from spanledger.exporters.postgres.hours import LATENCIES, quantiles
from spanledger.exporters.postgres.query import PAYLOAD, SCORE, Statement
from spanledger.exporters.postgres.settings import PostgresSettings
from spanledger.exporters.schema import RUN_PAYLOADS, RUNS, SCORES, Column, Table
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

Row: TypeAlias = Sequence[Any]

_STARTED_AT: Final = SUMMARY.index(RUNS["started_at"])
_RUN_ID: Final = SUMMARY.index(RUNS["run_id"])
_TUNING: Final = {
    # Groups of a million runs fit; with Postgres' own 4 MB they would be summed on disk.
    "work_mem": "64MB",
    # Postgres' own 4 is a disk that turns: for the runs of fifty users all rows would be read.
    "random_page_cost": "1.1",
}
_EMPTY: Final[dict[str, Any]] = {"params": {}, "attributes": {}, "warnings": []}


_PEOPLE: Final = (By.USER, By.SESSION)
_MAX_ROWS: Final = 20_000
"""Groups that are read for a series, before those that it shows are known."""
_INDEXED: Final = (Sort.COST, Sort.DURATION)
"""Orders that an index knows, of runs that have the fact."""
_NEWEST: Final = 5_000
"""Runs among which those of a first page of users or sessions are looked for."""
EXACT_UNTIL: Final = 50_000
SEARCHED_ROWS: Final = 20_000
"""Rows whose texts are searched for one page: some take a hundredth of a millisecond each."""


class PostgresStore:
    """A `spanledger.exporters.store.RunStore`."""

    def __init__(
        self, settings: PostgresSettings, exact_until: int = EXACT_UNTIL, searched_rows: int = SEARCHED_ROWS
    ) -> None:
        """`exact_until`: quantiles over so many runs come from the runs, over more from histograms of hours.
        `searched_rows`: how many are looked at for a bounded page."""
        self._searched_rows = searched_rows
        self.settings = settings
        self._exact_until = exact_until
        self._pool: Pool | None = None

    async def start(self) -> None:
        """See `RunStore.start`. Further connections are opened when all are busy, up to `query_connections`."""
        if self._pool is None:
            pool = Pool(
                self.settings,
                size=self.settings.query_connections,
                timeout=self.settings.query_timeout,
                tuning=_TUNING,
            )
            await pool.open()
            self._pool = pool

    async def close(self) -> None:
        """See `RunStore.close`."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def list_runs(
        self, filter_: RunFilter, limit: int = DEFAULT_PAGE, after: Cursor | None = None, *, bounded: bool = False
    ) -> Page:
        """See `RunStore.list_runs`."""
        if after is not None and not (is_uuid(after.run_id) and 0 <= after.started_at < 2**63):
            return Page([], None)
        down_to: Cursor | None = None
        if bounded:
            place = await self._rows(query.place(self._schema, filter_, after, self._searched_rows))
            down_to = Cursor(place[0][0], str(place[0][1])) if place else None
        rows = await self._rows(query.page(self._schema, filter_, after, limit + 1, down_to))
        last = _cursor(rows[limit - 1]) if len(rows) > limit else down_to
        return Page([_summary(row) for row in rows[:limit]], last)

    async def sorted_runs(
        self,
        filter_: RunFilter,
        sort: Sort | ScoreSort,
        *,
        descending: bool = True,
        limit: int = DEFAULT_PAGE,
        offset: int = 0,
    ) -> list[RunJson]:
        """See `RunStore.sorted_runs`."""
        if sort in _INDEXED and descending:
            rows = await self._rows(query.in_order(self._schema, filter_, sort, True, limit, offset, known=True))
            if len(rows) == limit:
                return [_summary(row) for row in rows]
        rows = await self._rows(query.in_order(self._schema, filter_, sort, descending, limit, offset))
        return [_summary(row) for row in rows]

    async def groups(self, filter_: RunFilter, grouping: Grouping) -> list[Group]:
        """See `RunStore.groups`."""
        if query_hours.groups_answers(filter_, grouping) and await self._summed(filter_, latency=grouping.latency):
            return await self._groups_of_hours(filter_, grouping)
        if narrow := await self._newest(filter_, grouping):
            filter_ = narrow
        elif grouping.latency and grouping.by in _PEOPLE and grouping.bucket_ns is None and grouping.limit <= MAX_PAGE:
            # Quantiles of every one of thousands take far longer than their sums: which ones are wanted comes first.
            chosen = await self.groups(filter_, dataclasses.replace(grouping, latency=False))
            if not chosen:
                return []
            filter_ = _of(filter_, grouping.by, [str(group.key) for group in chosen])
            grouping = dataclasses.replace(grouping, offset=0, after=None)
        return [group_of(grouping, row) for row in await self._rows(query.groups(self._schema, filter_, grouping))]

    async def breakdown(self, filter_: RunFilter, by: By | None, bucket_ns: int | None, top: int) -> Breakdown:
        """See `RunStore.breakdown`. Sums by hour do not know tags: of these the rows are read, once for both."""
        if by is not By.TAG or bucket_ns is None:
            return await breakdown(self.groups, filter_, by, bucket_ns, top)
        grouping = Grouping(by, bucket_ns, GroupSort.COST, True, _MAX_ROWS + 1, latency=True, people=False)
        whole, rows = await asyncio.gather(
            self.groups(filter_, Grouping(latency=True, people=False)),
            self._rows(query.groups(self._schema, filter_, grouping, with_keys=True)),
        )
        kept = [group_of(Grouping(by), row) for row in rows if row[1] is None][:top]
        if len(rows) > _MAX_ROWS:
            found = await over_time(self.groups, filter_, by, bucket_ns, kept)
        else:
            keys = {group.key for group in kept}
            found = [group_of(grouping, row) for row in rows if row[1] is not None and row[0] in keys]
            found.sort(key=lambda group: (group.bucket or 0, group.key or ""))
        return Breakdown(whole[0] if whole else None, kept, found)

    async def get_run(self, project_id: str, run_id: str) -> RunJson | None:
        """See `RunStore.get_run`."""
        if not is_uuid(run_id):
            return None
        rows = await self._rows(query.run(self._schema, project_id, run_id))
        if not rows:
            return None
        row = rows[0]
        run = _summary(row)
        if row[len(SUMMARY)]:
            return in_order(Run, run | _json(RUN_PAYLOADS, PAYLOAD, row[len(SUMMARY) + 1 :]))
        nothing = {column.name: _EMPTY.get(column.name) for column in PAYLOAD if column.name != "error"}
        return in_order(Run, run | nothing) | {"payload_expired": True}

    async def trace(self, project_id: str, trace_id: str) -> list[RunJson]:
        """See `RunStore.trace`."""
        return [_summary(row) for row in await self._rows(query.trace(self._schema, project_id, trace_id, MAX_TRACE))]

    async def scores(self, project_id: str, run_id: str) -> list[dict[str, Any]]:
        """See `RunStore.scores`."""
        if not is_uuid(run_id):
            return []
        return [_json(SCORES, SCORE, row) for row in await self._rows(query.scores(self._schema, project_id, run_id))]

    async def scores_of(self, project_id: str, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """See `RunStore.scores_of`."""
        known = [run_id for run_id in run_ids if is_uuid(run_id)]
        rows = await self._rows(query.scores_of(self._schema, project_id, known)) if known else []
        return [_json(SCORES, SCORE, row) for row in rows]

    async def totals(self, filter_: RunFilter) -> Totals:
        """See `RunStore.totals`."""
        if query_hours.answers(filter_) and await self._summed(filter_):
            (row,) = await self._rows(query_hours.totals(self._schema, filter_))
            return totals_of(row)
        (row,) = await self._rows(query.totals(self._schema, filter_))
        return totals_of(row)

    async def projects(self, started_from: int, started_to: int) -> list[str]:
        """See `RunStore.projects`."""
        return [id_ for (id_,) in await self._rows(query.projects(self._schema, started_from, started_to))]

    async def scan(self, filter_: RunFilter) -> AsyncIterator[list[Run]]:
        """See `RunStore.scan`."""
        after: Cursor | None = None
        while True:
            rows = await self._rows(query.scan(self._schema, filter_, after, SCAN_PAGE))
            if not rows:
                return
            yield list(runs_without_contents(map(_values, rows)))
            after = _cursor(rows[-1])

    async def _summed(self, filter_: RunFilter, *, latency: bool = False) -> bool:
        """Whether to take sums by hour: few hours lack them, and quantiles need not be exact."""
        ((stale, runs),) = await self._rows(query_hours.state(self._schema, filter_))
        return int(stale) <= query_hours.MANY_STALE and (not latency or int(runs) > self._exact_until)

    async def _newest(self, filter_: RunFilter, grouping: Grouping) -> RunFilter | None:
        """The runs of those users or sessions alone that a first page shows, newest first: they stand in the newest
        runs. None when it shows something else, or they do not."""
        if (
            grouping.by not in _PEOPLE
            or (grouping.sort, grouping.descending, grouping.offset) != (GroupSort.LAST, True, 0)
            or (grouping.bucket_ns, grouping.after, grouping.contains) != (None, None, None)
            or grouping.limit > MAX_PAGE
            or filter_.where is not None
        ):
            return None
        rows = await self._rows(query.newest_keys(self._schema, filter_, grouping.by, _NEWEST))
        if len(rows) < _NEWEST:
            return None
        # Of those that start with the last one there may be more.
        keys = list(dict.fromkeys(key for key, at in rows if at > rows[-1][1]))
        last = {row[0]: row[1] for row in reversed(rows)}
        if len(keys) < grouping.limit:
            return None
        oldest = last[keys[grouping.limit - 1]]
        return _of(filter_, grouping.by, [key for key in keys if last[key] >= oldest])

    async def _groups_of_hours(self, filter_: RunFilter, grouping: Grouping) -> list[Group]:
        rows = await self._rows(query_hours.groups(self._schema, filter_, grouping))
        if not grouping.latency or not rows:
            return [group_of(grouping, row) for row in rows]
        keys = list(dict.fromkeys(row[0] for row in rows))
        found: dict[tuple[str, int], tuple[list[tuple[int, int]], ...]] = {
            (row[0], row[1]): tuple([] for _ in LATENCIES) for row in rows
        }
        for key, bucket, latency, bin_, count in await self._rows(
            query_hours.histograms(self._schema, filter_, grouping, keys)
        ):
            if (key, bucket) in found:
                found[key, bucket][latency].append((bin_, count))
        return [group_of(grouping, (*row, *map(quantiles, found[row[0], row[1]]))) for row in rows]

    @property
    def _schema(self) -> str:
        return self.settings.schema_name

    async def _rows(self, statement: Statement) -> list[Row]:
        if self._pool is None:
            raise RuntimeError("the store is not started")
        async with self._pool.connection("query") as connection:
            return [tuple(row) for row in await connection.fetch(statement.sql, *map(_valid, statement.values))]


def _of(filter_: RunFilter, by: By, keys: Sequence[str]) -> RunFilter:
    """The runs of some users or sessions alone, which the filter lets through."""
    if by is By.USER:
        return dataclasses.replace(filter_, users=tuple(keys))
    return dataclasses.replace(filter_, sessions=tuple(keys))


def _valid(value: Any) -> Any:
    """A parameter as Postgres takes it, and as the writer would have cleaned it: what asks for NUL finds it."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_valid(item) for item in value]
    return value


def _cursor(row: Row) -> Cursor:
    return Cursor(row[_STARTED_AT], str(row[_RUN_ID]))


def _json(table: Table, columns: Sequence[Column], row: Row) -> dict[str, Any]:
    return record_json(table, ((column, decode(column, value)) for column, value in zip(columns, row, strict=True)))


def _values(row: Row) -> list[Any]:
    return [decode(column, value) for column, value in zip(SUMMARY, row, strict=False)]


def _summary(row: Row) -> RunJson:
    return summary_json(_values(row))
