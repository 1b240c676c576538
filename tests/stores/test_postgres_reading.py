"""Short ways of the reader of Postgres give what the long ones do."""

from __future__ import annotations

import random

import pytest

from spanledger.exporters.conditions import Compare, Op
from spanledger.exporters.postgres import reader
from spanledger.exporters.store import By, Grouping, GroupSort, RunFilter, Sort
from spanledger.model.records import Usage
from tests.exporters.records import PROJECT, make_run, priced, recent
from tests.stores.ledger import StoreLedger, open_ledger
from tests.stores.postgres import Server, make_postgres_settings

EVERY = Compare("run_id", Op.EXISTS)


@pytest.fixture
async def ledger(postgres: Server) -> StoreLedger:
    return open_ledger("postgres", await make_postgres_settings(postgres))


@pytest.mark.parametrize("by", [By.USER, By.SESSION])
@pytest.mark.parametrize("limit", [1, 3, 6])
async def test_the_newest_people_are_found_in_the_newest_runs(
    ledger: StoreLedger, monkeypatch: pytest.MonkeyPatch, by: By, limit: int
) -> None:
    monkeypatch.setattr(reader, "_NEWEST", 20)
    chance = random.Random(limit)
    at = recent(1)
    await ledger.start()
    await ledger.write(
        *(
            make_run(
                user_id=chance.choice([None, "ada", "bob", "cy", "dan", "eve", "fay"]),
                session_id=chance.choice([None, "s1", "s2", "s3", "s4", "s5", "s6"]),
                started_at=at - chance.randrange(30),  # many at the same time
                type=chance.choice(["llm", "tool"]),
            )
            for _ in range(120)
        )
    )
    grouping = Grouping(by, sort=GroupSort.LAST, descending=True, limit=limit)

    for types in ((), ("llm",)):
        short = await ledger.store.groups(RunFilter(PROJECT, types=types), grouping)
        assert len(short) == limit
        assert short == await ledger.store.groups(RunFilter(PROJECT, types=types, where=EVERY), grouping)
    await ledger.close()


async def test_quantiles_are_of_the_groups_that_are_shown(ledger: StoreLedger) -> None:
    await ledger.start()
    await ledger.write(
        *(
            priced(str(cost), user_id=user, duration_ns=took)
            for user, cost, took in (("ada", 1, 10), ("ada", 1, 20), ("bob", 3, 30), ("cy", 1, 40))
        )
    )

    found = await ledger.store.groups(
        RunFilter(PROJECT), Grouping(By.USER, sort=GroupSort.COST, descending=True, limit=1, offset=1, latency=True)
    )

    assert [(group.key, group.duration_ns[0]) for group in found] == [("ada", 15)]
    await ledger.close()


@pytest.mark.parametrize(
    ("sort", "fact"), [(Sort.COST, "cost"), (Sort.DURATION, "duration_ns"), (Sort.TOKENS, "usage")]
)
async def test_the_first_of_an_order_are_followed_by_those_without_the_fact(
    ledger: StoreLedger, sort: Sort, fact: str
) -> None:
    await ledger.start()
    await ledger.write(
        *(
            priced(number, name=name, duration_ns=int(number), usage=Usage(output_tokens=int(number)))
            for number, name in (("1", "a"), ("3", "b"), ("2", "c"))
        ),
        priced("9", name="?", **{"duration_ns": 9, "usage": Usage(output_tokens=9)} | {fact: None}),
    )

    async def names(limit: int, offset: int = 0) -> str:
        runs = await ledger.store.sorted_runs(RunFilter(PROJECT), sort, limit=limit, offset=offset)
        return "".join(run["name"] for run in runs)

    assert [await names(2), await names(9), await names(2, 2)] == ["bc", "bca?", "a?"]
    await ledger.close()
