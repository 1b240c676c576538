"""Every recorded payload, through the mapping into both stores: the same rows come back from each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.exporters.base import WRITTEN
from spanledger.exporters.store import RunFilter, RunJson, RunStore
from spanledger.mapping import Mapper
from spanledger.mapping.cost import PriceList
from spanledger.model.records import Record
from tests.exporters.records import PROJECT
from tests.mapping.recordings import COLLECTION, KEPT, case_files, otlp_items
from tests.stores.ledger import StoreLedger

Stores = tuple[StoreLedger, StoreLedger]


def cases(folder: Path) -> list[Path]:
    """Folders with OTLP payloads; ingest events come by another way."""
    found = {path.parent for path in folder.rglob("*-1.pb")} | {path.parent for path in folder.rglob("*-1.json")}
    return sorted(path for path in found if not any(path.glob("ingest-*")))


def records_of(folders: list[Path]) -> Iterator[Record]:
    """The records of all requests, as they come: with parents that are late and runs in several versions."""
    prices = PriceList()
    for case in folders:
        mapper = Mapper(prices)
        for number, items in enumerate(otlp_items(case_files(case)), start=1):
            yield from mapper.add(PROJECT, items, number)


async def summaries(store: RunStore) -> list[RunJson]:
    """All runs, page by page."""
    found, after = [], None
    while True:
        page = await store.list_runs(RunFilter(PROJECT), 500, after)
        found += page.runs
        after = page.next
        if after is None:
            return found


async def compare(both: Stores, folders: list[Path], every: int) -> None:
    """Write everything to both, read everything from both; contents and scores of one run in `every`."""
    records = list(records_of(folders))
    for begin in range(0, len(records), 1000):
        for ledger in both:
            assert await ledger.write(*records[begin : begin + 1000]) == WRITTEN
    clickhouse, postgres = (ledger.store for ledger in both)
    runs = await summaries(postgres)
    assert runs == await summaries(clickhouse)
    assert await postgres.totals(RunFilter(PROJECT)) == await clickhouse.totals(RunFilter(PROJECT))
    for run_id in [run["run_id"] for run in runs][::every]:
        assert await postgres.get_run(PROJECT, run_id) == await clickhouse.get_run(PROJECT, run_id)
        assert await postgres.scores(PROJECT, run_id) == await clickhouse.scores(PROJECT, run_id)


async def test_the_kept_recordings_give_the_same_rows_in_both_stores(both: Stores) -> None:
    await compare(both, cases(KEPT), every=1)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not COLLECTION.is_dir(), reason="the collection of recorded payloads is not beside the repository")
async def test_the_whole_collection_gives_the_same_rows_in_both_stores(both: Stores) -> None:
    await compare(both, cases(COLLECTION), every=20)
