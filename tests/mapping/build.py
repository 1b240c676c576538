"""Spans and log records as a decoder gives them, and a ledger that keeps records as a store would.

Ids are small numbers (`id=1` is the span `0000000000000001`), times are seconds after `T0`.

    call = chat(tokens=(56, 5), id=2, parent=1)
    ledger = Ledger(agent(id=1), call)
    ledger.run(2).billable
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from spanledger.mapping import KEYS, Mapper, MemoryLimits
from spanledger.mapping.cost import PriceList
from spanledger.mapping.facts import Facts
from spanledger.model.ids import run_id_of_span
from spanledger.model.received import Item
from spanledger.model.records import Metric, Record, Run, Score, Thread, Usage
from spanledger.model.span import (
    SPAN_KINDS,
    STATUS_ERROR,
    STATUS_OK,
    STATUS_UNSET,
    Event,
    Link,
    LogRecord,
    MetricPoint,
    Resource,
    Scope,
    Value,
)

PROJECT = "default"
T0 = 1_772_359_200_000_000_000
"""2026-03-01T10:00:00Z, nanoseconds since the Unix epoch."""
SECOND = 1_000_000_000
PRICES = PriceList()

Attributes = Mapping[str, Value]
RecordT = TypeVar("RecordT", Run, Score, Thread, Metric)

_STATUS = {"unset": STATUS_UNSET, "ok": STATUS_OK, "error": STATUS_ERROR}


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span_id(number: int) -> str:
    return f"{number:016x}"


def run_id(number: int, trace: int = 1, project: str = PROJECT) -> str:
    """Run id of the span with this number."""
    return run_id_of_span(project, trace_id(trace), span_id(number))


def at(seconds: float) -> int:
    """Nanoseconds since the epoch of a time in seconds after `T0`."""
    return T0 + round(seconds * 1_000_000) * 1000


def span(
    attributes: Attributes | Iterable[tuple[str, Value]] = (),
    *,
    name: str = "a span",
    id: int = 1,
    parent: int | None = None,
    trace: int = 1,
    scope: str = "",
    scope_version: str = "",
    start: float = 0.0,
    end: float | None = 1.0,
    kind: str = "internal",
    status: str = "unset",
    message: str = "",
    events: Sequence[Event] = (),
    links: Sequence[tuple[int, int]] = (),
    resource: Attributes | None = None,
) -> Facts:
    """A decoded span. `end=None` leaves it open; `links` are (trace, span) numbers."""
    made = Facts()
    made.trace_id, made.span_id = trace_id(trace), span_id(id)
    made.parent_span_id = None if parent is None else span_id(parent)
    made.name = name
    made.kind = SPAN_KINDS.index(kind)
    made.start_ns, made.end_ns = at(start), 0 if end is None else at(end)
    made.status_code, made.status_message = _STATUS[status], message
    made.events = list(events)
    made.links = [Link(trace_id(a), span_id(b)) for a, b in links]
    made.scope = Scope(scope, scope_version)
    made.resource = Resource(dict(resource or {}))
    pairs = attributes.items() if isinstance(attributes, Mapping) else attributes
    KEYS.fill(made, pairs)
    return made


def event(name: str, attributes: Attributes | None = None, *, time: float = 0.5) -> Event:
    return Event(name, at(time), dict(attributes or {}))


def exception(kind: str, message: str = "", *, time: float = 0.9) -> Event:
    return event("exception", {"exception.type": kind, "exception.message": message}, time=time)


def chat(
    attributes: Attributes | None = None,
    *,
    tokens: tuple[int, int] | None = (56, 5),
    model: str = "gpt-4o",
    provider: str = "openai",
    response_id: str | None = None,
    name: str | None = None,
    id: int = 1,
    parent: int | None = None,
    trace: int = 1,
    scope: str = "",
    start: float = 0.0,
    end: float | None = 1.0,
    kind: str = "client",
    status: str = "unset",
    events: Sequence[Event] = (),
    resource: Attributes | None = None,
) -> Facts:
    """A model call in the semantic conventions."""
    facts: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }
    if tokens is not None:
        facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"] = tokens
    if response_id is not None:
        facts["gen_ai.response.id"] = response_id
    return span(
        {**facts, **(attributes or {})},
        name=name if name is not None else f"chat {model}",
        id=id,
        parent=parent,
        trace=trace,
        scope=scope,
        start=start,
        end=end,
        kind=kind,
        status=status,
        events=events,
        resource=resource,
    )


def agent(
    attributes: Attributes | None = None,
    *,
    tokens: tuple[int, int] | None = None,
    name: str = "weather-agent",
    id: int = 1,
    parent: int | None = None,
    trace: int = 1,
    scope: str = "",
    start: float = 0.0,
    end: float | None = 10.0,
    resource: Attributes | None = None,
) -> Facts:
    """An agent's turn in the semantic conventions."""
    facts: dict[str, Value] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    if tokens is not None:
        facts["gen_ai.usage.input_tokens"], facts["gen_ai.usage.output_tokens"] = tokens
    return span(
        {**facts, **(attributes or {})},
        name=f"invoke_agent {name}",
        id=id,
        parent=parent,
        trace=trace,
        scope=scope,
        start=start,
        end=end,
        resource=resource,
    )


def tool(
    attributes: Attributes | None = None,
    *,
    name: str = "get_weather",
    id: int = 1,
    parent: int | None = None,
    trace: int = 1,
    scope: str = "",
    status: str = "unset",
    events: Sequence[Event] = (),
) -> Facts:
    """A tool call in the semantic conventions."""
    return span(
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, **(attributes or {})},
        name=f"execute_tool {name}",
        id=id,
        parent=parent,
        trace=trace,
        scope=scope,
        status=status,
        events=events,
    )


def infrastructure(
    name: str = "POST",
    attributes: Attributes | None = None,
    *,
    id: int = 1,
    parent: int | None = None,
    trace: int = 1,
    scope: str = "@opentelemetry/instrumentation-http",
    start: float = 0.0,
    end: float | None = 20.0,
    kind: str = "client",
) -> Facts:
    """A span that is no run: an HTTP request."""
    facts = {"http.request.method": name, **(attributes or {})}
    return span(facts, name=name, id=id, parent=parent, trace=trace, scope=scope, start=start, end=end, kind=kind)


def log(
    name: str,
    attributes: Attributes | None = None,
    *,
    body: Value = None,
    span: int | None = 1,
    trace: int | None = 1,
    time: float = 0.5,
) -> LogRecord:
    """An event log record that belongs to a span."""
    made = LogRecord()
    made.event_name = name
    made.attributes = dict(attributes or {})
    made.body = body
    made.time_ns = at(time)
    made.trace_id = "" if trace is None else trace_id(trace)
    made.span_id = "" if span is None else span_id(span)
    return made


def point(name: str, attributes: Attributes | None = None, *, time: float = 60.0) -> MetricPoint:
    """A data point of a histogram."""
    made = MetricPoint()
    made.name, made.unit, made.kind = name, "{token}", "histogram"
    made.start_ns, made.time_ns = at(0), at(time)
    made.count, made.total, made.minimum, made.maximum = 2, 113.0, 56.0, 57.0
    made.bounds, made.buckets = [64.0], [2, 0]
    made.attributes = dict(attributes or {})
    return made


class Ledger:
    """A mapper, and the records it gave, each in its highest version, as a store keeps them."""

    def __init__(self, *items: Item, limits: MemoryLimits | None = None, project: str = PROJECT) -> None:
        self.project = project
        self.mapper = Mapper(PRICES, limits)
        self._runs: dict[str, Run] = {}
        self._scores: dict[str, Score] = {}
        self._threads: dict[str, Thread] = {}
        self._metrics: dict[str, Metric] = {}
        if items:
            self.add(*items)

    def add(self, *items: Item, now: float = 0.0) -> list[Record]:
        """Map one request; the records that it gave. `now` is when it was received, in seconds after `T0`."""
        records = self.mapper.add(self.project, items, at(now))
        for record in records:
            if isinstance(record, Run):
                _keep(self._runs, record.run_id, record)
            elif isinstance(record, Score):
                _keep(self._scores, record.score_id, record)
            elif isinstance(record, Thread):
                _keep(self._threads, record.thread_id, record)
            else:
                _keep(self._metrics, record.metric_id, record)
        return records

    @property
    def runs(self) -> list[Run]:
        return [run for run in self._runs.values() if not run.withdrawn]

    @property
    def scores(self) -> list[Score]:
        return list(self._scores.values())

    @property
    def threads(self) -> list[Thread]:
        return list(self._threads.values())

    @property
    def metrics(self) -> list[Metric]:
        return list(self._metrics.values())

    def run(self, id: int, trace: int = 1) -> Run:
        """The run of the span with this number."""
        return self._runs[run_id(id, trace, self.project)]

    def has(self, id: int, trace: int = 1) -> bool:
        """Whether the span with this number is a run."""
        found = self._runs.get(run_id(id, trace, self.project))
        return found is not None and not found.withdrawn

    def billed(self) -> dict[int, tuple[int | None, int | None]]:
        """Input and output tokens of the runs that count in totals, by the number of their span."""
        return {
            int(run.span_id or "0", 16): (run.usage.input_tokens, run.usage.output_tokens)
            for run in self.runs
            if run.billable and run.usage is not None
        }


def _keep(held: dict[str, RecordT], identity: str, record: RecordT) -> None:
    before = held.get(identity)
    if before is None or record.version >= before.version:
        held[identity] = record


def only_run(*items: Item) -> Run:
    """The one run that these items make."""
    runs = Ledger(*items).runs
    assert len(runs) == 1, [run.name for run in runs]
    return runs[0]


def usage_of(*items: Item) -> Usage:
    """The usage of the one run that these items make."""
    usage = only_run(*items).usage
    assert usage is not None
    return usage
