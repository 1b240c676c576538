"""A stored run holds everything that its price depends on."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from spanledger.mapping import Mapper
from spanledger.mapping.cost import PriceList
from spanledger.mapping.cost.price_list import ReportedPolicy
from spanledger.model.records import Run
from spanledger.reprice import priced, same_amounts
from tests.mapping.recordings import KEPT, case_files, otlp_items

CASES = sorted(path for path in KEPT.iterdir() if path.is_dir() and any(path.glob("traces-*")))


def as_stored(run: Run) -> Run:
    """Stores keep money to 1e-12 USD."""
    assert run.cost is not None
    reported = run.cost.reported
    rounded = None if reported is None else Decimal(round(reported * 10**12)).scaleb(-12)
    return msgspec.structs.replace(run, cost=msgspec.structs.replace(run.cost, reported=rounded))


@pytest.mark.parametrize("policy", get_args(ReportedPolicy))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_prices_give_the_same_cost(case: Path, policy: ReportedPolicy) -> None:
    prices = PriceList(reported=policy)
    mapper = Mapper(prices)
    records = [record for items in otlp_items(case_files(case)) for record in mapper.add("default", items)]

    runs = [record for record in records if isinstance(record, Run) and record.billable]

    assert [run.name for run in runs if not same_amounts(run.cost, priced(as_stored(run), prices))] == []
