"""One model call that two instrumentations tell of without a word in common: no parent, no trace, no response id (R5).

OpenLLMetry for JavaScript loses the context between LangChain and the client library, and Logfire writes the late half
of a streamed call as a record of its own: the same tokens stand in two traces. Told by all of: the same service, model
and token counts, another instrumentation scope, at the same time, and at least one of the two without a response id.
Langtrace for Anthropic beside the SDK's own spans counts neither what was read from the cache nor what was written.

The one that bills takes from the other what it does not tell itself: client libraries' own spans hold no messages.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from spanledger.mapping.dialects.base import LLM
from spanledger.mapping.recent import Recent
from spanledger.mapping.responses import is_identity
from spanledger.mapping.sizes import size_of
from spanledger.model.records import Run
from spanledger.model.span import Value

_SIZE: Final = 550
"""Bytes that a bucket of one call takes."""
_MAX_BYTES: Final = 4 * 1024 * 1024
"""7,600 buckets, and as many bytes of what is told."""
_MOST_ALIKE: Final = 32
"""Calls of one bucket that are compared; more of them are a load test, not two views of a call."""

_TOLD: Final = ("input", "output", "tools", "params", "streaming", "ttft_ns", "response_id", "finish_reasons")
"""What the one that bills may lack."""

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


_NOTHING: Final[Mapping[str, str]] = {}


class _Bucket:
    """Calls alike, and which of them repeat another."""

    __slots__ = ("latest", "repeated", "views")

    def __init__(self) -> None:
        self.latest = 0
        """When the last of them ended that ever were."""
        self.views: tuple[_View, ...] = ()
        """Nearly always one, for which a dict takes five times as much."""
        self.repeated: Mapping[str, str] = _NOTHING
        """Run id → run id of the one that it repeats."""

    def of(self, run_id: str) -> _View | None:
        """The view of a run."""
        for view in self.views:
            if view.run_id == run_id:
                return view
        return None

    def _meets(self, view: _View) -> bool:
        """Whether another is at work at the same time. Calls come in order, mostly."""
        return view.started_at < self.latest and any(
            one.started_at < view.ended_at and view.started_at < one.ended_at for one in self.views
        )

    def put(self, run_id: str, view: _View | None) -> set[str]:
        """Replace a view; the traces of those whose billing changes with it."""
        held = self.of(run_id)
        if held == view:
            return set()
        if held is None and view is not None and not self._meets(view):
            self.views = (*self.views, view)
            self.latest = max(self.latest, view.ended_at)
            return set()
        traces = {one.run_id: one.trace_id for one in self.views}
        others = tuple(one for one in self.views if one.run_id != run_id)
        self.views = others if view is None else (*others, view)
        if view is not None:
            self.latest = max(self.latest, view.ended_at)
        before, self.repeated = self.repeated, _repeated(self.views) or _NOTHING
        changed = {one for pair in before.items() ^ self.repeated.items() for one in pair}
        return {traces[run_id] for run_id in changed if run_id in traces}

    def repeating(self, run_id: str) -> str | None:
        """Run id of the view that repeats this one."""
        return next((one for one, other in self.repeated.items() if other == run_id), None)


class Twins:
    """Calls seen in the traces of a project, by service, model and tokens. The same calls give the same verdict in
    whatever order they come."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._max_told_bytes = max_bytes
        self._buckets: Recent[_Key, _Bucket] = Recent(max_bytes // _SIZE)
        self._told: OrderedDict[str, dict[str, Value]] = OrderedDict()
        """Run id of one that repeats another → what it tells."""
        self._told_bytes = 0

    def settle(self, project_id: str, trace_id: str, runs: Iterable[Run]) -> set[str]:
        """Withdraw billing from the runs of a trace that repeat a call told elsewhere.

        Returns the other traces whose billing changes with this and which must be settled again.
        """
        others: set[str] = set()
        placed: list[tuple[_Bucket, Run]] = []
        for run in runs:
            view = _view_of(trace_id, run) if run.billable else None
            for key in _buckets_of(project_id, run):
                bucket = self._buckets.get(key)
                if bucket is None:
                    if view is None:
                        continue
                    bucket = _Bucket()
                    self._buckets.put(key, bucket)
                if len(bucket.views) >= _MOST_ALIKE and bucket.of(run.run_id) is None:
                    continue
                # Where it does not bill, it turned out that another bills its call.
                others |= bucket.put(run.run_id, view)
                placed.append((bucket, run))
        paired = [(bucket, run) for bucket, run in placed if bucket.repeated]
        for bucket, run in paired:
            if run.run_id in bucket.repeated:
                run.billable = False
                run.cost = None
                others |= self._note(bucket, run)
        for bucket, run in paired:
            told = self._told.get(bucket.repeating(run.run_id) or "")
            for name, value in told.items() if told is not None else ():
                if getattr(run, name) in (None, [], {}):
                    setattr(run, name, value)
        others.discard(trace_id)
        return others

    def _note(self, bucket: _Bucket, run: Run) -> set[str]:
        """Remember what a run that repeats another tells; the trace of that one where it learns something."""
        told = {name: value for name in _TOLD if (value := getattr(run, name)) not in (None, [], {})}
        held = self._told.get(run.run_id)
        if told == held:
            return set()
        self._told_bytes += size_of(told) - (size_of(held) if held is not None else 0)
        self._told[run.run_id] = told
        while self._told_bytes > self._max_told_bytes:
            self._told_bytes -= size_of(self._told.popitem(last=False)[1])
        winner = bucket.of(bucket.repeated[run.run_id])
        return {winner.trace_id} if winner is not None else set()


def _buckets_of(project_id: str, run: Run) -> list[_Key]:
    """Where to look for a call's other views: among those of the same tokens, and of the same but for the cache."""
    usage = run.usage
    if run.type != LLM or usage is None or run.scope_name is None or not run.ended_at:
        return []
    if not usage.input_tokens or not usage.output_tokens:
        return []
    around, output = (project_id, run.service_name, run.request_model), usage.output_tokens
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    fresh = usage.input_tokens - cached
    keys: list[_Key] = [(*around, usage.input_tokens, output)]
    if cached and fresh > 0:
        keys.append((*around, fresh, output))
    return keys


def _view_of(trace_id: str, run: Run) -> _View:
    ended, scope = run.ended_at or run.started_at, run.scope_name or ""
    return _View(run.started_at, run.run_id, ended, trace_id, scope, is_identity(run.response_id))


def _repeated(alike: Collection[_View]) -> dict[str, str]:
    """Run ids of the views that repeat another, and of that one; each view stands for one repetition at most."""
    found: dict[str, str] = {}
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
            found[loser.run_id] = winner.run_id
            taken.add(winner.run_id)
    return found
