"""A search that ends its pages early finds what one that looks at everything finds."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.conditions import search
from spanledger.exporters.postgres.reader import PostgresStore
from spanledger.exporters.store import Cursor, Page, RunFilter, RunStore
from spanledger.model.records import Run
from tests.exporters.records import PROJECT, make_run, recent
from tests.stores.ledger import StoreLedger

WEEK = 7 * 86_400
LOOKED_AT = 8
WORD = "lighthouse"


@pytest.fixture
async def short_sighted(stored: StoreLedger) -> AsyncIterator[RunStore]:
    """A reader of the same ledger that looks at few runs for a page."""
    kind = ClickHouseStore if stored.kind == "clickhouse" else PostgresStore
    store: RunStore = kind(stored.settings, searched_rows=LOOKED_AT)
    await store.start()
    yield store
    await store.close()


def some_runs(chance: random.Random) -> list[Run]:
    """Sixty runs of half a year: many in some weeks, none in others; the oldest ones are found."""
    weeks = [chance.choice([0, 0, 1, 2, 9, 25]) for _ in range(60)]
    return [
        make_run(
            started_at=recent(week * WEEK + chance.randrange(5) * 3600),
            name=WORD if week == 25 or chance.random() < 0.1 else "else",
            user_id=chance.choice(["ada", None]),
        )
        for week in weeks
    ]


async def pages(store: RunStore, filter_: RunFilter, limit: int) -> list[Page]:
    found, after = [], None
    while True:
        page = await store.list_runs(filter_, limit, after, bounded=True)
        found.append(page)
        if page.next is None:
            return found
        after = Cursor.decode(page.next.encode())


@pytest.mark.parametrize("user", [(), ("ada",)])
async def test_all_pages_together_hold_what_matches(
    stored: StoreLedger, short_sighted: RunStore, user: tuple[str, ...]
) -> None:
    runs = some_runs(random.Random(5))
    await stored.write(*runs)
    filter_ = RunFilter(PROJECT, users=user, where=search(WORD))
    matching = [run for run in runs if run.name == WORD and (not user or run.user_id in user)]
    expected = sorted(matching, key=lambda run: (run.started_at, run.run_id), reverse=True)

    for limit in (1, 3, 500):
        found = await pages(short_sighted, filter_, limit)
        assert [run["run_id"] for page in found for run in page.runs] == [run.run_id for run in expected]
        assert max(len(page.runs) for page in found) <= limit
    assert user or len(found) > 1  # the last ones could hold everything


async def test_runs_that_arrive_meanwhile_move_no_page(stored: StoreLedger, short_sighted: RunStore) -> None:
    runs = some_runs(random.Random(6))
    await stored.write(*runs)
    filter_ = RunFilter(PROJECT, where=search(WORD))

    met: list[str] = []
    after = None
    while True:
        page = await short_sighted.list_runs(filter_, 2, after, bounded=True)
        met += [run["run_id"] for run in page.runs]
        await stored.write(make_run(name=WORD, started_at=recent(-60)), make_run(name="else", started_at=recent(-61)))
        if page.next is None:
            break
        after = page.next

    assert sorted(met) == sorted(run.run_id for run in runs if run.name == WORD)


async def test_a_search_that_finds_nothing_ends(stored: StoreLedger, short_sighted: RunStore) -> None:
    await stored.write(*some_runs(random.Random(7)))

    found = await pages(short_sighted, RunFilter(PROJECT, where=search("nowhere")), 50)

    assert not any(page.runs for page in found)
    assert 1 < len(found) < 20


async def test_within_a_time_it_ends_where_the_time_begins(stored: StoreLedger, short_sighted: RunStore) -> None:
    await stored.write(*some_runs(random.Random(8)))
    begin = recent(3 * WEEK)

    found = await pages(short_sighted, RunFilter(PROJECT, started_from=begin, where=search("else")), 50)

    assert found[-1].next is None
    whole = await stored.listed(started_from=begin, where=search("else"))
    assert [run for page in found for run in page.runs] == whole


@pytest.mark.parametrize("at", [-1, -(10**30), 10**30])
async def test_behind_a_place_that_no_page_gave_there_is_nothing(short_sighted: RunStore, at: int) -> None:
    for bounded in (True, False):
        page = await short_sighted.list_runs(RunFilter(PROJECT), 5, Cursor(at, "x"), bounded=bounded)
        assert (page.runs, page.next) == ([], None)
