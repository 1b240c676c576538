"""The mapper: takes decoded items as they come and gives the records that are new or changed.

It keeps a bounded *trace memory*: the spans and event log records of recent traces. Whatever arrives late (a log
record with the messages, a parent that ends after its children, a user id on the root) changes the runs it bears on,
and these are given again with a higher `version`. Nothing waits for a trace to be complete.

`version` counts the statements known of a trace when the run took its present form. It depends on what is known and
not on when it came: a redelivery gives the same version, a later correction a higher one, and a memory that begins
anew (after eviction or a restart) can never overrule what was stored with more knowledge.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from spanledger.mapping.agent_logs import donate, span_of, superseded
from spanledger.mapping.apart import calls_apart
from spanledger.mapping.capture import CapturePolicy
from spanledger.mapping.completion import Conversations, Talk, fill_results, has_tools
from spanledger.mapping.context import Deployment, context_of
from spanledger.mapping.cost import PriceList
from spanledger.mapping.derived import ToolCalls
from spanledger.mapping.dialects.base import LLM, MERGE, SKIP, WRAP
from spanledger.mapping.draft import Draft, Mute, draft_of
from spanledger.mapping.facts import Facts
from spanledger.mapping.framework_answers import Answers, LookedAt, Told, TraceAnswers
from spanledger.mapping.gateway_log import GatewayMapper
from spanledger.mapping.kind import is_mute, kind_of
from spanledger.mapping.lunary_events import LunaryMapper
from spanledger.mapping.measurements import metric_record
from spanledger.mapping.merge import (
    SUPPLEMENTS,
    copied,
    event_of,
    fill_gaps,
    identity_of,
    merged,
    same_span,
    supplemented,
)
from spanledger.mapping.quiet import QuietTrace, keep_quiet
from spanledger.mapping.responses import Responses
from spanledger.mapping.scores import EVALUATION_EVENTS, SCORE_SLOTS, ScoredResponses, evaluation_score, span_scores
from spanledger.mapping.sizes import SIZE_OF_QUIET_TRACE, SIZE_OF_TRACE, size_of, size_of_run, size_of_span
from spanledger.mapping.threads import thread_version
from spanledger.mapping.tools_in_order import match_in_order
from spanledger.mapping.tree import resolve
from spanledger.mapping.twins import Twins
from spanledger.model.client_event import ClientEvent
from spanledger.model.ids import thread_id
from spanledger.model.received import Encoding, Item
from spanledger.model.records import Record, Run, Score, Thread
from spanledger.model.span import Event, LogRecord, MetricPoint, Resource, Value

_BESIDE: Final = 12
"""What traces tell each other (responses, results of tools, answers, conversations, …) takes a dozen shares of a
twelfth when all of it is full, as much again as the traces; with agents half of that."""


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """How much the trace memory holds. The trace touched longest ago goes first."""

    max_items: int = 50_000
    max_items_per_trace: int = 4_096
    max_bytes: int = 24 * 1024 * 1024
    max_age_ns: int = 15 * 60 * 1_000_000_000


class _Logs:
    """What log records say of the spans of a trace; most traces have none."""

    __slots__ = ("events", "named", "runs", "said")

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.named: dict[str, list[tuple[str, Event]]] = {}
        """Response id → log records which name it, each with the span id it carries."""
        self.runs: set[str] = set()
        """Span ids of runs that log records tell of."""
        self.said: set[tuple[str, int]] = set()
        """Span id and hash of each log record."""


class _Given:
    """What is remembered of the runs of a trace; traces without any run have none."""

    __slots__ = ("emitted", "looked_at", "talks", "threads", "told")

    def __init__(self) -> None:
        self.emitted: dict[str, Run] = {}
        self.threads: dict[str, Thread] = {}
        self.talks: dict[str, Talk] = {}
        """Run id → conversation with tools."""
        self.looked_at: dict[str, LookedAt] = {}
        """Run id → model call that lacks facts, as it was when it was looked at last."""
        self.told: TraceAnswers | None = None


class _Trace:
    """Everything remembered of one trace."""

    __slots__ = (
        "answers", "apart", "below", "drafts", "given", "has_parts", "items", "logs", "size", "spans", "statements",
        "touched_ns",
    )  # fmt: skip

    def __init__(self) -> None:
        self.spans: dict[str, Facts] = {}
        self.drafts: dict[str, Draft] = {}
        self.below: dict[str, set[str]] = {}
        """Span id → span ids of the drafts whose parent it is."""
        self.has_parts = False
        """Whether any draft is a part of another span's run (MERGE, WRAP)."""
        self.answers: dict[str, set[str]] | None = None
        """Response id → spans of that model call."""
        self.apart: dict[str, set[str]] | None = None
        """Span id → ids of the drafts of the model calls that its log records tell of beside it."""
        self.logs: _Logs | None = None
        self.given: _Given | None = None
        self.items = 0
        """Spans and events held."""
        self.statements = 0
        """Everything new that was ever said of the trace; the source of versions."""
        self.size = 0
        self.touched_ns = 0


class Mapper:
    """Turns spans, log records and metric points into records. Not thread-safe; one per stream of items."""

    def __init__(
        self,
        prices: PriceList | None = None,
        limits: MemoryLimits | None = None,
        capture: CapturePolicy | None = None,
    ) -> None:
        self._prices = prices if prices is not None else PriceList()
        self._limits = limits if limits is not None else MemoryLimits()
        self._traces: OrderedDict[tuple[str, str], _Trace | QuietTrace] = OrderedDict()
        self._capture = capture
        self._lunary = LunaryMapper(self._prices, capture)
        self._gateway = GatewayMapper(self._prices, capture)
        beside = self._limits.max_bytes // _BESIDE
        self._responses = Responses(2 * beside)
        self._twins = Twins(beside)
        self._scored = ScoredResponses(beside)
        self._calls = ToolCalls(beside)
        self._answers = Answers(beside)
        self._conversations = Conversations(beside)
        self._items = 0
        self._bytes = 0

    def add(self, project_id: str, items: Sequence[Item], now_ns: int = 0) -> list[Record]:
        """Records that these items make or change. `now_ns` is when they were received; it only ages the memory."""
        records: list[Record] = []
        touched: dict[str, set[str]] = {}
        affected_too: dict[str, None] = {}
        """Traces that others bear on. They come last, each once for all that bear on it by then."""
        deployments: dict[int, Deployment] = {}
        told: list[Value] = []
        others, number, size = keep_quiet(self._traces, project_id, items, now_ns, self._limits.max_items_per_trace)
        self._items += number
        self._bytes += size
        for item in others:
            if isinstance(item, Facts):
                self._add_span(project_id, item, touched, records)
            elif isinstance(item, LogRecord):
                self._add_log(project_id, item, touched, records)
            elif isinstance(item, ClientEvent):
                if item.source == Encoding.GATEWAY:
                    records.extend(self._gateway.add(project_id, item.body, now_ns))
                else:
                    told.append(item.body)
            elif isinstance(item, MetricPoint):
                metric = metric_record(project_id, item)
                if metric is not None:
                    records.append(metric)
        if told:
            records.extend(self._lunary.add(project_id, told))
        while touched or affected_too:
            trace_id, span_ids = touched.popitem() if touched else (next(iter(affected_too)), set())
            is_affected = trace_id in affected_too
            affected_too.pop(trace_id, None)
            trace = self._traces[project_id, trace_id]
            if isinstance(trace, QuietTrace):  # forgotten since, and begun anew
                continue
            trace.touched_ns = max(trace.touched_ns, now_ns)
            changed, affected = self._resolve(
                project_id, trace_id, trace, span_ids, deployments, is_affected=is_affected
            )
            records.extend(changed)
            if trace.items > self._limits.max_items_per_trace:
                self._forget((project_id, trace_id), trace)
            for other in affected:
                if (project_id, other) in self._traces:
                    affected_too[other] = None
        self._evict(now_ns)
        return records

    def remembered(self) -> tuple[int, int, int]:
        """How many traces and items are remembered, and roughly in how many bytes."""
        return len(self._traces), self._items, self._bytes

    def _trace(self, project_id: str, trace_id: str, touched: dict[str, set[str]]) -> _Trace:
        key = (project_id, trace_id)
        trace = self._traces.get(key)
        if trace is None:
            trace = self._traces[key] = _Trace()
            self._grow(trace, SIZE_OF_TRACE)
        elif isinstance(trace, QuietTrace):
            trace = self._traces[key] = self._awake(trace)
            self._traces.move_to_end(key)
        elif trace_id not in touched:
            self._traces.move_to_end(key)
        return trace

    def _awake(self, quiet: QuietTrace) -> _Trace:
        """A trace of which more is told than that it is noise, with its spans in their places in the tree."""
        trace = _Trace()
        trace.spans = quiet.spans
        trace.items = trace.statements = quiet.items
        trace.size, trace.touched_ns = quiet.size, quiet.touched_ns
        self._grow(trace, SIZE_OF_TRACE - SIZE_OF_QUIET_TRACE)
        for span in quiet.spans.values():
            self._add_mute(trace, span)
        return trace

    def _add_span(self, project_id: str, span: Facts, touched: dict[str, set[str]], records: list[Record]) -> None:
        trace = self._trace(project_id, span.trace_id, touched)
        held = trace.spans.get(span.span_id)
        if held is not None:
            if same_span(held, span):
                return
            span = merged(held, span)
            if same_span(held, span):
                return
        else:
            self._items += 1
            trace.items += 1
        trace.spans[span.span_id] = span
        trace.statements += 1
        self._grow(trace, size_of_span(span))
        changed = touched.get(span.trace_id)
        if changed is None:
            changed = touched[span.trace_id] = set()
        if held is None and is_mute(span) and self._add_mute(trace, span):
            return
        changed.add(span.span_id)
        if isinstance(span.response_id, str):
            if trace.answers is None:
                trace.answers = {}
            trace.answers.setdefault(span.response_id, set()).add(span.span_id)
            records.extend(self._scored.add_span(project_id, span.response_id, span.trace_id, span.span_id))
            if trace.logs is not None:
                changed.update(origin for origin, _ in trace.logs.named.get(span.response_id, ()))
        for event in span.events:
            if event.name in EVALUATION_EVENTS:
                score = evaluation_score(project_id, span.trace_id, span.span_id, event)
                if score is not None:
                    records.append(score)
        if not SCORE_SLOTS.isdisjoint(vars(span)):
            records.extend(span_scores(project_id, span, context_of(span).session_id))

    def _add_mute(self, trace: _Trace, span: Facts) -> bool:
        """Remember a span that says nothing, which is most spans of a service, for its place in the tree alone. False
        where it bears on anything else: runs stand below it, log records or other spans may belong to it."""
        if trace.has_parts or trace.logs is not None or (trace.given is not None and trace.below.get(span.span_id)):
            return False
        trace.drafts[span.span_id] = Mute(span)
        if span.parent_span_id is not None:
            _put_below(trace, span.parent_span_id, span.span_id)
        self._grow(trace, size_of_run(None))
        return True

    def _add_log(self, project_id: str, record: LogRecord, touched: dict[str, set[str]], records: list[Record]) -> None:
        event = event_of(record)
        if event is None:
            span = span_of(record)
            if span is not None:
                self._add_span(project_id, span, touched, records)
                _logs_of(self._trace(project_id, span.trace_id, touched)).runs.add(span.span_id)
            return
        if event.name in EVALUATION_EVENTS:
            score: Score | None = evaluation_score(project_id, record.trace_id, record.span_id, event)
            if score is not None:
                response_id = event.attributes.get("gen_ai.response.id")
                if not record.span_id and isinstance(response_id, str) and response_id:
                    score = self._scored.link(response_id, score)
                records.append(score)
            return
        if not record.trace_id or not record.span_id:
            return
        trace = self._trace(project_id, record.trace_id, touched)
        logs = _logs_of(trace)
        said = (record.span_id, hash(identity_of(event)))
        if said in logs.said:
            return
        logs.said.add(said)
        logs.events.setdefault(record.span_id, []).append(event)
        self._items += 1
        trace.items += 1
        trace.statements += 1
        self._grow(trace, size_of(event.attributes))
        changed = touched.setdefault(record.trace_id, set())
        changed.add(record.span_id)
        response_id = _response_named(event)
        if response_id is not None:
            logs.named.setdefault(response_id, []).append((record.span_id, event))
            if trace.answers is not None:
                changed.update(trace.answers.get(response_id, ()))

    def _resolve(
        self,
        project_id: str,
        trace_id: str,
        trace: _Trace,
        span_ids: set[str],
        deployments: dict[int, Deployment],
        *,
        is_affected: bool,
    ) -> tuple[list[Record], set[str]]:
        """Records of a trace that changed, and other traces that it bears on: they lost the billing of a model call
        to this one, or asked for a tool call whose result stands here. `is_affected` where another bears on it."""
        bearing = [span_id for span_id in span_ids if self._redraft(project_id, trace, span_id, deployments)]
        if not bearing and not is_affected:
            return [], set()
        if trace.has_parts:
            neighbours = _neighbours(trace, span_ids)
            for span_id in neighbours:
                self._redraft(project_id, trace, span_id, deployments)
            span_ids = span_ids | neighbours
        given = trace.given
        if given is None:  # nothing but noise
            return [], set()
        changed: list[Record] = []
        drafts = trace.drafts
        if trace.logs is not None and trace.logs.runs:
            gone = superseded(drafts, trace.logs.runs)
            donate(drafts, gone)
            drafts = {span_id: draft for span_id, draft in drafts.items() if span_id not in gone}
        runs = resolve(project_id, trace_id, drafts, self._prices)
        affected = self._responses.settle(project_id, trace_id, runs)
        affected |= self._twins.settle(project_id, trace_id, runs)
        for told in _told(trace, span_ids):
            if given.told is None:
                given.told = TraceAnswers()
            given.told.add(told)
            affected |= self._answers.note_told(project_id, trace_id, told)
        if given.told is not None:
            given.told.complete(runs)
        affected |= self._answers.complete(project_id, trace_id, runs, given.looked_at)
        talks = _talks(given, runs)
        if talks:
            affected |= self._conversations.note(project_id, trace_id, talks)
            self._conversations.complete(project_id, trace_id, talks, across=False)
            if any(talk.hollow for _, talk in talks):
                fill_results(runs)
        affected |= self._calls.note(project_id, trace_id, runs, talks)
        self._calls.complete(project_id, runs)
        match_in_order(runs)
        self._calls.fill(project_id, talks)
        runs.extend(self._calls.derive(project_id, trace_id, runs))
        if talks:
            self._conversations.complete(project_id, trace_id, talks, across=True)
        if self._capture is not None:
            for run in runs:
                self._capture.apply(run)
        for run in [*runs, *_withdrawn(given, runs)]:
            held = given.emitted.get(run.run_id)
            if held is not None:
                run.version = held.version
                if run == held:
                    continue
            run.version = max(trace.statements, held.version + 1 if held is not None else 0)
            given.emitted[run.run_id] = run
            changed.append(run)
        changed.extend(_threads(project_id, given, runs))
        return changed, affected

    def _redraft(self, project_id: str, trace: _Trace, span_id: str, deployments: dict[int, Deployment]) -> bool:
        """Draft a span anew; whether that bears on any run. Most spans of a service do not: requests and queries with
        nothing below them, which say nothing of who asked."""
        span = trace.spans.get(span_id)
        if span is None:
            return False
        events = span.events if trace.logs is None else [*span.events, *_log_events(trace, trace.logs, span)]
        whole, plain = span, events
        if events:
            events = sorted(events, key=lambda event: event.time_ns)
            events, apart = calls_apart(span, events)
            if apart or trace.apart:
                self._keep_apart(project_id, trace, span_id, apart, deployments)
            whole = supplemented(span, events)
            plain = [event for event in events if event.name not in SUPPLEMENTS]
        if trace.has_parts:
            whole = _with_parts(trace, span, whole)
        held = trace.drafts.get(span_id)
        draft = draft_of(project_id, whole, plain, _deployment_of(span, deployments))
        self._put_draft(trace, span_id, draft)
        is_mute = draft.kind == SKIP and draft.context.user_id is None and draft.context.session_id is None
        return not is_mute or held is not None or trace.logs is not None or bool(trace.below.get(span_id))

    def _put_draft(self, trace: _Trace, span_id: str, draft: Draft | None) -> None:
        """Hold a draft in place of the one before; None for a span that turned out to be none."""
        held = trace.drafts.pop(span_id, None) if draft is None else trace.drafts.get(span_id)
        if held is not None and held.parent_span_id is not None:
            trace.below[held.parent_span_id].discard(span_id)
        self._grow(trace, -size_of_run(held.run) if held is not None else 0)
        if draft is None:
            return
        if draft.run is not None and trace.given is None:
            trace.given = _Given()
        if draft.kind in (MERGE, WRAP):
            trace.has_parts = True
        if draft.parent_span_id is not None:
            _put_below(trace, draft.parent_span_id, span_id)
        self._grow(trace, size_of_run(draft.run))
        trace.drafts[span_id] = draft

    def _keep_apart(
        self,
        project_id: str,
        trace: _Trace,
        span_id: str,
        calls: Sequence[Facts],
        deployments: dict[int, Deployment],
    ) -> None:
        """Hold the model calls that the log records of a span tell of beside it."""
        if trace.apart is None:
            trace.apart = {}
        made = {call.span_id: call for call in calls}
        for gone in trace.apart.get(span_id, set()) - made.keys():
            self._put_draft(trace, gone, None)
        trace.apart[span_id] = set(made)
        for call in calls:
            self._put_draft(trace, call.span_id, draft_of(project_id, call, [], _deployment_of(call, deployments)))

    def _grow(self, trace: _Trace, size: int) -> None:
        trace.size += size
        self._bytes += size

    def _evict(self, now_ns: int) -> None:
        limits = self._limits
        while self._traces:
            key, trace = next(iter(self._traces.items()))
            if (
                self._items <= limits.max_items
                and self._bytes <= limits.max_bytes
                and now_ns - trace.touched_ns <= limits.max_age_ns
            ):
                break
            self._forget(key, trace)

    def _forget(self, key: tuple[str, str], trace: _Trace | QuietTrace) -> None:
        del self._traces[key]
        self._items -= trace.items
        self._bytes -= trace.size


def _put_below(trace: _Trace, parent_span_id: str, span_id: str) -> None:
    below = trace.below.get(parent_span_id)
    if below is None:
        trace.below[parent_span_id] = {span_id}
    else:
        below.add(span_id)


def _deployment_of(span: Facts, deployments: dict[int, Deployment]) -> Deployment:
    found = deployments.get(id(span.resource))
    if found is None:
        found = deployments[id(span.resource)] = Deployment(span.resource)
    return found


def _logs_of(trace: _Trace) -> _Logs:
    if trace.logs is None:
        trace.logs = _Logs()
    return trace.logs


def _neighbours(trace: _Trace, span_ids: set[str]) -> set[str]:
    """Span ids of the runs that these spans are parts of."""
    found: set[str] = set()
    for span_id in span_ids:
        draft = trace.drafts.get(span_id)
        if draft is None:
            continue
        if draft.kind == MERGE and draft.parent_span_id is not None:
            found.add(draft.parent_span_id)
        elif draft.kind == WRAP:
            found.update(trace.below.get(span_id, ()))
    return found


def _with_parts(trace: _Trace, span: Facts, whole: Facts) -> Facts:
    """A span with the facts of the spans that are parts of it."""
    below = [trace.drafts[child] for child in trace.below.get(span.span_id, ()) if child != span.span_id]
    parts = [draft.span for draft in below if draft.kind == MERGE]
    parts.sort(key=lambda one: (one.start_ns, one.span_id))
    wrapper = trace.drafts.get(span.parent_span_id or "")
    if wrapper is not None and wrapper.kind == WRAP and kind_of(span) == LLM:
        parts.append(wrapper.span)
    if parts and whole is span:
        whole = copied(span)
    for part in parts:
        fill_gaps(whole, part)
        if part.logfire_span_type == "log" and whole.streaming is None:
            whole.streaming = True
    return whole


def _response_named(event: Event) -> str | None:
    """Response id that a supplement names. OpenLIT writes the log record of a streamed call after the call's span
    has ended, so that it carries the id of the span around it; the response id says which call it was."""
    if event.name in SUPPLEMENTS:
        found = event.attributes.get("gen_ai.response.id")
        if isinstance(found, str) and found:
            return found
    return None


def _log_events(trace: _Trace, logs: _Logs, span: Facts) -> list[Event]:
    """Log records that state facts of a span: those that carry its id, but for those that name another call's
    response, and those that name its own."""
    found = []
    answers = trace.answers or {}
    for event in logs.events.get(span.span_id, ()):
        named = _response_named(event)
        if named is None or named == span.response_id or named not in answers:
            found.append(event)
    if isinstance(span.response_id, str):
        found.extend(event for origin, event in logs.named.get(span.response_id, ()) if origin != span.span_id)
    return found


def _told(trace: _Trace, span_ids: set[str]) -> list[Told]:
    """The answers in chains that these spans tell of."""
    drafts = (trace.drafts.get(span_id) for span_id in span_ids)
    return [draft.told for draft in drafts if draft is not None and draft.told is not None]


def _talks(given: _Given, runs: Sequence[Run]) -> list[tuple[Run, Talk]]:
    """The model calls of a trace that belong to conversations with tools."""
    found: list[tuple[Run, Talk]] = []
    for run in runs:
        if has_tools(run):
            talk = given.talks.get(run.run_id)
            if talk is None or not talk.is_of(run):
                talk = given.talks[run.run_id] = Talk(run)
            found.append((run, talk))
    return found


def _withdrawn(given: _Given, runs: Sequence[Run]) -> list[Run]:
    """Runs given before that more knowledge shows to be none; they go out once more, marked."""
    gone = given.emitted.keys() - {run.run_id for run in runs}
    return [msgspec.structs.replace(run, withdrawn=True) for run_id, run in given.emitted.items() if run_id in gone]


def _threads(project_id: str, given: _Given, runs: Sequence[Run]) -> list[Thread]:
    """Thread records of the sessions that the runs of a trace belong to."""
    first: dict[str, Run] = {}
    for run in runs:
        if run.session_id is not None:
            first.setdefault(run.session_id, run)
    changed: list[Thread] = []
    for session_id, run in first.items():
        held = given.threads.get(session_id)
        if held is not None and (held.user_id, held.started_at) == (run.user_id, run.started_at):
            continue
        thread = Thread(
            project_id=project_id,
            thread_id=thread_id(project_id, session_id),
            session_id=session_id,
            user_id=run.user_id,
            started_at=run.started_at,
            version=thread_version(run.started_at, run.user_id),
        )
        given.threads[session_id] = thread
        changed.append(thread)
    return changed


__all__ = ["Mapper", "MemoryLimits", "Resource"]
