"""One model call that two instrumentations tell of without a word in common: no parent, no trace, no response id (R5).

OpenLLMetry for JavaScript loses the context between LangChain and the client library, and Logfire writes the late half
of a streamed call as a record of its own: the same tokens stand in two traces. Told by all of: the same service, model
and token counts, another instrumentation scope, at the same time, and at least one of the two without a response id.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from spanledger.mapping.dialects.base import LLM
from spanledger.mapping.responses import is_identity
from spanledger.model.records import Run

_MAX_BUCKETS = 50_000
_MOST_ALIKE = 32
"""Calls of one bucket that are compared; more of them are a load test, not two views of a call."""

_Bucket = tuple[str, str | None, str | None, int, int]


@dataclass(frozen=True, slots=True, order=True)
class _View:
    started_at: int
    run_id: str
    ended_at: int
    trace_id: str
    scope: str
    has_id: bool

    def overlaps(self, other: _View) -> bool:
        """Whether the two were at work together for most of the shorter one's time."""
        together = min(self.ended_at, other.ended_at) - max(self.started_at, other.started_at)
        shorter = min(self.ended_at - self.started_at, other.ended_at - other.started_at)
        return together > 0 and together * 2 > shorter


class Twins:
    """Calls seen in the traces of a project, by service, model and tokens. The same calls give the same verdict in
    whatever order they come."""

    def __init__(self, limit: int = _MAX_BUCKETS) -> None:
        self._limit = limit
        self._buckets: OrderedDict[_Bucket, dict[str, _View]] = OrderedDict()

    def settle(self, project_id: str, trace_id: str, runs: Iterable[Run]) -> set[str]:
        """Withdraw billing from the runs of a trace that repeat a call told elsewhere.

        Returns the other traces whose billing changes with this and which must be settled again.
        """
        others: set[str] = set()
        for run in runs:
            key = _bucket_of(project_id, run)
            if key is None:
                continue
            bucket = self._buckets.get(key)
            if bucket is None:
                if not run.billable:
                    continue
                bucket = self._buckets[key] = {}
                if len(self._buckets) > self._limit:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(key)
            if run.run_id not in bucket and len(bucket) >= _MOST_ALIKE:
                continue
            traces = {view.run_id: view.trace_id for view in bucket.values()}
            before = _repeated(bucket)
            if run.billable:
                bucket[run.run_id] = _view_of(trace_id, run)
            else:
                bucket.pop(run.run_id, None)  # it turned out that another bills its call
            after = _repeated(bucket)
            others.update(traces[run_id] for run_id in before ^ after if run_id in traces)
            if run.run_id in after:
                run.billable = False
                run.cost = None
        others.discard(trace_id)
        return others


def _bucket_of(project_id: str, run: Run) -> _Bucket | None:
    usage = run.usage
    if run.type != LLM or usage is None or run.scope_name is None or not run.ended_at:
        return None
    if not usage.input_tokens or not usage.output_tokens:
        return None
    return project_id, run.service_name, run.request_model, usage.input_tokens, usage.output_tokens


def _view_of(trace_id: str, run: Run) -> _View:
    ended, scope = run.ended_at or run.started_at, run.scope_name or ""
    return _View(run.started_at, run.run_id, ended, trace_id, scope, is_identity(run.response_id))


def _repeated(bucket: dict[str, _View]) -> set[str]:
    """Run ids of the views that repeat another; each view stands for one repetition at most."""
    if len(bucket) < 2:
        return set()
    found: set[str] = set()
    taken: set[str] = set()
    views = sorted(bucket.values())
    for view in views:
        if view.has_id or view.run_id in taken:
            continue
        for other in sorted(views, key=lambda one: (not one.has_id, abs(one.started_at - view.started_at), one)):
            if other.scope == view.scope or other.run_id in taken or other.run_id in found:
                continue
            if other.overlaps(view):
                # Of two without an id the one that began last is the innermost.
                loser, winner = (view, other) if other.has_id or view < other else (other, view)
                found.add(loser.run_id)
                taken.add(winner.run_id)
                break
    return found
