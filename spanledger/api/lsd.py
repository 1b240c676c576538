"""Reading as LSD's clients do: `POST /v1/inferences/list_inferences` and `get_inferences`.

A model call is an inference, its name the function, its model the variant, its trace the episode. Filters are trees;
what this ledger has no word for (a search rank) is refused, never ignored. A demonstration is a score of that name,
whose value is the output that should have been (`spanledger.api.lsd_feedback`).
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any, Final, Literal, TypeAlias

import msgspec
from aiohttp import web

from spanledger.api.answers import answer, json_body, project_of
from spanledger.api.lsd_feedback import DEMONSTRATION, demonstrated
from spanledger.api.parameters import InvalidParameters, parse_time
from spanledger.exporters.conditions import (
    MAX_CONDITIONS,
    All,
    Compare,
    Condition,
    Labelled,
    Not,
    Op,
    Scored,
    Some,
    search,
    size,
)
from spanledger.exporters.store import MAX_PAGE, Cursor, RunFilter, RunJson, RunStore, ScoreSort, Sort

MAX_IDS: Final = 1000
MAX_SKIPPED: Final = 100_000
_MAX_DEPTH: Final = 20
_AT_ONCE: Final = 8
_OPS: Final = {
    "<": Op.LT,
    "<=": Op.LE,
    "=": Op.EQ,
    ">": Op.GT,
    ">=": Op.GE,
    "!=": Op.NE,
}
_NS: Final = 1_000_000


OutputSource: TypeAlias = Literal["none", "inference", "demonstration"]
"""`demonstration`: only inferences that have one, which then is their output."""
_HAS_DEMONSTRATION: Final = Scored(DEMONSTRATION, Op.EXISTS)


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """One order: by time, or by the metric that `name` says. Inferences without the metric come last."""

    by: Literal["timestamp", "metric"]
    name: str | None = None
    direction: Literal["ascending", "descending"] = "descending"


class ListInferences(msgspec.Struct, forbid_unknown_fields=True):
    """What `list_inferences` is asked."""

    function_name: str | None = None
    variant_name: str | None = None
    episode_id: str | None = None
    output_source: OutputSource = "inference"
    limit: int = 20
    offset: int = 0
    before: str | None = None
    after: str | None = None
    filters: dict[str, Any] | None = None
    order_by: list[Order] = []
    search_query_experimental: str | None = None


class GetInferences(msgspec.Struct, forbid_unknown_fields=True):
    """What `get_inferences` is asked."""

    ids: list[str]
    function_name: str | None = None
    output_source: OutputSource = "inference"


class Inferences:
    """Handlers of `/v1/inferences`."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def listed(self, request: web.Request) -> web.Response:
        """`POST /v1/inferences/list_inferences`."""
        asked: ListInferences = await json_body(request, ListInferences)
        if not 1 <= asked.limit <= MAX_PAGE:
            raise _wrong("limit", asked.limit, f"an integer from 1 to {MAX_PAGE}")
        if not 0 <= asked.offset <= MAX_SKIPPED:
            raise _wrong("offset", asked.offset, f"an integer from 0 to {MAX_SKIPPED}")
        if len(asked.order_by) > 1:
            raise _wrong("order_by", len(asked.order_by), "one order")
        order = asked.order_by[0] if asked.order_by else Order("timestamp")
        if (order.by == "metric") != bool(order.name):
            raise _wrong("order_by.name", order.name or "", "the name of a metric, with the order metric alone")
        if order.by == "metric" and (asked.before is not None or asked.after is not None):
            raise _wrong("before", asked.before or asked.after or "", "neither before nor after beside a metric")
        if sum((asked.before is not None, asked.after is not None, asked.offset > 0)) > 1:
            raise _wrong("before", asked.before or "", "one of before, after and offset")
        project = project_of(request)
        conditions = [condition_of(asked.filters)] if asked.filters is not None else []
        if asked.output_source == "demonstration":
            conditions.append(_HAS_DEMONSTRATION)
        if asked.search_query_experimental:
            conditions.append(search(asked.search_query_experimental))
        filter_ = RunFilter(
            project,
            types=("llm", "embed"),
            names=(asked.function_name,) if asked.function_name is not None else (),
            models=(asked.variant_name,) if asked.variant_name is not None else (),
            trace_id=asked.episode_id,
            where=All(tuple(conditions)) if conditions else None,
        )
        runs = await self._page(filter_, asked, order)
        return answer({"inferences": await self._whole(project, runs, asked.output_source)})

    async def _page(self, filter_: RunFilter, asked: ListInferences, order: Order) -> list[RunJson]:
        ascending = order.direction == "ascending"
        place = asked.before or asked.after
        if order.name:
            return await self._store.sorted_runs(
                filter_, ScoreSort(order.name), descending=not ascending, limit=asked.limit, offset=asked.offset
            )
        if place is None:
            if not ascending and not asked.offset:
                return (await self._store.list_runs(filter_, asked.limit)).runs
            return await self._store.sorted_runs(
                filter_, Sort.STARTED, descending=not ascending, limit=asked.limit, offset=asked.offset
            )
        run = await self._store.get_run(filter_.project_id, place)
        if run is None:
            raise _wrong("before" if asked.before else "after", place, "the id of an inference")
        at = parse_time(run["started_at"])
        if asked.before:  # ids carry no time here, so the place is the run's start
            runs = (await self._store.list_runs(filter_, asked.limit, Cursor(at, run["run_id"]))).runs
            return runs[::-1] if ascending else runs
        same = All((Compare("started_at", Op.EQ, at), Compare("run_id", Op.GT, run["run_id"])))
        later = Some((Compare("started_at", Op.GT, at), same))
        where = later if filter_.where is None else All((filter_.where, later))
        narrow = dataclasses.replace(filter_, where=where)
        runs = await self._store.sorted_runs(narrow, Sort.STARTED, descending=False, limit=asked.limit)
        return runs if ascending else runs[::-1]

    async def get(self, request: web.Request) -> web.Response:
        """`POST /v1/inferences/get_inferences`: in the order of the ids; those that are not there are left out."""
        asked: GetInferences = await json_body(request, GetInferences)
        if len(asked.ids) > MAX_IDS:
            raise _wrong("ids", f"{len(asked.ids)} ids", f"at most {MAX_IDS} ids")
        ids = list(dict.fromkeys(asked.ids))
        found = await self._read(project_of(request), ids)
        kept = [run for run in found if asked.function_name in (None, run["name"])]
        return answer({"inferences": await self._inferences(project_of(request), kept, asked.output_source)})

    async def _whole(self, project: str, runs: list[RunJson], output_source: str) -> list[RunJson]:
        return await self._inferences(
            project, await self._read(project, [run["run_id"] for run in runs]), output_source
        )

    async def _inferences(self, project: str, runs: list[RunJson], output_source: str) -> list[RunJson]:
        if output_source != "demonstration":
            return [inference(run, output_source) for run in runs]
        shown: dict[str, Any] = {}
        ids = [run["run_id"] for run in runs]
        for at in range(0, len(ids), MAX_PAGE):
            for score in await self._store.scores_of(project, ids[at : at + MAX_PAGE]):
                if score["name"] == DEMONSTRATION and score["value"] is not None:
                    shown[score["run_id"]] = demonstrated(score["value"])
        return [
            inference(run, output_source) | {"output": shown[run["run_id"]]} for run in runs if run["run_id"] in shown
        ]

    async def _read(self, project: str, ids: list[str]) -> list[RunJson]:
        found: list[RunJson] = []
        for at in range(0, len(ids), _AT_ONCE):
            some = await asyncio.gather(*(self._store.get_run(project, run_id) for run_id in ids[at : at + _AT_ONCE]))
            found += [run for run in some if run is not None]
        return found


def inference(run: RunJson, output_source: str) -> RunJson:
    """A run as LSD shows an inference."""
    messages = run["input"] if isinstance(run["input"], list) else None
    schema = run["params"].get("response_format") or run["params"].get("output_schema")
    return {
        "type": "json" if schema else "chat",
        "inference_id": run["run_id"],
        "episode_id": run["trace_id"],
        "function_name": run["name"],
        "variant_name": run["model"] or run["request_model"],
        "timestamp": run["started_at"],
        "input": {"messages": messages} if messages is not None else run["input"],
        "output": None if output_source == "none" else run["output"],
        "tags": run["metadata"],
        "tool_params": {"tools_available": run["tools"]} if run["tools"] else None,
        "inference_params": {"chat_completion": run["params"]},
        "processing_time_ms": None if run["duration_ns"] is None else round(run["duration_ns"] / _NS),
        "ttft_ms": None if run["ttft_ns"] is None else round(run["ttft_ns"] / _NS),
        "usage": run["usage"],
        "cost": (run["cost"] or {}).get("total"),
    }


def condition_of(tree: Any, depth: int = 0) -> Condition:
    """A filter tree as a condition. Raises `InvalidParameters` for what it does not know."""
    if not isinstance(tree, dict) or depth > _MAX_DEPTH:
        raise _wrong("filters", type(tree).__name__, f"an object, at most {_MAX_DEPTH} levels deep")
    match tree.get("type"):
        case "and" | "or" as kind:
            children = tree.get("children")
            if not isinstance(children, list):
                raise _wrong("filters.children", children, "a list of filters")
            if len(children) > MAX_CONDITIONS:
                raise _wrong("filters.children", len(children), f"at most {MAX_CONDITIONS} filters in all")
            of = tuple(condition_of(child, depth + 1) for child in children)
            condition: Condition = All(of) if kind == "and" else Some(of)
        case "not":
            condition = Not(condition_of(tree.get("child"), depth + 1))
        case "tag":
            op = _operator(tree, "comparison_operator")
            if op not in (Op.EQ, Op.NE):
                raise _wrong("filters.comparison_operator", op, "= or !=")
            condition = Labelled(_text(tree, "key"), op, _text(tree, "value"))
        case "time":
            try:
                at = parse_time(_text(tree, "time"))
            except ValueError:
                raise _wrong("filters.time", tree.get("time"), "an RFC 3339 time with its offset") from None
            condition = Compare("started_at", _operator(tree, "comparison_operator"), at)
        case "float_metric":
            value = tree.get("value")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _wrong("filters.value", value, "a number")
            condition = Scored(_text(tree, "metric_name"), _operator(tree, "comparison_operator"), float(value))
        case "boolean_metric":
            if not isinstance(tree.get("value"), bool):
                raise _wrong("filters.value", tree.get("value"), "true or false")
            condition = Scored(_text(tree, "metric_name"), Op.EQ, float(tree["value"]))
        case "demonstration_feedback":
            if not isinstance(tree.get("has_demonstration"), bool):
                raise _wrong("filters.has_demonstration", tree.get("has_demonstration"), "true or false")
            condition = _HAS_DEMONSTRATION if tree["has_demonstration"] else Not(_HAS_DEMONSTRATION)
        case found:
            known = "and, or, not, tag, time, float_metric, boolean_metric or demonstration_feedback"
            raise _wrong("filters.type", found, known)
    if depth == 0 and size(condition) > MAX_CONDITIONS:
        raise _wrong("filters", size(condition), f"at most {MAX_CONDITIONS} filters in all")
    return condition


def _operator(tree: dict[str, Any], name: str) -> Op:
    found = tree.get(name, "=")
    if not isinstance(found, str) or found not in _OPS:
        raise _wrong(f"filters.{name}", found, f"one of {', '.join(_OPS)}")
    return _OPS[found]


def _text(tree: dict[str, Any], name: str) -> str:
    found = tree.get(name)
    if not isinstance(found, str):
        raise _wrong(f"filters.{name}", found, "a text")
    return found


def _wrong(parameter: str, found: object, expected: str) -> InvalidParameters:
    return InvalidParameters([{"parameter": parameter, "found": str(found)[:200], "expected": expected}])
