"""One model call that two instrumentations tell of without a word in common: no parent, no trace, no response id (R5).

OpenLLMetry for JavaScript loses the context between LangChain and the client library, and Logfire writes the late half
of a streamed call as a record of its own: the same tokens stand in two traces. Told by all of: the same service, model
and token counts, another instrumentation scope, at the same time, and at least one of the two without a response id.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from spanledger.mapping.dialects.base import LLM
from spanledger.mapping.responses import is_identity
from spanledger.model.records import Run

_MAX_BUCKETS = 50_000
_MOST_ALIKE = 32
"""Calls of one bucket that are compared; more of them are a load test, not two views of a call."""

_Key = tuple[str, str | None, str | None, int, int]


class _View(NamedTuple):
    """One call as one trace tells of it. The order is that of their starts."""

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


class _Bucket:
    """Calls alike, and which of them repeat another."""

    __slots__ = ("latest", "repeated", "views")

    def __init__(self) -> None:
        self.latest = 0
        """When the last of them ended that ever were."""
        self.views: dict[str, _View] = {}
        """Run id → view."""
        self.repeated: set[str] = set()
        """Run ids."""

    def put(self, run_id: str, view: _View | None) -> set[str]:
        """Replace a view; the traces of those whose billing changes with it."""
        held = self.views.get(run_id)
        if held == view:
            return set()
        if held is None and view is not None and view.started_at >= self.latest:  # calls come in order, mostly
            self.views[run_id] = view
            self.latest = max(self.latest, view.ended_at)
            return set()
        traces = {one.run_id: one.trace_id for one in self.views.values()}
        if view is None:
            del self.views[run_id]
        else:
            self.views[run_id] = view
            self.latest = max(self.latest, view.ended_at)
        before, self.repeated = self.repeated, _repeated(self.views.values())
        return {traces[changed] for changed in before ^ self.repeated if changed in traces}


class Twins:
    """Calls seen in the traces of a project, by service, model and tokens. The same calls give the same verdict in
    whatever order they come."""

    def __init__(self, limit: int = _MAX_BUCKETS) -> None:
        self._limit = limit
        self._buckets: OrderedDict[_Key, _Bucket] = OrderedDict()

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
                bucket = self._buckets[key] = _Bucket()
                if len(self._buckets) > self._limit:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(key)
            if run.run_id not in bucket.views and len(bucket.views) >= _MOST_ALIKE:
                continue
            # Where it does not bill, it turned out that another bills its call.
            others |= bucket.put(run.run_id, _view_of(trace_id, run) if run.billable else None)
            if run.run_id in bucket.repeated:
                run.billable = False
                run.cost = None
        others.discard(trace_id)
        return others


def _bucket_of(project_id: str, run: Run) -> _Key | None:
    usage = run.usage
    if run.type != LLM or usage is None or run.scope_name is None or not run.ended_at:
        return None
    if not usage.input_tokens or not usage.output_tokens:
        return None
    return project_id, run.service_name, run.request_model, usage.input_tokens, usage.output_tokens


def _view_of(trace_id: str, run: Run) -> _View:
    ended, scope = run.ended_at or run.started_at, run.scope_name or ""
    return _View(run.started_at, run.run_id, ended, trace_id, scope, is_identity(run.response_id))


def _repeated(alike: Collection[_View]) -> set[str]:
    """Run ids of the views that repeat another; each view stands for one repetition at most."""
    found: set[str] = set()
    if len({view.scope for view in alike}) < 2:
        return found
    taken: set[str] = set()
    views = sorted(alike)
    for view in views:
        if view.has_id or view.run_id in taken:
            continue
        others = [
            other
            for other in views
            if other.started_at < view.ended_at
            and view.started_at < other.ended_at
            and other.scope != view.scope
            and other.run_id not in taken
            and other.run_id not in found
            and other.overlaps(view)
        ]
        if others:
            other = min(others, key=lambda one: (not one.has_id, abs(one.started_at - view.started_at), one))
            # Of two without an id the one that began last is the innermost.
            loser, winner = (view, other) if other.has_id or view < other else (other, view)
            found.add(loser.run_id)
            taken.add(winner.run_id)
    return found
