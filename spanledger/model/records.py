"""The records that the mapping produces and the exporters store. docs/run-model.md explains each field.

Records are typed structs inside the program; `to_dict` gives the JSON form that `spanledger map` prints and the API
returns: times as RFC 3339 UTC with nine digits, money as decimal strings.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from spanledger.model.span import Value

Message: TypeAlias = dict[str, Any]
"""{role, parts, name?, finish_reason?} as in docs/run-model.md."""

RUN_TYPES = (
    "llm",
    "embed",
    "rerank",
    "retriever",
    "tool",
    "agent",
    "chain",
    "thread",
    "chat",
    "guardrail",
    "evaluator",
    "custom",
)


class Usage(msgspec.Struct, kw_only=True, omit_defaults=False):
    """Token counts. None is unknown, never zero. `input_tokens` includes cache reads and writes, `output_tokens`
    includes reasoning; the other counters are subsets."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    cache_audio_read_tokens: int | None = None
    input_image_tokens: int | None = None
    extra: dict[str, int | float] = {}
    convention: str = "inclusive"
    source: str = "provider"


class Cost(msgspec.Struct, kw_only=True):
    """USD. `total` is the sum of `parts`; None where it is unknown (`source` says why)."""

    total: Decimal | None = None
    parts: dict[str, Decimal] = {}
    source: str = "unknown_usage"
    reported: Decimal | None = None
    computed: Decimal | None = None
    price_ref: str | None = None
    service_tier: str | None = None
    """`batch`, or the tier that the answer named, else the request; prices depend on it."""
    reported_billed: bool | None = None
    """Whether who reported the cost is the one who bills it; None where nobody reported one."""


class RunError(msgspec.Struct, kw_only=True):
    """What went wrong. `code` is an HTTP status or the provider's code, as a string."""

    type: str | None = None
    message: str | None = None
    code: str | None = None
    stack: str | None = None


class Run(msgspec.Struct, kw_only=True):
    """One run: a model call, a tool call, an agent's turn, a step of a chain."""

    record: str = "run"
    project_id: str
    run_id: str
    parent_run_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    external_id: str | None = None
    type: str
    operation: str | None = None
    name: str = ""
    span_name: str = ""
    span_kind: str = ""
    dialects: list[str] = []
    status: str = "success"
    error: RunError | None = None
    started_at: int
    """Nanoseconds since the Unix epoch."""
    ended_at: int | None = None
    duration_ns: int | None = None
    ttft_ns: int | None = None
    provider: str | None = None
    provider_raw: str | None = None
    request_model: str | None = None
    model: str | None = None
    response_id: str | None = None
    finish_reasons: list[str] = []
    streaming: bool | None = None
    params: dict[str, Value] = {}
    tools: list[dict[str, Value]] | None = None
    usage: Usage | None = None
    billable: bool = False
    cost: Cost | None = None
    tokens_per_second: float | None = None
    input: Value = None
    output: Value = None
    agent: dict[str, Value] | None = None
    tool: dict[str, Value] | None = None
    prompt: dict[str, Value] | None = None
    user_id: str | None = None
    user_props: dict[str, Value] | None = None
    session_id: str | None = None
    inherited: list[str] = []
    tags: list[str] = []
    metadata: dict[str, str] = {}
    environment: str | None = None
    release: str | None = None
    service_name: str | None = None
    service_version: str | None = None
    scope_name: str | None = None
    scope_version: str | None = None
    attributes: dict[str, Value] = {}
    warnings: list[str] = []
    source: str = "otlp"
    withdrawn: bool = False
    """More knowledge showed this to be no run after all: stores drop what they hold under this id."""
    without_contents: bool = False
    """Read back from a store without its contents, to correct a fact: input and output are previews, and a store that
    is given this run keeps the contents that it holds."""
    version: int = 1


class Score(msgspec.Struct, kw_only=True):
    """Feedback or an evaluation of a run or a session. `score_id` is deterministic: a repetition replaces it."""

    record: str = "score"
    project_id: str
    score_id: str
    run_id: str | None = None
    session_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    name: str
    value: float | int | str | bool | None = None
    label: str | None = None
    comment: str | None = None
    source: str = "evaluator"
    at: int | None = None
    """Nanoseconds since the Unix epoch."""
    version: int = 1


class Thread(msgspec.Struct, kw_only=True):
    """A session: the runs that share a session id."""

    record: str = "thread"
    project_id: str
    thread_id: str
    session_id: str
    user_id: str | None = None
    tags: list[str] = []
    metadata: dict[str, str] = {}
    started_at: int
    version: int = 1


class Metric(msgspec.Struct, kw_only=True):
    """A data point of a GenAI metric, kept beside the runs and never added to their usage."""

    record: str = "metric"
    project_id: str
    metric_id: str
    name: str
    unit: str = ""
    kind: str = ""
    temporality: int = 0
    started_at: int | None = None
    at: int
    value: float | int | None = None
    count: int | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None
    bounds: list[float] = []
    buckets: list[int] = []
    attributes: dict[str, Value] = {}
    service_name: str | None = None
    version: int = 1


Record: TypeAlias = Run | Score | Thread | Metric

_TIME_FIELDS = ("started_at", "ended_at", "at")
_RARE_FLAGS = ("withdrawn", "without_contents")


def rfc3339(time_ns: int) -> str:
    """RFC 3339 UTC with nine digits: `2026-03-01T10:00:00.000000001Z`."""
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanos:09d}Z"


def money(amount: Decimal) -> str:
    """Plain decimal notation without an exponent or trailing zeros: `0.000105`."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_dict(record: Record) -> dict[str, Any]:
    """The record as plain JSON values."""
    plain: dict[str, Any] = msgspec.to_builtins(record, builtin_types=(Decimal, bytes))
    for name in _RARE_FLAGS:
        if not plain.get(name, True):
            del plain[name]
    for name in _TIME_FIELDS:
        at = plain.get(name)
        if at is not None:
            plain[name] = rfc3339(at)
    cost = plain.get("cost")
    if cost is not None:
        for name in ("total", "reported", "computed"):
            if cost[name] is not None:
                cost[name] = money(cost[name])
        cost["parts"] = {part: money(amount) for part, amount in cost["parts"].items()}
    return plain
