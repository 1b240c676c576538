"""How a run is answered. Two shapes share the paths of `/v1/runs`:

`ledger`, the record as docs/run-model.md describes it, with the fields of Lunary's API beside it wherever they do not
stand in each other's way; and `lunary`, which is Lunary's alone, with the cost as a number and messages as role and
content. `?shape=` chooses, and the setting `shape` of the extension for clients that cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from spanledger.exporters.store import QUANTILES, Group, Totals
from spanledger.model.records import money, rfc3339

Json: TypeAlias = dict[str, Any]

VISIBILITY: Final = "spanledger.visibility"
"""Key of the metadata that says who may see a run: `public` or nothing."""
_SECOND: Final = 1_000_000_000


def run(ledger: Json, scores: Sequence[Json] | None = None) -> Json:
    """Both shapes in one: what is Lunary's stands beside, `cost`, `input` and `output` stay the ledger's."""
    theirs = lunary(ledger, scores)
    return ledger | {name: value for name, value in theirs.items() if name not in ledger}


def lunary(ledger: Json, scores: Sequence[Json] | None = None) -> Json:
    """A run as Lunary's API shows it; duration in seconds. `scores` are left out of lists when they were not read."""
    usage = ledger["usage"] or {}
    prompt, completion = usage.get("input_tokens"), usage.get("output_tokens")
    known = [count for count in (prompt, completion) if count is not None]
    cost = (ledger["cost"] or {}).get("total")
    user = None
    if ledger["user_id"] is not None:
        user = {"id": ledger["user_id"], "externalId": ledger["user_id"], "props": ledger.get("user_props") or {}}
    given, got = ledger.get("input"), ledger.get("output")
    if "input" not in ledger:
        given, got = _previewed(ledger, "input", "user"), _previewed(ledger, "output", "assistant")
    shown: Json = {
        "id": ledger["run_id"],
        "projectId": ledger["project_id"],
        "isPublic": ledger["metadata"].get(VISIBILITY) == "public",
        "type": ledger["type"],
        "name": ledger["name"],
        "createdAt": ledger["started_at"],
        "endedAt": ledger["ended_at"],
        "duration": None if ledger["duration_ns"] is None else ledger["duration_ns"] / _SECOND,
        "templateVersionId": (ledger.get("prompt") or {}).get("version"),
        "templateSlug": (ledger.get("prompt") or {}).get("name"),
        "cost": None if cost is None else float(cost),
        "tokens": {
            "prompt": prompt,
            "cachedPrompt": usage.get("cache_read_tokens"),
            "completion": completion,
            "total": sum(known) if known else None,
        },
        "tags": ledger["tags"],
        "input": _messages(given),
        "output": _messages(got),
        "error": ledger["error"],
        "status": ledger["status"],
        "siblingRunId": None,
        "parentRunId": ledger["parent_run_id"],
        "params": ledger.get("params") or {},
        "metadata": {name: value for name, value in ledger["metadata"].items() if name != VISIBILITY},
        "user": user,
        "traceId": ledger["trace_id"],
        "sessionId": ledger["session_id"],
        "spanId": ledger["span_id"],
        "provider": ledger["provider"],
        "model": ledger["model"],
    }
    if scores is not None:
        shown |= {"feedback": feedback(scores), "scores": [score(each) for each in scores if not is_feedback(each)]}
        shown |= {"feedbacks": [shown["feedback"]] if shown["feedback"] else [], "parentFeedback": None}
    return shown


def is_feedback(given: Json) -> bool:
    """Whether a score is a user's thumb or comment."""
    return given["name"] in ("thumb", "comment")


def feedback(scores: Iterable[Json]) -> Json | None:
    """Thumb and comment as Lunary shows them; None without either."""
    found = {each["name"]: each["value"] for each in scores if is_feedback(each) and each["value"] is not None}
    return found or None


def score(given: Json) -> Json:
    """A score as Lunary shows it."""
    return {
        "label": given["name"],
        "value": given["value"],
        "comment": given["comment"],
        "createdAt": given["at"],
        "source": given["source"],
    }


def _previewed(ledger: Json, side: str, role: str) -> list[Json] | None:
    text = ledger.get(f"{side}_preview")
    return [{"role": role, "content": text}] if text else None


def _messages(value: Any) -> Any:
    """Messages with their text as `content`; everything else as it is."""
    if not isinstance(value, list) or not all(isinstance(each, dict) and "parts" in each for each in value):
        return value
    return [_message(each) for each in value]


def _message(message: Json) -> Json:
    parts = [part for part in message["parts"] or [] if isinstance(part, dict)]
    said = "".join(str(part.get("content") or "") for part in parts if part.get("type") == "text")
    calls = [part for part in parts if part.get("type") == "tool_call"]
    results = [part for part in parts if part.get("type") == "tool_call_response"]
    shown: Json = {"role": message.get("role"), "content": said}
    if calls:
        shown["toolCalls"] = [
            {"id": call.get("id"), "type": "function", "function": {k: call.get(k) for k in ("name", "arguments")}}
            for call in calls
        ]
    if results:
        shown |= {"toolCallId": results[0].get("id"), "content": results[0].get("response")}
    return shown


def totals(counted: Totals) -> Json:
    """Counts and sums."""
    return {
        "runs": counted.runs,
        "errors": counted.errors,
        "billable_runs": counted.billable_runs,
        "unpriced_runs": counted.unpriced_runs,
        "input_tokens": counted.input_tokens,
        "output_tokens": counted.output_tokens,
        "cache_read_tokens": counted.cache_read_tokens,
        "cache_write_tokens": counted.cache_write_tokens,
        "reasoning_tokens": counted.reasoning_tokens,
        "cost": None if counted.cost is None else money(counted.cost),
    }


def group(found: Group) -> Json:
    """Counts and sums of a group with its latency."""
    return totals(found.totals) | {
        "first_at": rfc3339(found.first_at),
        "last_at": rfc3339(found.last_at),
        "users": found.users,
        "sessions": found.sessions,
    }


def latency(found: Group) -> Json:
    """Quantiles in nanoseconds: `{"duration_ns": {"p50": …}, "ttft_ns": {…}}`; None where nothing is known."""
    return {"duration_ns": _quantiles(found.duration_ns), "ttft_ns": _quantiles(found.ttft_ns)}


def _quantiles(values: Sequence[float | None]) -> Mapping[str, int] | None:
    if not values or values[0] is None:
        return None
    return {
        f"p{level * 100:g}": round(value) for level, value in zip(QUANTILES, values, strict=True) if value is not None
    }
