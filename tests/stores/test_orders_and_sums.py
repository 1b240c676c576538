"""Pages in any order, and everything that a chart shows, on runs of which some were written again."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from spanledger.exporters.breakdown import breakdown
from spanledger.exporters.store import By, RunFilter, Sort
from spanledger.model.records import Run, Usage
from tests.exporters.records import HOUR, PROJECT, priced, recent
from tests.stores.ledger import StoreLedger

LIMIT = 7


async def written_again(stored: StoreLedger, chance: random.Random) -> list[Run]:
    """Runs as the ledger shows them; what was written before some of them would stand elsewhere."""

    def facts() -> dict[str, Any]:
        tokens = chance.choice([None, Usage(output_tokens=chance.randrange(9)), Usage(input_tokens=1, output_tokens=3)])
        return {
            "started_at": recent(chance.randrange(40) * 3600),
            "duration_ns": chance.choice([None, *range(5)]),
            "usage": tokens,
            "model": chance.choice(["gpt-5", "claude", None]),
            "user_id": chance.choice(["ada", "bob", None]),
            "tags": chance.sample(["a", "b"], k=chance.randrange(3)),
            "status": chance.choice(["success", "error"]),
        }

    first = [priced(chance.choice(["1", "2", "3"]), **facts()) for _ in range(60)]
    again = [replace(run, version=2, **facts(), withdrawn=chance.random() < 0.2) for run in chance.sample(first, k=25)]
    await stored.write(*first)
    await stored.write(*again)
    shown = {run.run_id: run for run in (*first, *again)}
    return [run for run in shown.values() if not run.withdrawn]


def place(run: Run, sort: Sort) -> int | Decimal | None:
    usage = run.usage or Usage()
    tokens = [count for count in (usage.input_tokens, usage.output_tokens) if count is not None]
    places: dict[Sort, int | Decimal | None] = {
        Sort.STARTED: run.started_at,
        Sort.DURATION: run.duration_ns,
        Sort.TOKENS: sum(tokens) if tokens else None,
        Sort.COST: run.cost.total if run.cost else None,
    }
    return places[sort]


async def test_pages_in_any_order_hold_the_winning_versions(stored: StoreLedger) -> None:
    runs = await written_again(stored, random.Random(3))
    by_start = sorted(runs, key=lambda run: (run.started_at, run.run_id), reverse=True)

    for sort in Sort:
        known = [run for run in by_start if place(run, sort) is not None]
        unknown = [run.run_id for run in by_start if place(run, sort) is None]
        for descending in (True, False):
            expected = [
                run.run_id for run in sorted(known, key=lambda run: place(run, sort) or 0, reverse=descending)
            ] + unknown
            listed: list[str] = []
            for offset in range(0, len(runs) + LIMIT, LIMIT):
                page = await stored.store.sorted_runs(
                    RunFilter(PROJECT), sort, descending=descending, limit=LIMIT, offset=offset
                )
                listed += [run["run_id"] for run in page]
            assert listed == expected, (sort, descending)


async def test_a_breakdown_is_what_its_parts_are(stored: StoreLedger) -> None:
    runs = await written_again(stored, random.Random(4))

    for filter_ in (RunFilter(PROJECT), RunFilter(PROJECT, statuses=("error",), started_from=recent(30 * 3600))):
        for by in (None, By.MODEL, By.USER, By.TAG):
            for width in (None, 12 * HOUR):
                found = await stored.store.breakdown(filter_, by, width, 1)
                assert found == await breakdown(stored.store.groups, filter_, by, width, 1), (filter_, by, width)
    whole = (await stored.store.breakdown(RunFilter(PROJECT), By.MODEL, None, 5)).whole
    assert whole is not None
    assert whole.totals.runs == len(runs)


async def test_nothing_breaks_down_into_nothing(stored: StoreLedger) -> None:
    for by in (None, By.MODEL, By.TAG):
        found = await stored.store.breakdown(RunFilter("nobody"), by, HOUR, 5)
        assert (found.whole, found.groups, found.series) == (None, [], [])
