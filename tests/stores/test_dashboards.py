"""The SQL of the Grafana dashboards, run against both stores filled with recordings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from spanledger.exporters.postgres.connection import Pool
from spanledger.model.records import RunError
from tests.e2e.applications import ROOT
from tests.exporters.ledger import opened
from tests.exporters.records import PROJECT, make_run
from tests.mapping.recordings import KEPT
from tests.stores.ledger import StoreLedger
from tests.stores.test_corpus import cases, records_of

FILES = sorted((ROOT / "helm/spanledger/dashboards").glob("ledger-*.json"))
_EPOCH, _FUTURE = 0, 4_000_000_000
MACROS = {
    "clickhouse": [
        (r"\$__timeFilter\((\w+)\)", rf"\1 >= toDateTime({_EPOCH}) AND \1 <= toDateTime({_FUTURE})"),
        (r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 3600 second)"),
    ],
    "postgres": [
        (r"\$__unixEpochNanoFilter\((\w+)\)", rf"\1 >= {_EPOCH}000000000 AND \1 <= {_FUTURE}000000000"),
        (r"\$__unixEpochGroup\(([^,]+), \$__interval\)", r"floor((\1)/3600)*3600"),
    ],
}
"""What the data source plugins of Grafana make of their macros."""


def statement(kind: str, sql: str, database: str, models: list[str]) -> str:
    for pattern, replacement in MACROS[kind]:
        sql = re.sub(pattern, replacement, sql)
    quoted = ", ".join("'" + model.replace("'", "''") + "'" for model in models)
    sql = sql.replace("${project}", PROJECT).replace("${model:sqlstring}", quoted or "''")
    assert "$" not in sql, sql
    return sql.replace("spanledger.", f"{database}.") if kind == "clickhouse" else sql


@pytest.fixture
async def filled(stored: StoreLedger) -> StoreLedger:
    failed = make_run(status="error", error=RunError(type="rate_limit"))
    await stored.write(*records_of(cases(KEPT)), failed)
    return stored


async def rows(ledger: StoreLedger, sql: str) -> list[tuple[Any, ...]]:
    if ledger.kind == "postgres":
        pool = Pool(ledger.settings, size=1, timeout=30)
        await pool.open()
        try:
            async with pool.connection("dashboards") as connection:
                return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await pool.close()
    with opened(ledger.settings) as connection:
        return list(connection.query(sql))


def test_the_files_are_what_their_script_writes() -> None:
    subprocess.run([sys.executable, str(ROOT / "helm/make_dashboards.py"), "--check"], check=True)
    # beside the health of spanledger itself, which tests/telemetry looks at
    assert [path.name for path in FILES] == ["ledger-clickhouse.json", "ledger-postgres.json"]


async def test_every_panel_gets_an_answer(filled: StoreLedger) -> None:
    (file,) = [path for path in FILES if filled.kind in path.name]
    board = json.loads(file.read_text())
    database = filled.settings.database
    models = [
        row[0]
        for variable in board["templating"]["list"]
        if variable["name"] == "model"
        for row in await rows(filled, statement(filled.kind, variable["query"], database, []))
    ]
    assert "gpt-4o-mini" in " ".join(models)
    empty = []
    for panel in board["panels"]:
        sql = statement(filled.kind, panel["targets"][0]["rawSql"], database, models)
        found = await rows(filled, sql)
        if not found:
            empty.append(panel["title"])
    assert empty == []
