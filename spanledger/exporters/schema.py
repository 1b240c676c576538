"""The ledger's tables, declared once: DDL, row encoder, reader and documentation of every store follow from here.

A column says what it holds (a logical type, never a store's own), where the value stands in the record and in the
run's JSON (both have the same shape, so one `path` serves the way in and the way out), and since which schema
revision it exists. To add a field: add it to the record, add its column here with the next revision in `since`.

Stores add what belongs to them alone (codecs, indexes, partitions, bookkeeping columns) in their own DDL module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from spanledger.exporters.preview import input_preview, output_preview, short
from spanledger.model.records import Metric, Record, Run, Score, Thread

REVISION: Final = 3
"""Newest `since` of a column. The migrations of a store have numbers of their own: some change more than columns."""


class Type(Enum):
    """Logical types. The comment says what a value is in Python, on its way to a store and back."""

    WORD = "word"  # str with few distinct values, say below 10,000: models, providers, statuses
    TEXT = "text"  # str
    UUID = "uuid"  # str, lower case with hyphens
    TIME = "time"  # int, nanoseconds since the Unix epoch, within 1970 to 2262
    COUNT = "count"  # int, 0 to 2**63 - 1
    INTEGER = "integer"  # int, 64 bits signed
    NUMBER = "number"  # int or float, kept as a double
    FLAG = "flag"  # bool
    WORDS = "words"  # list[str], each a WORD
    COUNTS = "counts"  # list[int], each a COUNT
    NUMBERS = "numbers"  # list[float]
    LABELS = "labels"  # dict[str, str], keys are WORDs
    MONEY = "money"  # int, 1e-12 USD, 64 bits: every price per token of every list is exact in it
    MONEYS = "moneys"  # dict[str, int], keys are WORDs, each a MONEY
    JSON = "json"  # anything JSON can hold, kept as its text


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    type: Type
    doc: str
    path: str | None = None
    """Where the value stands in the record and in its JSON: `usage.input_tokens`. None: the store's own, not given
    back."""
    optional: bool = False
    """None is a value: it means unknown, never zero or empty."""
    derive: Callable[[Any], Any] | None = None
    """Computes the value. Without it the value is the record's, at `path` or under the column's name."""
    since: int = 1
    """Schema revision that added the column."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table. `groups` are the nested objects (`usage`) with the member that is null exactly when the whole object
    is, or None when the object is null where all members are."""

    name: str
    record: type[Record]
    columns: tuple[Column, ...]
    groups: tuple[tuple[str, str | None], ...] = ()

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def _fact(name: str, type_: Type, doc: str, path: str | None = None) -> Column:
    return Column(name, type_, doc, path or name)


def _maybe(name: str, type_: Type, doc: str, path: str | None = None, since: int = 1) -> Column:
    return Column(name, type_, doc, path or name, optional=True, since=since)


def _derived(name: str, type_: Type, doc: str, derive: Callable[[Any], Any], *, path: str | None = None) -> Column:
    return Column(name, type_, doc, path, optional=path is not None, derive=derive)


_PROMPT_LENGTH: Final = 200
"""Characters of a prompt's name or version that lists can be filtered by."""


def payload_group(run: Run) -> str:
    """Sort key of payloads: a conversation's turns repeat each other, so they compress 15 to 1 side by side and 2.6
    to 1 sorted by time (storage-and-pricing research, 6.1). Only the run's own session counts: an inherited one may
    come later or change, and keys never change."""
    if run.session_id and "session_id" not in run.inherited:
        return run.session_id
    return run.trace_id or run.run_id


def _error_message(run: Run) -> str | None:
    return None if run.error is None or run.error.message is None else short(run.error.message, 500)


def _prompt_part(name: str) -> Callable[[Run], str | None]:
    def part(run: Run) -> str | None:
        found = (run.prompt or {}).get(name)
        return str(found)[:_PROMPT_LENGTH] if isinstance(found, str | int) and str(found) else None

    return part


def _score_number(score: Score) -> float | None:
    return float(score.value) if isinstance(score.value, int | float) else None


def _prompt(part: str, doc: str) -> Column:
    return Column(f"prompt_{part}", Type.TEXT, doc, None, True, _prompt_part(part), since=3)


RUNS: Final = Table(
    "runs",
    Run,
    (
        _fact("project_id", Type.WORD, "tenant, from the authenticated key"),
        _fact("run_id", Type.UUID, "deterministic id of the run"),
        _maybe("parent_run_id", Type.UUID, "id of the nearest ancestor that is a run"),
        _maybe("trace_id", Type.TEXT, "as received, lower-case hex"),
        _maybe("span_id", Type.TEXT, "as received, lower-case hex"),
        _maybe("parent_span_id", Type.TEXT, "as received, lower-case hex"),
        _maybe("external_id", Type.TEXT, "the sender's own id, where it is no span id"),
        _fact("type", Type.WORD, "llm, embed, tool, agent, chain, …"),
        _maybe("operation", Type.WORD, "as received"),
        _fact("name", Type.TEXT, "the agent's, tool's or function's own name, else the model"),
        _fact("span_name", Type.TEXT, "as received"),
        _fact("span_kind", Type.WORD, "as received"),
        _fact("dialects", Type.WORDS, "dialects that contributed facts, most telling first"),
        _fact("status", Type.WORD, "success, error, cancelled, started"),
        _maybe("error_type", Type.WORD, "kind of error", "error.type"),
        _derived("error_message", Type.TEXT, "beginning of the message", _error_message, path="error.message"),
        _maybe("error_code", Type.WORD, "HTTP status or provider's code", "error.code"),
        _fact("started_at", Type.TIME, "start; may move when more of the run is known"),
        _maybe("ended_at", Type.TIME, "end"),
        _maybe("duration_ns", Type.COUNT, "nanoseconds from start to end"),
        _maybe("ttft_ns", Type.COUNT, "nanoseconds to the first token"),
        _maybe("provider", Type.WORD, "canonical name"),
        _maybe("provider_raw", Type.WORD, "as received"),
        _maybe("request_model", Type.WORD, "model asked for"),
        _maybe("model", Type.WORD, "model that answered"),
        _maybe("response_id", Type.TEXT, "the provider's id of the answer"),
        _fact("finish_reasons", Type.WORDS, "stop, length, tool_call, …"),
        _maybe("streaming", Type.FLAG, "whether the answer was streamed"),
        _maybe("input_tokens", Type.COUNT, "all input, cache reads and writes included", "usage.input_tokens"),
        _maybe("output_tokens", Type.COUNT, "all output, reasoning included", "usage.output_tokens"),
        _maybe("cache_read_tokens", Type.COUNT, "part of input_tokens", "usage.cache_read_tokens"),
        _maybe("cache_write_tokens", Type.COUNT, "part of input_tokens", "usage.cache_write_tokens"),
        _maybe("cache_write_1h_tokens", Type.COUNT, "part of cache_write_tokens", "usage.cache_write_1h_tokens"),
        _maybe("reasoning_tokens", Type.COUNT, "part of output_tokens", "usage.reasoning_tokens"),
        _maybe("input_audio_tokens", Type.COUNT, "part of input_tokens", "usage.input_audio_tokens"),
        _maybe("output_audio_tokens", Type.COUNT, "part of output_tokens", "usage.output_audio_tokens"),
        _maybe("cache_audio_read_tokens", Type.COUNT, "part of cache_read_tokens", "usage.cache_audio_read_tokens"),
        _maybe("input_image_tokens", Type.COUNT, "part of input_tokens", "usage.input_image_tokens"),
        _maybe("usage_extra", Type.JSON, "other counters as received", "usage.extra"),
        _maybe("usage_convention", Type.WORD, "how the counters were read; null: no usage", "usage.convention"),
        _maybe("usage_source", Type.WORD, "provider or estimated", "usage.source"),
        _fact("billable", Type.FLAG, "usage and cost count in totals"),
        _maybe("cost", Type.MONEY, "the cost that counts", "cost.total"),
        _maybe("cost_parts", Type.MONEYS, "parts of the cost", "cost.parts"),
        _maybe("cost_source", Type.WORD, "reported, priced, …; null: no cost", "cost.source"),
        _maybe("cost_reported", Type.MONEY, "what the span said", "cost.reported"),
        _maybe("cost_computed", Type.MONEY, "what the price list says", "cost.computed"),
        _maybe("price_ref", Type.WORD, "price list, model and date", "cost.price_ref"),
        _maybe("service_tier", Type.WORD, "batch, flex, priority, …", "cost.service_tier", since=2),
        _maybe("cost_reported_billed", Type.FLAG, "who reported it bills it", "cost.reported_billed", since=2),
        _maybe("tokens_per_second", Type.NUMBER, "output tokens per second"),
        _maybe("user_id", Type.TEXT, "end user, own or inherited"),
        _maybe("session_id", Type.TEXT, "conversation, own or inherited"),
        _fact("inherited", Type.WORDS, "fields taken from an ancestor"),
        _fact("tags", Type.WORDS, "tags"),
        _fact("metadata", Type.LABELS, "flat metadata"),
        _maybe("environment", Type.WORD, "deployment environment"),
        _maybe("release", Type.WORD, "release of the application"),
        _maybe("service_name", Type.WORD, "resource attribute"),
        _maybe("service_version", Type.WORD, "resource attribute"),
        _maybe("scope_name", Type.WORD, "instrumentation scope"),
        _maybe("scope_version", Type.WORD, "instrumentation scope"),
        _fact("source", Type.WORD, "otlp, lunary, lsd, gateway_log"),
        _prompt("name", "name or id of the prompt's template, 200 characters"),
        _prompt("version", "version of the prompt's template, 200 characters"),
        _derived("input_preview", Type.TEXT, "what was asked last, 200 characters", input_preview),
        _derived("output_preview", Type.TEXT, "beginning of the answer, 200 characters", output_preview),
        _derived("payload_group", Type.TEXT, "sort key in run_payloads", payload_group),
        _fact("version", Type.COUNT, "the highest of a run wins"),
    ),
    groups=(("error", None), ("usage", "convention"), ("cost", "source")),
)
"""The narrow part of a run: everything that lists, filters, sorts or sums. Kept longer than the payload."""

RUN_PAYLOADS: Final = Table(
    "run_payloads",
    Run,
    (
        Column("project_id", Type.WORD, "as in runs"),
        Column("payload_group", Type.TEXT, "the run's own session, else its trace", derive=payload_group),
        Column("run_id", Type.UUID, "as in runs"),
        Column("started_at", Type.TIME, "as in runs"),
        _maybe("input", Type.JSON, "messages, arguments or query"),
        _maybe("output", Type.JSON, "messages, result or documents"),
        _maybe("tools", Type.JSON, "tool definitions offered"),
        _fact("params", Type.JSON, "parameters of the call"),
        _maybe("agent", Type.JSON, "id, name, description, version"),
        _maybe("tool", Type.JSON, "name, call_id, type, description"),
        _maybe("prompt", Type.JSON, "name, version, template, variables"),
        _maybe("user_props", Type.JSON, "properties of the end user"),
        _maybe("error", Type.JSON, "type, message, code, stack in full"),
        _fact("attributes", Type.JSON, "every span attribute that no field took"),
        _fact("warnings", Type.JSON, "what was repaired or doubted"),
        Column("version", Type.COUNT, "as in runs"),
    ),
)
"""The wide part of a run: contents, with their own partitions and retention."""

SCORES: Final = Table(
    "scores",
    Score,
    (
        _fact("project_id", Type.WORD, "tenant, from the authenticated key"),
        _fact("score_id", Type.UUID, "deterministic: a repetition replaces it"),
        _maybe("run_id", Type.UUID, "run that is scored"),
        _maybe("session_id", Type.TEXT, "session that is scored"),
        _maybe("trace_id", Type.TEXT, "as received, lower-case hex"),
        _maybe("span_id", Type.TEXT, "as received, lower-case hex"),
        _fact("name", Type.WORD, "thumb, comment, or the evaluation's name"),
        _maybe("value", Type.JSON, "number, string or bool"),
        Column("value_number", Type.NUMBER, "the value where it is a number or bool", None, True, _score_number),
        _maybe("label", Type.TEXT, "label of the value"),
        _maybe("comment", Type.TEXT, "explanation"),
        _fact("source", Type.WORD, "user, evaluator, api"),
        _maybe("at", Type.TIME, "when it was given"),
        _fact("version", Type.COUNT, "the highest of a score wins"),
    ),
)

THREADS: Final = Table(
    "threads",
    Thread,
    (
        _fact("project_id", Type.WORD, "tenant, from the authenticated key"),
        _fact("thread_id", Type.UUID, "deterministic, from the session id"),
        _fact("session_id", Type.TEXT, "as received"),
        _maybe("user_id", Type.TEXT, "end user"),
        _fact("tags", Type.WORDS, "tags"),
        _fact("metadata", Type.LABELS, "flat metadata"),
        _fact("started_at", Type.TIME, "start of its first run"),
        _fact("version", Type.COUNT, "the highest of a thread wins"),
    ),
)

METRICS: Final = Table(
    "metrics",
    Metric,
    (
        _fact("project_id", Type.WORD, "tenant, from the authenticated key"),
        _fact("metric_id", Type.UUID, "deterministic id of the data point"),
        _fact("name", Type.WORD, "metric name"),
        _fact("unit", Type.WORD, "UCUM unit"),
        _fact("kind", Type.WORD, "gauge, sum, histogram, …"),
        _fact("temporality", Type.INTEGER, "OTLP aggregation temporality"),
        _maybe("started_at", Type.TIME, "start of the interval"),
        _fact("at", Type.TIME, "time of the data point"),
        _maybe("value", Type.NUMBER, "value of a gauge or sum"),
        _maybe("count", Type.COUNT, "number of measurements"),
        _maybe("sum", Type.NUMBER, "sum of measurements"),
        _maybe("min", Type.NUMBER, "smallest measurement"),
        _maybe("max", Type.NUMBER, "largest measurement"),
        _fact("bounds", Type.NUMBERS, "explicit bucket bounds"),
        _fact("buckets", Type.COUNTS, "bucket counts"),
        _fact("attributes", Type.JSON, "attributes of the data point"),
        _maybe("service_name", Type.WORD, "resource attribute"),
        _fact("version", Type.COUNT, "the highest of a data point wins"),
    ),
)

TABLES: Final = (RUNS, RUN_PAYLOADS, SCORES, THREADS, METRICS)
