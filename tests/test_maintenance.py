"""Rounds of maintenance on a real store."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from spanledger.config import load_config
from spanledger.errors import StoreUnavailable
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.admin import ClickHouseAdmin
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.retention import ProjectRetention
from spanledger.exporters.store import RunFilter
from spanledger.maintenance import Kept, Maintenance, MaintenanceSettings
from spanledger.mapping import Mapper
from spanledger.mapping.cost import PriceList
from spanledger.service import Service
from tests.exporters.ledger import Ledger
from tests.mapping.build import PROJECT, T0, agent, chat

SECOND = 1_000_000_000
PRICES = PriceList()


def maintenance(settings: ClickHouseSettings, *before: Kept, **changes: bool) -> Maintenance:
    kept = Kept(
        "clickhouse",
        lambda: ClickHouseStore(settings),
        lambda: ClickHouseExporter(settings),
        lambda: ClickHouseAdmin(settings),
    )
    return Maintenance(MaintenanceSettings(**changes), [*before, kept], PRICES, 600 * SECOND)


async def write_apart(ledger: Ledger) -> None:
    """An agent that repeats the usage of its call, and the call, which never met."""
    for piece in (agent(tokens=(56, 5), id=1), chat(id=2, parent=1)):
        await ledger.write(*Mapper(PRICES).add(PROJECT, [piece], T0))


async def tokens(ledger: Ledger) -> int | None:
    return (await ledger.store.totals(RunFilter(PROJECT))).input_tokens


async def test_a_round_resolves_what_is_settled(ledger: Ledger) -> None:
    await write_apart(ledger)
    rounds = maintenance(ledger.exporter.settings)

    await rounds.round(T0 + 300 * SECOND)
    assert await tokens(ledger) == 112
    await rounds.round(T0 + 3600 * SECOND)
    assert await tokens(ledger) == 56


async def test_a_round_keeps_projects_for_their_time(ledger: Ledger) -> None:
    await write_apart(ledger)
    retention = {PROJECT: ProjectRetention(runs_days=1)}
    rounds = maintenance(ledger.exporter.settings.model_copy(update={"retention": retention}))

    await rounds.round(T0 + 2 * 86_400 * SECOND)

    assert (await ledger.store.totals(RunFilter(PROJECT))).runs == 0


async def test_parts_can_be_switched_off(ledger: Ledger) -> None:
    await write_apart(ledger)
    retention = {PROJECT: ProjectRetention(runs_days=1)}
    settings = ledger.exporter.settings.model_copy(update={"retention": retention})

    await maintenance(settings, resolve=False, retention=False).round(T0 + 2 * 86_400 * SECOND)

    assert await tokens(ledger) == 112


async def test_a_store_that_is_away_holds_up_no_other(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    class Away(ClickHouseAdmin):
        async def start(self) -> None:
            raise StoreUnavailable("connect: refused")

    settings = ledger.exporter.settings
    away = Kept("away", lambda: ClickHouseStore(settings), lambda: ClickHouseExporter(settings), lambda: Away(settings))
    await write_apart(ledger)

    with caplog.at_level(logging.WARNING, "spanledger.maintenance"):
        await maintenance(settings, away).round(T0 + 3600 * SECOND)

    assert [record.message for record in caplog.records] == ["maintenance waits for its store"]
    assert await tokens(ledger) == 56


async def test_a_service_starts_and_stops_it(engine: str, tmp_path: Path) -> None:
    config = tmp_path / "spanledger.yaml"
    config.write_text(f"""\
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}}}
exporters: {{clickhouse: {{endpoint: '{engine}', database: maintained}}}}
extensions: {{maintenance: {{interval: 10m, lookback: 2h}}}}
service: {{extensions: [maintenance], pipelines: {{traces: {{receivers: [otlp], exporters: [clickhouse]}}}}}}
""")
    service = Service(load_config([str(config)], []))

    await service.start()
    running = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    await service.stop(1)

    assert "Maintenance._rounds" in running
    assert "Maintenance._rounds" not in {
        task.get_coro().__qualname__  # type: ignore[union-attr]
        for task in asyncio.all_tasks()
    }
