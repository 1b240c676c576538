"""Late truth: traces whose pieces never met in one mapping, put right in the store; what `spanledger resolve` does.

The mapping resolves a trace from all spans that it remembers. Where pieces come further apart than its memory reaches,
or to different replicas, each is resolved alone: a child does not know the user of its parent, and an agent that
repeats the usage of its model calls bills beside them. Ids need no mending, they are computed; so all that is left to
do is to look at the whole trace once more, by the mapping's own rules (`spanledger.mapping.tree`), with what the store
holds of its runs.

That is less than the spans said, so this pass is careful. It takes billing away where two runs bill what one would have
in a whole trace, and never gives it. It fills in users, sessions and where a run ran, and replaces none. What it finds
right it leaves alone, so a second pass changes nothing. As in `spanledger.reprice`, a run is written with the version
after its own, its contents stay, and traces so young that the mapping may still correct them wait for a later pass.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import msgspec

from spanledger.errors import StoreUnavailable
from spanledger.exporters.base import Exporter
from spanledger.exporters.store import MAX_TRACE, RunFilter, RunStore
from spanledger.mapping.context import Context, Deployment
from spanledger.mapping.cost import PriceList
from spanledger.mapping.draft import Draft
from spanledger.mapping.facts import Facts
from spanledger.mapping.threads import thread_version
from spanledger.mapping.tree import resolve
from spanledger.model.ids import thread_id
from spanledger.model.records import Record, Run, Thread
from spanledger.model.span import Resource
from spanledger.pipeline.backoff import Backoff
from spanledger.pipeline.settings import RetrySettings

WINDOW_NS: Final = 600 * 1_000_000_000
"""Runs of so much time are held at once. A trace that reaches beyond is read whole."""
BATCH: Final = 2000
ATTEMPTS: Final = 8
"""Of one write, about a minute long."""

_WHERE_IT_RAN: Final = ("environment", "release", "service_name", "service_version")
_SERVER: Final = {"server": 2}
_NOWHERE: Final = Deployment(Resource())


@dataclass(slots=True)
class Resolved:
    """What a pass did."""

    runs: int = 0
    """Looked at."""
    traces: int = 0
    changed: int = 0
    """Runs with something new."""
    unbilled: int = 0
    """Of these, runs that no longer count in totals, for others say what they said."""
    young: int = 0
    """Traces left alone: the mapping may still correct them."""
    refused: list[str] = field(default_factory=list)
    """Why the store does not take a record, one text for each."""


async def resolve_store(
    store: RunStore,
    exporter: Exporter | None,
    prices: PriceList,
    *,
    since_ns: int,
    until_ns: int,
    settled_ns: int,
    project: str | None = None,
) -> Resolved:
    """Look at all traces with runs that started in a time (nanoseconds since the Unix epoch), and write what changes;
    without an exporter only count. Traces in which something ended at or after `settled_ns` are left alone. Raises
    `StoreUnavailable`."""
    done = Resolved()
    waiting: list[Record] = []
    for name in [project] if project is not None else await store.projects(since_ns, until_ns):
        for low in range(since_ns, until_ns, WINDOW_NS):
            window = RunFilter(name, started_from=low, started_to=min(low + WINDOW_NS, until_ns))
            async for runs in _traces(store, window, done):
                if any((run.ended_at or run.started_at) >= settled_ns for run in runs):
                    done.young += 1
                    continue
                changed = list(resolved_trace(runs, prices))
                done.changed += len(changed)
                before = {run.run_id: run for run in runs}
                done.unbilled += sum(before[run.run_id].billable and not run.billable for run in changed)
                waiting += changed
                waiting += threads_of(run for run in changed if run.session_id != before[run.run_id].session_id)
            if exporter is not None and len(waiting) >= BATCH:
                await _write(exporter, waiting, done)
                waiting = []
    if exporter is not None and waiting:
        await _write(exporter, waiting, done)
    return done


async def _traces(store: RunStore, window: RunFilter, done: Resolved) -> AsyncIterator[list[Run]]:
    """Traces of the window, each whole; one whose runs all know their parents here needs no further look."""
    found: dict[str, list[Run]] = {}
    async for page in store.scan(window):
        for run in page:
            done.runs += 1
            if run.trace_id is not None:
                found.setdefault(run.trace_id, []).append(run)
    for trace_id, held in found.items():
        done.traces += 1
        runs, ids = held, {run.run_id for run in held}
        if any(run.parent_run_id is not None and run.parent_run_id not in ids for run in runs):
            whole = RunFilter(window.project_id, trace_id=trace_id)
            runs = [run async for page in store.scan(whole) for run in page]
        if 1 < len(runs) <= MAX_TRACE:
            yield runs


def resolved_trace(runs: Sequence[Run], prices: PriceList) -> Iterable[Run]:
    """The runs of a trace, given without contents, that a look at all of them changes; in their next version."""
    by_id = {run.run_id: run for run in runs}
    whole = resolve(
        runs[0].project_id, runs[0].trace_id or "", {id_: _draft(run) for id_, run in by_id.items()}, prices
    )
    for found in whole:
        held = by_id[found.run_id]
        news: dict[str, object] = {}
        if held.billable and not found.billable:
            news |= {"billable": False, "cost": None}
        inherited = list(held.inherited)
        for name in ("user_id", "session_id"):
            value = getattr(found, name)
            if getattr(held, name) is not None or value is None or name not in found.inherited:
                continue
            # That all who state a session state this one is enough; a user may be a mere parameter of a call.
            if name == "session_id" or _said_above(held, by_id, name, value):
                news[name] = value
                inherited.append(name)
        if inherited != held.inherited:
            news["inherited"] = inherited
        for name in _WHERE_IT_RAN:
            if getattr(held, name) is None and getattr(found, name) is not None:
                news[name] = getattr(found, name)
        if news:
            yield msgspec.structs.replace(held, version=held.version + 1, **news)


def threads_of(runs: Iterable[Run]) -> Iterable[Thread]:
    """Threads of the sessions that runs have come to belong to."""
    for run in runs:
        if run.session_id is not None:
            yield Thread(
                project_id=run.project_id,
                thread_id=thread_id(run.project_id, run.session_id),
                session_id=run.session_id,
                user_id=run.user_id,
                started_at=run.started_at,
                version=thread_version(run.started_at, run.user_id),
            )


def _draft(run: Run) -> Draft:
    """A stored run as the mapping's tree takes it; its parent is the run above it and not the span."""
    span = Facts()
    span.trace_id, span.span_id, span.parent_span_id = run.trace_id or "", run.run_id, run.parent_run_id
    span.start_ns, span.end_ns = run.started_at, run.ended_at or run.started_at
    span.kind = _SERVER.get(run.span_kind.lower(), 0)
    context = Context()
    context.user_id = None if "user_id" in run.inherited else run.user_id
    context.session_id = None if "session_id" in run.inherited else run.session_id
    draft = Draft(span, run.type, context, _NOWHERE)
    draft.run = msgspec.structs.replace(run, user_id=context.user_id, session_id=context.session_id)
    if run.billable:
        draft.reported = run.cost.reported if run.cost is not None else None
    else:
        draft.run.usage = None  # it was decided already that another one bills it
    return draft


def _said_above(run: Run, by_id: dict[str, Run], name: str, value: object) -> bool:
    seen: set[str] = set()
    at = by_id.get(run.parent_run_id or "")
    while at is not None and at.run_id not in seen:
        if getattr(at, name) == value:
            return True
        seen.add(at.run_id)
        at = by_id.get(at.parent_run_id or "")
    return False


async def _write(exporter: Exporter, records: Sequence[Record], done: Resolved) -> None:
    backoff = Backoff(RetrySettings(), Random())  # noqa: S311  # spreads retries
    token = f"resolve-{hashlib.sha256(msgspec.json.encode(records)).hexdigest()}"
    for attempt in range(ATTEMPTS):
        result = await exporter.write(records, token)
        if result.retry is None:
            done.refused += [one.reason for one in result.rejected]
            return
        if attempt + 1 < ATTEMPTS:
            await asyncio.sleep(backoff.delay(result.retry_after))
    raise StoreUnavailable(result.retry)
