"""The queries of docs/stores.md, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from spanledger.exporters.clickhouse.views import VIEWS
from spanledger.exporters.schema import TABLES
from tests.exporters.ledger import Ledger
from tests.exporters.records import priced

PAGE = (Path(__file__).parents[2] / "docs" / "stores.md").read_text()


async def test_every_query_of_the_page_finds_what_there_is(ledger: Ledger) -> None:
    noon = 1_780_315_200 * 10**9  # 2026-06-01
    now: dict[str, Any] = {"started_at": noon, "ended_at": noon + 2 * 10**9, "duration_ns": 2 * 10**9}
    await ledger.write(priced("0.5", provider="openai", user_id="ada", **now))
    queries = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)

    assert len(queries) == 5
    for query in queries:
        rows = await ledger.query(query.replace("spanledger.", "{db}.").replace("today()", "toDate('2026-06-01')"))
        assert len(rows) == 1, query


def test_the_page_names_every_table_and_view() -> None:
    assert [name for name in (*(table.name for table in TABLES), *VIEWS) if f"`{name}`" not in PAGE] == []
