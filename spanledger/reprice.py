"""Costs of stored runs, computed anew after prices changed: what `spanledger reprice` does.

A run that is read from the store holds all that its price depends on: usage, provider, models, start, tier, and what
the sender reported. So it is priced as the mapping would price it today, and where that makes a difference it is
written back with another cost and nothing else changed (`Run.without_contents`: contents stay where they are).

Its version is the stored one plus one. The mapping's versions count what is known of a trace, so a span that is
delivered again comes with the version it had, and loses against the new cost. A correction, which knows more, has at
least the stored version plus one as well; of equal versions the one written last wins, so it takes the run back, with
the cost that the mapping gives it. (A larger step would make corrections lose, messages that arrive late for example.)
So does a trace that comes again in larger pieces than at first. That is why `serve` has to run with the new prices
first. What must not happen is that a correction is written between the reading and the writing of the same run, for it
would be undone. Only a trace in the mapping's memory can be corrected, so runs that ended less than the memory's age
ago are left alone, unless that is forced.

Runs are written in batches. Each is whole or can be repeated, and a run whose cost is right is never written: after an
interruption the same command goes on where it was, and a second run of it changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from random import Random
from typing import Final, TypeAlias

import msgspec

from spanledger.errors import StoreUnavailable
from spanledger.exporters.base import Exporter
from spanledger.exporters.store import RunFilter, RunStore
from spanledger.mapping.cost import Call, PriceList
from spanledger.mapping.cost.pattern import Pattern
from spanledger.model.records import Cost, Run
from spanledger.pipeline.backoff import Backoff
from spanledger.pipeline.settings import RetrySettings

BATCH: Final = 2000
"""Runs from which on a write is worth its cost."""
ATTEMPTS: Final = 8
"""Of one write, about a minute long. Whoever watches a command wants to hear of a store that is away."""
MAX_MODELS: Final = 10_000
"""Models with sums of their own. Names come from outside; beyond this they share one line."""

OTHER_MODELS: Final = (None, "other models")

Progress: TypeAlias = Callable[[float, int], None]
"""Told the share of the time that is done, 0 to 1, and the runs read so far."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs are priced anew: those that count in totals (`billable`) and pass every condition."""

    since_ns: int
    """Started at or after; nanoseconds since the Unix epoch."""
    until_ns: int
    """Started before."""
    project: str | None = None
    provider: str | None = None
    """Canonical name or as the sender wrote it, ignoring case."""
    model: Pattern | None = None
    """Matches the whole name of the model that was asked for or that answered."""
    reported: bool = False
    """Also those whose cost is what their sender reported."""
    settled_ns: int | None = None
    """Only those that ended before; None: however young."""

    def wants(self, run: Run) -> bool:
        """Whether the conditions that the store does not know hold; age and reporter aside."""
        if self.provider is not None:
            names = (run.provider, run.provider_raw)
            if self.provider.casefold() not in (name.casefold() for name in names if name is not None):
                return False
        names = (run.model, run.request_model)
        return self.model is None or any(name is not None and self.model.fullmatch(name) for name in names)


class Verdict(Enum):
    """What becomes of a run."""

    CHANGED = auto()
    RIGHT = auto()
    REPORTED = auto()
    """Left alone: its sender said what it cost."""
    YOUNG = auto()
    """Left alone: the mapping may still correct it."""


@dataclass(slots=True)
class Sums:
    """Costs before and after, in USD, over the runs of one model."""

    runs: int = 0
    changed: int = 0
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)
    unknown_before: int = 0
    """Runs without a known cost: the true sum is higher."""
    unknown_after: int = 0

    def add(self, before: Cost | None, after: Cost | None, *, changed: bool) -> None:
        """Count one run."""
        self.runs += 1
        self.changed += changed
        for cost, name in ((before, "before"), (after, "after")):
            if cost is None or cost.total is None:
                setattr(self, f"unknown_{name}", getattr(self, f"unknown_{name}") + 1)
            else:
                setattr(self, name, getattr(self, name) + cost.total)


@dataclass(slots=True)
class Survey:
    """What a repricing would change."""

    models: dict[tuple[str | None, str | None], Sums] = field(default_factory=dict)
    """By provider and model."""
    total: Sums = field(default_factory=Sums)
    reported: int = 0
    """Runs left alone for their reported cost."""
    young: int = 0
    """Runs left alone for their age."""


class Repricing:
    """One run of the command."""

    def __init__(self, store: RunStore, prices: PriceList, selection: Selection) -> None:
        self._store = store
        self._prices = prices
        self._selection = selection
        self.written = 0
        """Runs with a new cost in the store."""
        self.refused: list[str] = []
        """Why the store does not take a run, one text for each."""

    async def survey(self, progress: Progress) -> Survey:
        """What would change; writes nothing. Raises `StoreUnavailable`."""
        survey = Survey()
        async for runs in self._runs(progress):
            for run in runs:
                verdict, cost = self._judge(run)
                survey.reported += verdict is Verdict.REPORTED
                survey.young += verdict is Verdict.YOUNG
                key = (run.provider, run.model or run.request_model)
                if key not in survey.models and len(survey.models) >= MAX_MODELS:
                    key = OTHER_MODELS
                for sums in (survey.models.setdefault(key, Sums()), survey.total):
                    sums.add(run.cost, cost, changed=verdict is Verdict.CHANGED)
        return survey

    async def write(self, exporter: Exporter, progress: Progress) -> None:
        """Give every run that needs it its new cost; see `written` and `refused`. Raises `StoreUnavailable`."""
        waiting: list[Run] = []
        async for runs in self._runs(progress):
            for run in runs:
                verdict, cost = self._judge(run)
                if verdict is Verdict.CHANGED:
                    waiting.append(msgspec.structs.replace(run, cost=cost, version=run.version + 1))
            if len(waiting) >= BATCH:
                await self._store_runs(exporter, waiting)
                waiting = []
        if waiting:
            await self._store_runs(exporter, waiting)

    async def _runs(self, progress: Progress) -> AsyncIterator[list[Run]]:
        """Selected runs in pages, project by project."""
        chosen = self._selection
        since, until = chosen.since_ns, chosen.until_ns
        projects = [chosen.project] if chosen.project is not None else await self._store.projects(since, until)
        read = 0
        for number, project in enumerate(projects):
            filter_ = RunFilter(project, billable=True, started_from=since, started_to=until)
            async for page in self._store.scan(filter_):
                yield [run for run in page if chosen.wants(run)]
                read += len(page)
                if page:
                    share = (max(run.started_at for run in page) - since) / (until - since)
                    progress((number + share) / len(projects), read)
        progress(1.0, read)

    def _judge(self, run: Run) -> tuple[Verdict, Cost | None]:
        """(What becomes of a run, its cost then)."""
        if run.cost is not None and run.cost.source == "reported" and not self._selection.reported:
            return Verdict.REPORTED, run.cost
        cost = priced(run, self._prices)
        if same_amounts(run.cost, cost):
            return Verdict.RIGHT, run.cost
        settled = self._selection.settled_ns
        if settled is not None and (run.ended_at or run.started_at) >= settled:
            return Verdict.YOUNG, run.cost
        return Verdict.CHANGED, cost

    async def _store_runs(self, exporter: Exporter, runs: Sequence[Run]) -> None:
        backoff = Backoff(RetrySettings(), Random())  # noqa: S311  # spreads retries
        token = _token(runs)
        for attempt in range(ATTEMPTS):
            result = await exporter.write(runs, token)
            if result.retry is None:
                self.written += len(runs) - len(result.rejected)
                self.refused += [f"{runs[one.index].run_id}: {one.reason}" for one in result.rejected]
                return
            if attempt + 1 < ATTEMPTS:
                await asyncio.sleep(backoff.delay(result.retry_after))
        raise StoreUnavailable(result.retry)


def priced(run: Run, prices: PriceList) -> Cost:
    """The cost of a billable run as the mapping would give it with these prices."""
    held = run.cost if run.cost is not None else Cost()
    cost = prices.cost(
        Call(
            provider=run.provider,
            request_model=run.request_model,
            model=run.model,
            usage=run.usage,
            at_ns=run.started_at,
            service_tier=held.service_tier,
            reported=held.reported,
            reported_billed=bool(held.reported_billed),
            cached=held.source == "cached",
            type=run.type,
        )
    )
    cost.service_tier, cost.reported_billed = held.service_tier, held.reported_billed
    return cost


def same_amounts(held: Cost | None, cost: Cost) -> bool:
    """Whether two costs are the same money for the same reason. A newer price list with the same prices, or another
    opinion of the list where something else counts, changes nothing."""
    return held is not None and (held.total, held.parts, held.source) == (cost.total, cost.parts, cost.source)


def _token(runs: Sequence[Run]) -> str:
    """The same for the same rows only: a batch that was half written with other prices must not pass for this one."""
    digest = hashlib.sha256()
    for run in runs:
        digest.update(msgspec.json.encode([run.run_id, run.version, run.cost]))
    return f"reprice-{digest.hexdigest()}"
