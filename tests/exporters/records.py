"""Records for tests: small ones by hand, and every shape that the record types allow."""

from __future__ import annotations

import itertools
import time
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from spanledger.model.ids import run_id_of_span, uuid8
from spanledger.model.records import RUN_TYPES, Cost, Record, Run, RunError, Score, Usage, to_dict

PROJECT = "default"
HOUR = 3_600_000_000_000
_spans = itertools.count(1)


def recent(seconds_ago: float = 0) -> int:
    """A start whose whole hour lies in the past, nanoseconds since the epoch."""
    return time.time_ns() // HOUR * HOUR - round(seconds_ago * 1_000_000_000)


def make_run(**facts: Any) -> Run:
    """A model call; a new span each time unless `span_id` is given."""
    span_id = facts.pop("span_id", None) or f"{next(_spans):016x}"
    trace_id = facts.pop("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736")
    defaults: dict[str, Any] = {
        "project_id": PROJECT,
        "run_id": run_id_of_span(facts.get("project_id", PROJECT), trace_id, span_id),
        "trace_id": trace_id,
        "span_id": span_id,
        "type": "llm",
        "name": "gpt-4o",
        "model": "gpt-4o",
        "started_at": recent(60),
    }
    return Run(**(defaults | facts))


def priced(total: str, **facts: Any) -> Run:
    """A billable model call with usage and cost."""
    cost = Cost(total=Decimal(total), parts={"input": Decimal(total)}, source="priced")
    return make_run(**({"usage": Usage(input_tokens=10, output_tokens=2), "cost": cost, "billable": True} | facts))


def as_json(record: Record) -> dict[str, Any]:
    """The record as anyone sees it: `to_dict`, once through JSON."""
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(to_dict(record)))
    return decoded


# Lone surrogates are repaired, which other tests show.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.sampled_from(["", "a", "gpt-4o", "ünïcödé", "x'y\\z\t\0"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
counts = st.integers(0, 2**63 - 1)
times = st.integers(0, 9_214_646_400_000_000_000)
moneys = st.decimals(min_value=-1000, max_value=1_000_000, places=12)
usages = st.builds(
    Usage,
    **{name: st.none() | counts for name in Usage.__struct_fields__ if name.endswith("_tokens")},
    extra=st.dictionaries(texts, counts | st.floats(allow_nan=False, allow_infinity=False), max_size=2),
    convention=words,
    source=words,
)
costs = st.builds(
    Cost,
    total=st.none() | moneys,
    parts=st.dictionaries(words, moneys, max_size=3),
    source=words,
    reported=st.none() | moneys,
    computed=st.none() | moneys,
    price_ref=st.none() | words,
    service_tier=st.none() | words,
    reported_billed=st.none() | st.booleans(),
)
errors = st.builds(RunError, **{name: st.none() | texts for name in RunError.__struct_fields__})
_OPTIONAL_TEXTS = [
    *("trace_id", "span_id", "parent_span_id", "external_id", "operation", "provider", "provider_raw"),
    *("request_model", "model", "response_id", "user_id", "session_id", "environment", "release"),
    *("service_name", "service_version", "scope_name", "scope_version"),
]
runs = st.builds(
    Run,
    project_id=st.just(PROJECT),
    run_id=st.uuids().map(str),
    parent_run_id=st.none() | st.uuids().map(str),
    **{name: st.none() | words | texts for name in _OPTIONAL_TEXTS},
    type=st.sampled_from(RUN_TYPES),
    **dict.fromkeys(("name", "span_name", "span_kind"), texts),
    **{name: st.lists(words, max_size=3) for name in ("dialects", "finish_reasons", "inherited", "tags")},
    status=st.sampled_from(["success", "error", "cancelled", "started"]),
    error=st.none() | errors,
    started_at=times,
    ended_at=st.none() | times,
    duration_ns=st.none() | counts,
    ttft_ns=st.none() | counts,
    streaming=st.none() | st.booleans(),
    **dict.fromkeys(("params", "attributes"), json_objects),
    **{name: st.none() | json_objects for name in ("agent", "tool", "prompt", "user_props")},
    tools=st.none() | st.lists(json_objects, max_size=2),
    usage=st.none() | usages,
    billable=st.booleans(),
    cost=st.none() | costs,
    tokens_per_second=st.none() | st.floats(0, 1e6),
    input=json_values,
    output=json_values,
    metadata=st.dictionaries(texts, texts, max_size=3),
    warnings=st.lists(texts, max_size=2),
    source=words,
    version=st.integers(0, 2**40),
)


def make_score(run: Run, name: str, value: Any, **facts: Any) -> Score:
    """A score of a run; its id follows from run and name."""
    score_id = uuid8("score", run.run_id, name)
    defaults: dict[str, Any] = {"run_id": run.run_id, "value": value, "at": run.started_at}
    return Score(project_id=run.project_id, score_id=score_id, name=name, **(defaults | facts))
