"""Arguments and results of traced tool runs that share no call id with the conversation.

Google ADK numbers a tool's span anew (`adk-…`), writes its content into the log records of the model calls alone, and
Gemini's calls have no ids to begin with. What a model asked for and the tools that ran right after it, beside it or
below it, are matched by name and order, and only where there are as many of one name as of the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from spanledger.mapping.derived import calls_of
from spanledger.mapping.plain import structured, unwrap_result
from spanledger.model.records import Run
from spanledger.model.span import Value

MARK: Final = "matched_by_order"


def match_in_order(runs: Sequence[Run]) -> None:
    """Fill the gaps of the tool runs of one trace; `runs` are in order of start."""
    if not any(_has_gap(run) for run in runs):
        return
    asking = [run for run in runs if run.type == "llm" and calls_of(run)]
    if not asking:
        return
    known = {call["id"] for run in asking for call in calls_of(run)}
    by_parent: dict[str | None, list[Run]] = defaultdict(list)
    starts: dict[str | None, list[int]] = defaultdict(list)
    for run in runs:
        if run.type == "tool" and (run.tool is None or run.tool.get("call_id") not in known):
            by_parent[run.parent_run_id].append(run)
        elif run.type == "llm":
            starts[run.parent_run_id].append(run.started_at)
    for run in asking:
        until = next((start for start in starts[run.parent_run_id] if start > run.started_at), None)
        beside = by_parent[run.parent_run_id] if run.parent_run_id is not None else []
        after = [
            tool
            for tool in (*beside, *by_parent[run.run_id])
            if tool.started_at >= (run.ended_at or run.started_at) and (until is None or tool.started_at < until)
        ]
        if after:
            _match(calls_of(run), after, runs)


def _match(calls: list[dict[str, Value]], tools: list[Run], runs: Sequence[Run]) -> None:
    for name in dict.fromkeys(call.get("name") for call in calls):
        asked = [call for call in calls if call.get("name") == name]
        ran = [tool for tool in tools if tool.name == name]
        if len(asked) != len(ran):
            continue
        for call, tool in zip(asked, ran, strict=True):
            if not _has_gap(tool):
                continue
            if tool.input is None:
                tool.input = call.get("arguments")
            if tool.output is None:
                tool.output = _result(call["id"], tool, runs)
            tool.warnings = [*tool.warnings, MARK]


def _has_gap(run: Run) -> bool:
    return run.type == "tool" and run.status == "success" and (run.input is None or run.output is None)


def _result(call_id: Value, tool: Run, runs: Sequence[Run]) -> Value:
    """What the first model call after the tool was told that it returned."""
    for run in runs:
        if run.type != "llm" or run.started_at < tool.started_at or not run.input:
            continue
        for message in reversed(run.input):
            for part in message["parts"] if message["role"] == "tool" else ():
                if part["type"] == "tool_call_response" and part.get("id") == call_id:
                    return unwrap_result(structured(part.get("response")))
        return None
    return None
