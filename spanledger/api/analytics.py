"""Threads, users, and sums over time: everything that groups runs."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any, Final

from aiohttp import web

from spanledger.api import shapes
from spanledger.api.answers import answer, project_of
from spanledger.api.parameters import (
    BY,
    CURSOR,
    FILTERS,
    GROUP_CURSOR,
    GROUP_SEARCH,
    GROUP_SORT,
    INTERVAL,
    LIMIT,
    ORDER,
    PAGE,
    TOP,
    InvalidParameters,
    Reading,
    no_parameters,
    parse_time,
)
from spanledger.exporters.breakdown import narrowed
from spanledger.exporters.conditions import All, Compare, Not, Op, Some
from spanledger.exporters.store import (
    DEFAULT_PAGE,
    MAX_PAGE,
    By,
    Group,
    GroupCursor,
    Grouping,
    GroupSort,
    Page,
    RunFilter,
    RunJson,
    RunStore,
    Sort,
)
from spanledger.model.ids import thread_id
from spanledger.model.records import rfc3339

GROUP_LIST: Final = (
    *(parameter for parameter in FILTERS if parameter.name != "search"),
    *(GROUP_SEARCH, GROUP_SORT, ORDER, LIMIT, PAGE, GROUP_CURSOR),
)
ANALYTICS: Final = (*FILTERS, BY, INTERVAL, TOP)
THREAD_TURNS: Final = (LIMIT, CURSOR)
VALUES: Final = (*(parameter for parameter in FILTERS if parameter.name != "search"), GROUP_SEARCH, LIMIT)

_START: Final = Sort.STARTED
_SPOKEN: Final = Compare("type", Op.EQ, ("llm", "chat", "agent", "chain"))
"""Runs that people talk to."""
_FIELDS: Final = {
    "models": By.MODEL,
    "tags": By.TAG,
    "users": By.USER,
    **{f"{by}s": by for by in (By.PROVIDER, By.TYPE, By.NAME, By.ENVIRONMENT, By.RELEASE, By.SERVICE)},
    "statuses": By.STATUS,
    "threads": By.SESSION,
}
_MAX_RUNS: Final = 1_000
"""Runs of a thread that are given at once."""
_SECOND: Final = 1_000_000_000
_WIDTHS: Final = {
    "minute": 60 * _SECOND,
    "hour": 3_600 * _SECOND,
    "day": 86_400 * _SECOND,
    "week": 7 * 86_400 * _SECOND,
}
_MAX_INTERVALS: Final = 2_000
_TIMED: Final = (GroupSort.LAST, GroupSort.FIRST)
_AT_ONCE: Final = 8
"""Runs of a thread that are read at once with their contents."""


class Analytics:
    """Handlers of `/v1/threads`, `/v1/users`, `/v1/analytics` and `/v1/filters`."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def threads(self, request: web.Request) -> web.Response:
        """`GET /v1/threads`."""
        filter_, grouping = _group_list(request, By.SESSION)
        groups = await self._page_of(filter_, grouping)
        beginnings = await self._beginnings(filter_.project_id, groups[: grouping.limit - 1])
        shown = []
        for at in range(0, min(len(groups), grouping.limit - 1), _AT_ONCE):
            some = groups[at : min(at + _AT_ONCE, grouping.limit - 1)]
            shown += await asyncio.gather(
                *(self._thread(filter_.project_id, group, beginnings.get(str(group.key))) for group in some)
            )
        return answer(_page(shown, groups, grouping))

    async def _beginnings(self, project: str, groups: list[Group]) -> dict[str, RunJson]:
        """First runs of threads where these are what people talk to, which they nearly always are."""
        if not groups:
            return {}
        firsts = {str(group.key): group.first_at for group in groups}
        filter_ = RunFilter(
            project,
            sessions=tuple(firsts),
            started_from=min(firsts.values()),
            started_to=max(firsts.values()) + 1,
            where=All(
                (_SPOKEN, Some(tuple(Compare("started_at", Op.EQ, at) for at in dict.fromkeys(firsts.values()))))
            ),
        )
        found: dict[str, RunJson] = {}
        for run in (await self._store.list_runs(filter_, MAX_PAGE)).runs:
            if parse_time(run["started_at"]) == firsts[run["session_id"]]:
                found[run["session_id"]] = run
        return found

    async def _thread(self, project: str, group: Group, beginning: RunJson | None = None) -> RunJson:
        session = str(group.key)
        if beginning is None:
            first = await self._store.sorted_runs(
                RunFilter(project, sessions=(session,), where=_SPOKEN), _START, limit=1, descending=False
            )
            beginning = first[0] if first else None
        return {
            "id": session,
            "thread_id": thread_id(project, session),
            "user_id": beginning["user_id"] if beginning else None,
            "first_message": beginning["input_preview"] if beginning else None,
            "tags": beginning["tags"] if beginning else [],
        } | shapes.group(group)

    async def thread(self, request: web.Request) -> web.Response:
        """`GET /v1/threads/{id}`: what it sums to, and all its runs, oldest first."""
        no_parameters(request.query)
        project, session = project_of(request), request.match_info["id"]
        filter_ = RunFilter(project, sessions=(session,))
        groups = await self._store.groups(filter_, Grouping(By.SESSION))
        if not groups:
            raise web.HTTPNotFound(reason="no thread has this id")
        runs = await self._store.sorted_runs(filter_, _START, descending=False, limit=_MAX_RUNS)
        return answer(await self._thread(project, groups[0]) | {"runs": runs})

    async def messages(self, request: web.Request) -> web.Response:
        """`GET /v1/threads/{id}/messages`: the turns of a conversation, newest page first, each page oldest first."""
        reading = Reading(request.query, THREAD_TURNS)
        limit, after = reading.one(LIMIT) or 20, reading.one(CURSOR)
        reading.finish()
        project, session = project_of(request), request.match_info["id"]
        page = await self._turns(project, session, limit, after)
        runs = list(reversed(page.runs))
        scores = await self._store.scores_of(project, [run["run_id"] for run in runs]) if runs else []
        turns: list[RunJson] = []
        for at in range(0, len(runs), _AT_ONCE):
            whole = await asyncio.gather(
                *(self._store.get_run(project, run["run_id"]) for run in runs[at : at + _AT_ONCE])
            )
            turns += [_turn(run, [each for each in scores if each["run_id"] == run["run_id"]]) for run in whole if run]
        if not turns and after is None:
            raise web.HTTPNotFound(reason="no thread has this id")
        return answer({"data": turns, "next_cursor": page.next.encode() if page.next else None})

    async def _turns(self, project: str, session: str, limit: int, after: Any) -> Page:
        """The runs that people see of a conversation: its chat messages, else the topmost runs, else model calls."""
        of_session = RunFilter(project, sessions=(session,))
        for filter_ in (
            dataclasses.replace(of_session, types=("chat",)),
            dataclasses.replace(of_session, where=All((_SPOKEN, Not(Compare("parent_run_id", Op.EXISTS))))),
        ):
            page = await self._store.list_runs(filter_, limit, after)
            if page.runs or after is not None:
                return page
        return await self._store.list_runs(dataclasses.replace(of_session, where=_SPOKEN), limit, after)

    async def users(self, request: web.Request) -> web.Response:
        """`GET /v1/users`."""
        filter_, grouping = _group_list(request, By.USER)
        groups = await self._page_of(filter_, grouping)
        shown = [{"id": group.key, "externalId": group.key} | shapes.group(group) for group in groups]
        return answer(_page(shown[: grouping.limit - 1], groups, grouping))

    async def user(self, request: web.Request) -> web.Response:
        """`GET /v1/users/{id}`: what the user's runs sum to, by model, and the newest properties."""
        no_parameters(request.query)
        project, user = project_of(request), request.match_info["id"]
        filter_ = RunFilter(project, users=(user,))
        groups = await self._store.groups(filter_, Grouping(By.USER))
        if not groups:
            raise web.HTTPNotFound(reason="no user has this id")
        models = await self._store.groups(filter_, Grouping(By.MODEL, sort=GroupSort.COST, descending=True, limit=20))
        newest = (await self._store.list_runs(filter_, 1)).runs
        whole = await self._store.get_run(project, newest[0]["run_id"]) if newest else None
        return answer(
            {"id": user, "externalId": user, "props": (whole or {}).get("user_props") or {}}
            | shapes.group(groups[0])
            | {"models": [{"key": group.key} | shapes.group(group) for group in models]}
        )

    async def analytics(self, request: web.Request) -> web.Response:
        """`GET /v1/analytics`."""
        reading = Reading(request.query, ANALYTICS)
        filter_ = reading.filter(project_of(request))
        by, interval, top = reading.one(BY), reading.one(INTERVAL), reading.one(TOP)
        width = _WIDTHS[interval] if interval else None
        if width is not None:
            if filter_.started_from is None:
                reading.wrong("from", "", "a time, where an interval is asked for")
            else:
                ends = filter_.started_to or max(time.time_ns(), filter_.started_from)
                if (ends - filter_.started_from) // width > _MAX_INTERVALS:
                    reading.wrong("interval", str(interval), f"at most {_MAX_INTERVALS} intervals from first to last")
        reading.finish()
        found = await self._store.breakdown(filter_, By(by) if by else None, width, top or 20)
        return answer(
            {
                "by": by,
                "interval": interval,
                "totals": _line(found.whole) if found.whole else None,
                "groups": [{"key": group.key} | _line(group) for group in found.groups],
                "series": [
                    {"at": rfc3339(group.bucket or 0), "key": group.key} | _line(group) for group in found.series
                ],
            }
        )

    async def _page_of(self, filter_: RunFilter, grouping: Grouping) -> list[Group]:
        """Groups with their users and sessions, which are counted for those of the page alone."""
        groups = await self._store.groups(filter_, dataclasses.replace(grouping, people=False))
        if not groups or grouping.by is None:
            return groups
        keys = [str(group.key) for group in groups]
        counted = await self._store.groups(narrowed(filter_, grouping.by, keys), Grouping(grouping.by, limit=len(keys)))
        people = {group.key: (group.users, group.sessions) for group in counted}
        return [
            dataclasses.replace(group, users=people[group.key][0], sessions=people[group.key][1])
            if group.key in people
            else group
            for group in groups
        ]

    async def values(self, request: web.Request) -> web.Response:
        """`GET /v1/filters/{field}`: the values of a fact, most frequent first."""
        field = _FIELDS.get(request.match_info["field"])
        if field is None:
            known = ", ".join(_FIELDS)
            raise InvalidParameters(
                [{"parameter": "field", "found": request.match_info["field"][:200], "expected": f"one of {known}"}]
            )
        reading = Reading(request.query, VALUES)
        filter_ = reading.filter(project_of(request), without="search")
        contains, limit = reading.one(GROUP_SEARCH), reading.one(LIMIT) or MAX_PAGE
        reading.finish()
        grouping = Grouping(field, sort=GroupSort.RUNS, descending=True, limit=limit, contains=contains, people=False)
        groups = await self._store.groups(filter_, grouping)
        return answer({"data": [{"value": group.key, "runs": group.totals.runs} for group in groups]})


def _group_list(request: web.Request, by: By) -> tuple[RunFilter, Grouping]:
    """One group more than asked for, which tells whether there is a next page."""
    reading = Reading(request.query, GROUP_LIST)
    filter_ = reading.filter(project_of(request), without="search")
    limit, page, after = reading.one(LIMIT) or DEFAULT_PAGE, reading.one(PAGE), reading.one(GROUP_CURSOR)
    sort = GroupSort(reading.one(GROUP_SORT) or GroupSort.LAST)
    descending = (reading.one(ORDER) or "desc") == "desc"
    if after is not None and (page is not None or sort not in _TIMED or not descending):
        reading.wrong("cursor", "a cursor", "no page, and no sort but last or first, beside a cursor")
    contains = reading.one(GROUP_SEARCH)
    reading.finish()
    offset = (page or 0) * limit
    return filter_, Grouping(by, None, sort, descending, limit + 1, offset, after, contains)


def _page(shown: list[RunJson], groups: list[Group], grouping: Grouping) -> RunJson:
    more, last = len(groups) >= grouping.limit, grouping.limit - 2
    cursor = None
    if more and grouping.sort in _TIMED and grouping.descending:
        at = groups[last].last_at if grouping.sort is GroupSort.LAST else groups[last].first_at
        cursor = GroupCursor(at, str(groups[last].key)).encode()
    return {"data": shown, "next_cursor": cursor, "more": more, "limit": grouping.limit - 1}


def _line(group: Group) -> RunJson:
    shown = shapes.group(group) | shapes.latency(group)
    return {name: value for name, value in shown.items() if name not in ("users", "sessions")}


def _turn(run: RunJson, scores: list[RunJson]) -> RunJson:
    """What one run added to its conversation: the messages since the last answer, and the answer."""
    given, got = run["input"], run["output"]
    if isinstance(given, list):
        answers = [
            at for at, message in enumerate(given) if isinstance(message, dict) and message.get("role") == "assistant"
        ]
        given = given[answers[-1] + 1 :] if answers else given
    return {
        "run_id": run["run_id"],
        "type": run["type"],
        "name": run["name"],
        "model": run["model"],
        "user_id": run["user_id"],
        "started_at": run["started_at"],
        "duration_ns": run["duration_ns"],
        "status": run["status"],
        "error": run["error"],
        "input": given,
        "output": got,
        "cost": (run["cost"] or {}).get("total"),
        "feedback": shapes.feedback(scores),
    }
