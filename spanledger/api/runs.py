"""Runs: lists, one run, its trace, its scores, counts and usage."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from spanledger.api import shapes
from spanledger.api.answers import answer, project_of
from spanledger.api.lunary_threads import lunary_threads
from spanledger.api.parameters import (
    DAILY,
    DAYS,
    FILTERS,
    SHAPE,
    USER_ID,
    ListParameters,
    Reading,
    filter_parameters,
    list_parameters,
    no_parameters,
)
from spanledger.exporters.conditions import Compare, Op, looks_into_texts
from spanledger.exporters.store import MAX_PAGE, By, Cursor, Grouping, RunFilter, RunJson, RunStore, Sort
from spanledger.model.records import rfc3339

_DAY_NS: Final = 86_400 * 1_000_000_000
_USAGE_TYPES: Final = ("llm", "embed", "tool", "agent", "chain", "retriever", "rerank", "custom")
_MAX_BELOW: Final = 5_000
"""Descendants of a run without a trace that are given at once."""


class Runs:
    """Handlers of `/v1/runs`."""

    def __init__(self, store: RunStore, shape: str) -> None:
        """`shape`: the one that is answered to whom names none."""
        self._store = store
        self._shape = shape

    async def list(self, request: web.Request) -> web.Response:
        """`GET /v1/runs`."""
        project = project_of(request)
        asked = list_parameters(request.query, project)
        if asked.filter.types == ("thread",):  # a thread is no run of its own here
            return answer(await lunary_threads(self._store, asked))
        counting = asyncio.create_task(self._store.totals(asked.filter)) if asked.total else None
        try:
            runs, after = await self._page(asked)
            total = (await counting).runs if counting is not None else None
        finally:
            if counting is not None:
                counting.cancel()
        body: dict[str, Any] = {
            "data": await self._shown(project, runs, asked.shape),
            "next_cursor": after.encode() if after else None,
            "limit": asked.limit,
            "page": asked.page or 0,
        }
        if after is not None and len(runs) < asked.limit:
            body["searched_back_to"] = rfc3339(max(after.started_at, 0))
        return answer(body if total is None else body | {"total": total})

    async def _page(self, asked: ListParameters) -> tuple[Sequence[RunJson], Cursor | None]:
        if asked.page is None and asked.sort is Sort.STARTED and asked.descending:
            bounded = looks_into_texts(asked.filter.where)
            page = await self._store.list_runs(asked.filter, asked.limit, asked.after, bounded=bounded)
            return page.runs, page.next
        offset = (asked.page or 0) * asked.limit
        found = await self._store.sorted_runs(
            asked.filter, asked.sort, descending=asked.descending, limit=asked.limit, offset=offset
        )
        return found, None

    async def _shown(self, project: str, runs: Sequence[RunJson], shape: str | None) -> Sequence[RunJson]:
        scores = await self._store.scores_of(project, [run["run_id"] for run in runs]) if runs else []
        by_run: dict[str, list[RunJson]] = {}
        for score in scores:
            by_run.setdefault(score["run_id"], []).append(score)
        show = shapes.lunary if (shape or self._shape) == "lunary" else shapes.run
        return [show(run, by_run.get(run["run_id"], [])) for run in runs]

    async def count(self, request: web.Request) -> web.Response:
        """`GET /v1/runs/count`."""
        filter_ = filter_parameters(request.query, project_of(request))
        return answer({"count": (await self._store.totals(filter_)).runs})

    async def usage(self, request: web.Request) -> web.Response:
        """`GET /v1/runs/usage`: sums, or Lunary's lines by name and type where `days` is given."""
        reading = Reading(request.query, (*FILTERS, DAYS, DAILY, USER_ID))
        filter_ = reading.filter(project_of(request))
        days, daily, user = reading.one(DAYS), reading.one(DAILY), reading.one(USER_ID)
        if days is None and (daily is not None or user is not None):
            reading.wrong("days", "", DAYS.expected)
        reading.finish()
        if days is None:
            return answer(shapes.totals(await self._store.totals(filter_)))
        return answer(await self._usage_lines(filter_, days, user, daily=bool(daily)))

    async def _usage_lines(self, filter_: RunFilter, days: int, user: str | None, *, daily: bool) -> Sequence[RunJson]:
        since = max(time.time_ns() - days * _DAY_NS, filter_.started_from or 0)
        users = (user,) if user else filter_.users
        narrow = dataclasses.replace(filter_, types=filter_.types or _USAGE_TYPES, users=users, started_from=since)
        by_day = _DAY_NS if daily else None
        grouping = Grouping(By.NAME, by_day, limit=MAX_PAGE * 100, people=False, with_type=True)
        lines = []
        for group in await self._store.groups(narrow, grouping):
            type_, _, name = str(group.key).partition(" ")
            line: RunJson = {
                "name": name,
                "type": type_,
                "prompt_tokens": group.totals.input_tokens or 0,
                "completion_tokens": group.totals.output_tokens or 0,
                "cost": float(group.totals.cost or 0),
                "errors": group.totals.errors,
                "success": group.totals.runs - group.totals.errors,
            }
            lines.append(line if group.bucket is None else line | {"date": rfc3339(group.bucket)[:10]})
        return lines

    async def one(self, request: web.Request) -> web.Response:
        """`GET /v1/runs/{id}`."""
        reading = Reading(request.query, (SHAPE,))
        shape = reading.one(SHAPE) or self._shape
        reading.finish()
        project = project_of(request)
        run = await find(self._store, request)
        scores = await self._store.scores(project, run["run_id"])
        if shape != "lunary":
            return answer(shapes.run(run, scores))
        parent = await self._store.scores(project, run["parent_run_id"]) if run["parent_run_id"] else []
        return answer(shapes.lunary(run, scores) | {"parentFeedback": shapes.feedback(parent)})

    async def public(self, request: web.Request) -> web.Response:
        """`GET /v1/runs/{id}/public`: for every key of the project, where the run is visible to all."""
        no_parameters(request.query)
        run = await find(self._store, request)
        if run["metadata"].get(shapes.VISIBILITY) != "public":
            raise web.HTTPNotFound(reason="no run has this id")
        return answer(shapes.run(run, await self._store.scores(project_of(request), run["run_id"])))

    async def related(self, request: web.Request) -> web.Response:
        """`GET /v1/runs/{id}/related`."""
        no_parameters(request.query)
        run = await find(self._store, request)
        if run["trace_id"] is not None:
            return answer({"data": await self._store.trace(project_of(request), run["trace_id"])})
        return answer({"data": [run, *await self._below(project_of(request), run["run_id"])]})

    async def _below(self, project: str, run_id: str) -> Sequence[RunJson]:
        """Descendants of a run that has no trace, as those of Lunary's clients."""
        found: dict[str, RunJson] = {}
        above = [run_id]
        while above and len(found) < _MAX_BELOW:
            children = await self._store.list_runs(
                RunFilter(project, where=Compare("parent_run_id", Op.EQ, tuple(above))), MAX_PAGE
            )
            above = [run["run_id"] for run in children.runs if run["run_id"] not in found and run["run_id"] != run_id]
            found |= {run["run_id"]: run for run in children.runs if run["run_id"] != run_id}
        return sorted(found.values(), key=lambda run: (run["started_at"], run["run_id"]))

    async def scores(self, request: web.Request) -> web.Response:
        """`GET /v1/runs/{id}/scores`."""
        no_parameters(request.query)
        return answer({"data": await self._store.scores(project_of(request), request.match_info["id"])})

    async def feedback(self, request: web.Request) -> web.Response:
        """`GET /v1/runs/{id}/feedback`: what a user thought, `{}` where nobody said anything."""
        no_parameters(request.query)
        scores = await self._store.scores(project_of(request), request.match_info["id"])
        return answer(shapes.feedback(scores) or {})


async def find(store: RunStore, request: web.Request) -> RunJson:
    """The run of a path. Raises `HTTPNotFound`."""
    run = await store.get_run(project_of(request), request.match_info["id"])
    if run is None:
        raise web.HTTPNotFound(reason="no run has this id")
    return run
