"""`GET /v1/runs?type=thread`: conversations as Lunary lists them among its runs. `GET /v1/threads` tells more."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from spanledger.api.parameters import InvalidParameters, ListParameters, parse_time
from spanledger.exporters.conditions import Compare, Op
from spanledger.exporters.store import MAX_PAGE, By, Group, Grouping, GroupSort, RunFilter, RunJson, RunStore, Sort
from spanledger.model.records import money, rfc3339

_SORTS: Final = {
    Sort.STARTED: GroupSort.LAST,
    Sort.DURATION: GroupSort.LAST,
    Sort.TOKENS: GroupSort.TOKENS,
    Sort.COST: GroupSort.COST,
}
_SECOND: Final = 1_000_000_000
_SAID: Final = ("chat", "llm", "agent", "chain")


async def lunary_threads(store: RunStore, asked: ListParameters) -> RunJson:
    """A page of threads, those with the newest run first. Raises `InvalidParameters` for a cursor: they page by
    number."""
    if asked.after is not None:
        raise InvalidParameters(
            [{"parameter": "cursor", "found": "a cursor", "expected": "page: threads have no cursor"}]
        )
    filter_ = dataclasses.replace(asked.filter, types=())
    grouping = Grouping(
        By.SESSION,
        sort=_SORTS[asked.sort],
        descending=asked.descending,
        limit=asked.limit,
        offset=(asked.page or 0) * asked.limit,
        people=False,
    )
    groups = await store.groups(filter_, grouping)
    keys = tuple(str(group.key) for group in groups)
    messages = await _messages(store, filter_, keys) if keys else {}
    firsts = await _firsts(store, filter_.project_id, groups) if groups else {}
    body: RunJson = {
        "data": [_thread(filter_.project_id, group, firsts.get(str(group.key)), messages) for group in groups],
        "next_cursor": None,
        "limit": asked.limit,
        "page": asked.page or 0,
    }
    if asked.total:
        body["total"] = len(await store.groups(filter_, Grouping(By.SESSION, limit=100_000, people=False)))
    return body


async def _messages(store: RunStore, filter_: RunFilter, keys: tuple[str, ...]) -> dict[str, int]:
    """How many messages each thread has: its chat runs."""
    chats = RunFilter(filter_.project_id, types=("chat",), sessions=keys)
    found = await store.groups(chats, Grouping(By.SESSION, limit=len(keys), people=False))
    return {str(group.key): group.totals.runs for group in found}


async def _firsts(store: RunStore, project: str, groups: list[Group]) -> dict[str, RunJson]:
    """First runs of threads, where these say something."""
    starts = {str(group.key): group.first_at for group in groups}
    filter_ = RunFilter(
        project,
        sessions=tuple(starts),
        started_from=min(starts.values()),
        started_to=max(starts.values()) + 1,
        where=Compare("type", Op.EQ, _SAID),
    )
    runs = await store.sorted_runs(filter_, Sort.STARTED, descending=False, limit=MAX_PAGE)
    return {
        run["session_id"]: run for run in reversed(runs) if parse_time(run["started_at"]) == starts[run["session_id"]]
    }


def _thread(project: str, group: Group, first: RunJson | None, messages: dict[str, int]) -> dict[str, Any]:
    session, totals = str(group.key), group.totals
    user = first["user_id"] if first else None
    known = [count for count in (totals.input_tokens, totals.output_tokens) if count is not None]
    said = first["input_preview"] if first else None
    return {
        "id": session,
        "projectId": project,
        "isPublic": False,
        "type": "thread",
        "name": None,
        "createdAt": rfc3339(group.first_at),
        "endedAt": rfc3339(group.last_at),
        "duration": (group.last_at - group.first_at) / _SECOND,
        "cost": None if totals.cost is None else float(money(totals.cost)),
        "tokens": {
            "prompt": totals.input_tokens,
            "cachedPrompt": totals.cache_read_tokens,
            "completion": totals.output_tokens,
            "total": sum(known) if known else None,
        },
        "tags": first["tags"] if first else [],
        "status": "error" if totals.errors else "success",
        "user": {"id": user, "externalId": user, "props": {}} if user is not None else None,
        "sessionId": session,
        "firstMessage": {"role": "user", "content": said} if said else None,
        "messagesCount": messages.get(session, totals.runs),
    }
