"""Feedback as LSD's clients give it: `POST /feedback`. Metrics become scores of a run; `comment` and `demonstration`
are names with a meaning of their own.

Feedback for an episode is kept at the first run of its trace. A score may come before its run: nobody waits for it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from spanledger.api.answers import answer, json_body, project_of
from spanledger.api.ingest import Ingest
from spanledger.api.parameters import InvalidParameters
from spanledger.exporters.store import RunStore
from spanledger.exporters.values import is_uuid
from spanledger.model.ids import uuid8

DEMONSTRATION: Final = "demonstration"
_COMMENT: Final = "comment"


class GivenFeedback(msgspec.Struct):
    """What a client thinks of an inference or an episode. `tags` are taken and not kept."""

    metric_name: str
    value: Any
    inference_id: str | None = None
    episode_id: str | None = None
    tags: dict[str, str] = {}
    dryrun: bool = False


class LsdFeedback:
    """Handler of `POST /feedback`."""

    def __init__(self, store: RunStore, ingest: Ingest) -> None:
        self._store = store
        self._ingest = ingest

    async def give(self, request: web.Request) -> web.Response:
        """`POST /feedback`: the id of the score."""
        given: GivenFeedback = await json_body(request, GivenFeedback)
        if not given.metric_name:
            raise _wrong("metric_name", "", "a text")
        if (given.inference_id is None) == (given.episode_id is None):
            raise _wrong("inference_id", str(given.inference_id), "either inference_id or episode_id")
        value = _value(given)
        project = project_of(request)
        run_id = given.inference_id if given.inference_id is not None else await self._first_of(project, given)
        if not is_uuid(run_id):
            raise _wrong("inference_id", run_id, "the id of an inference")
        run_id = run_id.lower()
        if not given.dryrun:
            if given.metric_name == _COMMENT:
                event: dict[str, Any] = {"event": "feedback", "type": None, "feedback": {"comment": value}}
            else:
                event = {"event": "score", "type": None, "score": {"label": given.metric_name, "value": value}}
            await self._ingest.tell(request, run_id, event)
        return answer({"feedback_id": uuid8("score", project, run_id, given.metric_name)})

    async def _first_of(self, project: str, given: GivenFeedback) -> str:
        runs = await self._store.trace(project, str(given.episode_id))
        if not runs:
            raise _wrong("episode_id", str(given.episode_id), "the id of an episode")
        roots = [run for run in runs if run["parent_run_id"] is None]
        return str((roots or runs)[0]["run_id"])


def _value(given: GivenFeedback) -> float | bool | str:
    """The value as a score holds it: an output that is no text as JSON."""
    value = given.value
    if given.metric_name == DEMONSTRATION and isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    if given.metric_name in (DEMONSTRATION, _COMMENT):
        if not isinstance(value, str) or not value:
            raise _wrong("value", type(value).__name__, "a text")
        return value
    if not isinstance(value, bool | int | float):
        raise _wrong("value", type(value).__name__, "a number, true or false")
    return value


def demonstrated(value: Any) -> Any:
    """The output that a demonstration shows."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def _wrong(parameter: str, found: str, expected: str) -> InvalidParameters:
    return InvalidParameters([{"parameter": parameter, "found": found[:200], "expected": expected}])
