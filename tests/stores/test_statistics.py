"""LSD's statistics as views: the same rows from both stores."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from spanledger.model.records import RunError
from tests.exporters.ledger import opened
from tests.exporters.records import PROJECT, make_run, priced
from tests.stores.ledger import StoreLedger

NOON = 1_780_315_200 * 10**9
"""2026-06-01T12:00:00Z"""
MS = 10**6
VIEWS = {
    "inference_by_function_statistics": "function_name, variant_name, function_type, {minute}, inference_count",
    "variant_statistics": "function_name, variant_name, {minute}, inference_count, total_input_tokens, "
    "total_output_tokens, total_cache_read_tokens, total_cache_write_tokens, {total_cost}, count_with_cost",
    "model_provider_statistics": "model, provider, {minute}, inference_count, error_count, total_input_tokens, "
    "total_output_tokens, {total_cost}, count_with_cost",
    "model_latency_histogram_minute": "model, provider, {minute}, metric, bucket_id, bucket_count",
    "model_latency_histogram_hour": "model, provider, {hour}, metric, bucket_id, bucket_count",
}
"""Columns, with times as seconds and money as text."""


async def rows(ledger: StoreLedger, view: str) -> list[tuple[Any, ...]]:
    columns = VIEWS[view]
    if ledger.kind == "clickhouse":
        forms = {name: f"toUnixTimestamp({name})" for name in ("minute", "hour")}
        select = columns.format(total_cost="toFloat64(total_cost)", **forms)
        sql = f"SELECT {select} FROM {ledger.settings.database}.{view} WHERE project_id = '{PROJECT}'"
        return sorted(await asyncio.to_thread(_asked, ledger, sql), key=str)
    forms = {name: f"extract(epoch FROM {name})::bigint" for name in ("minute", "hour")}
    select = columns.format(total_cost="total_cost::double precision", **forms)
    connection = await asyncpg.connect(f"{ledger.settings.endpoint}/{ledger.settings.database}", user="postgres")
    try:
        sql = f"SELECT {select} FROM spanledger.{view} WHERE project_id = '{PROJECT}'"
        return sorted((tuple(row) for row in await connection.fetch(sql)), key=str)
    finally:
        await connection.close()


def _asked(ledger: StoreLedger, sql: str) -> list[tuple[Any, ...]]:
    with opened(ledger.settings) as connection:
        return connection.query(sql)


@pytest.mark.parametrize("view", VIEWS)
async def test_both_stores_give_the_same_statistics(both: tuple[StoreLedger, StoreLedger], view: str) -> None:
    facts: dict[str, Any] = {"provider": "openai", "name": "answer"}
    runs = [
        priced("0.25", started_at=NOON + 1, duration_ns=1000 * MS, ttft_ns=2 * MS, **facts),
        priced("1", started_at=NOON + 2, duration_ns=0, metadata={"variant_name": "v2", "function_name": "f"}, **facts),
        *(
            priced("0.000000000001", started_at=NOON + 61 * 10**9, duration_ns=2**power * MS, **facts)
            for power in range(24)
        ),
        make_run(
            started_at=NOON + 3, status="error", error=RunError(message="no"), duration_ns=1, billable=True, **facts
        ),
        make_run(started_at=NOON + 4, provider=None, model=None, billable=True, duration_ns=3 * MS),
        make_run(started_at=NOON + 4, type="agent", billable=True, duration_ns=3 * MS),
    ]
    for ledger in both:
        await ledger.write(*runs)

    clickhouse, postgres = [await rows(ledger, view) for ledger in both]

    assert clickhouse == postgres
    assert len(clickhouse) >= 3
