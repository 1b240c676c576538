"""Views: sums of what counts, once, whatever was corrected or repeated."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from spanledger.exporters.clickhouse.views import VIEWS
from spanledger.model.records import Run, RunError, Usage
from tests.exporters.ledger import Ledger
from tests.exporters.records import PROJECT, make_run, priced

NOON = 1_780_315_200 * 10**9
"""2026-06-01T12:00:00Z"""
MS = 10**6


@pytest.fixture
async def used(ledger: Ledger) -> Ledger:
    """An agent that repeats the usage of its two calls, an error, a correction, and everything twice."""
    usage = Usage(input_tokens=20, output_tokens=4)
    agent = make_run(
        type="agent", name="desk", usage=usage, span_id="a1", started_at=NOON, ended_at=NOON + 9 * MS, user_id="ada"
    )
    facts: dict[str, Any] = {"provider": "openai", "user_id": "ada", "parent_run_id": agent.run_id, "name": "answer"}
    first = priced("0.25", started_at=NOON + 1, duration_ns=1000 * MS, ttft_ns=2 * MS, session_id="s", **facts)
    second = priced("1", started_at=NOON + 2, duration_ns=0, metadata={"variant_name": "v2"}, **facts)
    failed = make_run(
        started_at=NOON + 3, status="error", error=RunError(message="no"), duration_ns=1, billable=True, **facts
    )
    corrected = msgspec.structs.replace(second, version=2, cost=priced("0.5").cost)
    for runs in ([agent, first, second, failed], [corrected], [failed, second, first, agent]):
        await ledger.write(*runs)
    return ledger


async def rows(ledger: Ledger, view: str, columns: str) -> list[tuple[Any, ...]]:
    return await ledger.query(f"SELECT {columns} FROM {{db}}.{view} WHERE project_id = '{PROJECT}' ORDER BY ALL")


async def test_models_by_day(used: Ledger) -> None:
    columns = "day, provider, model, calls, calls_with_cost, errors, input_tokens, output_tokens, cost"
    assert await rows(used, "model_usage_daily", columns) == [
        (date(2026, 6, 1), "openai", "gpt-4o", 3, 2, 1, 20, 4, Decimal("0.75"))
    ]


async def test_users_by_day(used: Ledger) -> None:
    columns = "day, user_id, runs, calls, errors, input_tokens, cache_read_tokens, cost"
    assert await rows(used, "user_usage_daily", columns) == [
        (date(2026, 6, 1), "ada", 4, 3, 1, 20, None, Decimal("0.75"))
    ]


async def test_traces(used: Ledger) -> None:
    ((trace_id, name, type_, runs, session_id, cost, ended_at),) = await rows(
        used, "trace_summary", "trace_id, name, type, runs, session_id, cost, ended_at"
    )
    assert (len(trace_id), name, type_, runs, session_id, cost) == (32, "desk", "agent", 4, "s", Decimal("0.75"))
    assert ended_at == NOON + 9 * MS


async def test_statistics_of_functions_and_variants(used: Ledger) -> None:
    columns = "function_name, variant_name, function_type, toUnixTimestamp(minute), inference_count"
    assert await rows(used, "inference_by_function_statistics", columns) == [
        ("answer", "gpt-4o", "llm", NOON // 10**9, 2),
        ("answer", "v2", "llm", NOON // 10**9, 1),
    ]
    assert await rows(
        used, "variant_statistics", "variant_name, inference_count, total_input_tokens, total_cost, count_with_cost"
    ) == [("gpt-4o", 2, 10, Decimal("0.25"), 1), ("v2", 1, 10, Decimal("0.5"), 1)]


async def test_statistics_of_models(used: Ledger) -> None:
    columns = "model, provider, inference_count, error_count, total_output_tokens, total_cost"
    assert await rows(used, "model_provider_statistics", columns) == [("gpt-4o", "openai", 3, 1, 4, Decimal("0.75"))]


@pytest.mark.parametrize("unit", ["minute", "hour"])
async def test_latencies_of_what_succeeded(used: Ledger, unit: str) -> None:
    # 1000 ms: floor(log2(1000) * 64) = floor(637.83); 2 ms: 64.
    assert await rows(used, f"model_latency_histogram_{unit}", "metric, bucket_id, bucket_count") == [
        ("response_time_ms", -1, 1),
        ("response_time_ms", 637, 1),
        ("ttft_ms", 64, 1),
    ]


async def test_every_view_can_be_read_when_there_is_nothing(ledger: Ledger) -> None:
    for view in VIEWS:
        assert await ledger.query(f"SELECT * FROM {{db}}.{view}") == []


async def test_a_view_shows_a_run_that_moved_over_the_hour_once(ledger: Ledger) -> None:
    first: Run = priced("1", span_id="b1", started_at=NOON)
    await ledger.write(first)
    await ledger.write(msgspec.structs.replace(first, started_at=NOON - 1, version=2))

    assert await rows(ledger, "model_usage_daily", "calls, cost") == [(1, Decimal(1))]
