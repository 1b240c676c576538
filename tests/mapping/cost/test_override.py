"""Prices given by the user: what they cost, which one is chosen, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from spanledger.mapping.cost import Call, Override, PriceList
from spanledger.mapping.cost.rate_card import UNITS, Unit
from spanledger.model.records import Cost, Usage


def override(id_: str = "o", model: str = "m", **fields: Any) -> Override:
    fields.setdefault("rates", {"input": 1})
    return Override(id=id_, model=model, **fields)


def price(
    *overrides: Override,
    provider: str | None = "openai",
    model: str | None = "m",
    response: str | None = None,
    usage: Usage | None = None,
    at: datetime = datetime(2026, 6, 1, tzinfo=UTC),
    **rest: Any,
) -> Cost:
    usage = usage or Usage(input_tokens=1_000, output_tokens=0)
    at_ns = int(at.timestamp()) * 10**9
    return PriceList(overrides).cost(Call(provider, model, response, usage, at_ns, **rest))


def chosen(*overrides: Override, **call: Any) -> str | None:
    return price(*overrides, **call).price_ref


def test_every_bucket_may_have_its_rate() -> None:
    usage = Usage(
        input_tokens=10_000,
        output_tokens=1_000,
        cache_read_tokens=3_000,
        cache_write_tokens=2_000,
        cache_write_1h_tokens=500,
        input_audio_tokens=400,
        input_image_tokens=100,
        output_audio_tokens=200,
        reasoning_tokens=300,
    )
    rates = {
        "input": 1,
        "cache_read": "0.1",
        "cache_write": "1.25",
        "cache_write_1h": 2,
        "input_audio": 10,
        "input_image": 3,
        "output": 4,
        "output_audio": 20,
        "reasoning": 5,
    }
    cost = price(override(rates=rates, units={"requests": "0.001"}), usage=usage)

    assert cost.parts == {
        "input": Decimal("0.0045"),  # 10000 - 3000 - 2000 - 400 - 100
        "cache_read": Decimal("0.0003"),
        "cache_write": Decimal("0.001875"),  # 1500
        "cache_write_1h": Decimal("0.001"),
        "input_audio": Decimal("0.004"),
        "input_image": Decimal("0.0003"),
        "output": Decimal("0.002"),  # 1000 - 200 - 300
        "output_audio": Decimal("0.004"),
        "reasoning": Decimal("0.0015"),
        "requests": Decimal("0.001"),
    }
    assert (cost.total, cost.source) == (Decimal("0.020475"), "override")


def test_cache_and_image_without_rates_cost_as_input() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=0, cache_read_tokens=300, input_image_tokens=200)

    assert price(override(), usage=usage).total == Decimal("0.001")


def test_a_bucket_without_a_rate_makes_it_partial() -> None:
    cost = price(override(), usage=Usage(input_tokens=1_000, output_tokens=1_000))

    assert (cost.total, cost.source, cost.price_ref) == (Decimal("0.001"), "partial", "override o")


def test_a_price_per_request_needs_no_tokens() -> None:
    cost = price(override(rates={}, units={"requests": "0.02"}), usage=Usage())

    assert (cost.total, cost.source) == (Decimal("0.02"), "override")


def test_a_price_of_zero_is_an_override_too() -> None:
    cost = price(override(rates={"input": 0, "output": 0}))

    assert (cost.total, cost.source) == (Decimal(0), "override")


def test_rates_finer_than_a_pico_dollar_per_token_are_exact() -> None:
    cost = price(override(rates={"input": "0.0000005"}), usage=Usage(input_tokens=4_000_000, output_tokens=0))

    assert cost.total == Decimal("0.000002")


def test_batch_calls_are_multiplied() -> None:
    cost = price(override(batch_multiplier="0.5", units={"requests": "0.01"}), batch=True)

    assert cost.parts == {"input": Decimal("0.0005"), "requests": Decimal("0.005")}
    assert cost.price_ref == "override o (batch x0.5)"


def test_it_prices_an_azure_deployment_by_the_name_asked_for() -> None:
    own = override(model="our-.*", provider="azure.ai.openai")

    assert chosen(own, provider="azure.ai.openai", model="our-bot", response="gpt-4o-2024-08-06") == "override o"


def test_it_is_matched_against_the_model_that_answered_too() -> None:
    assert chosen(override(model="m-2026"), model="m", response="M-2026") == "override o"


def test_it_prices_what_is_free() -> None:
    own = override(model="llama.*")

    assert chosen(own, provider="ollama", model="llama3.1:8b") == "override o"


@pytest.mark.parametrize(
    ("named", "called", "applies"),
    [
        ("azure.ai.openai", "azure.ai.openai", True),
        ("Azure_AI_OpenAI", "azure.ai.openai", True),
        ("azure", "azure.ai.inference", True),
        ("gcp.vertex_ai", "gcp.gemini", False),
        ("google", "gcp.gemini", True),
        ("openai", None, False),
        ("my-gateway", "my-gateway", True),
    ],
)
def test_the_provider_named(named: str, called: str | None, applies: bool) -> None:
    assert (chosen(override(provider=named), provider=called) == "override o") is applies


@pytest.mark.parametrize(
    ("at", "applies"),
    [
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 1, 1, tzinfo=UTC), True),
        (datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 7, 1, tzinfo=UTC), False),
    ],
)
def test_it_holds_from_its_start_until_its_end(at: datetime, applies: bool) -> None:
    own = override(start="2026-01-01T00:00:00", end="2026-07-01T00:00:00Z")

    assert (chosen(own, at=at) == "override o") is applies


def test_the_highest_priority_is_chosen() -> None:
    low, high = override("low", provider="openai"), override("high", model=".*", priority=1)

    assert chosen(low, high) == "override high"


def test_then_the_one_that_names_the_provider() -> None:
    assert chosen(override("any", model="m"), override("named", model=".*", provider="openai")) == "override named"


def test_then_the_longest_literal_start() -> None:
    assert chosen(override("loose", model="m.*"), override("close", model="mini.*"), model="mini-1") == "override close"


def test_then_the_newest_start_that_has_come() -> None:
    old = override("old", start="2025-01-01T00:00:00")
    new = override("new", start="2026-01-01T00:00:00")
    future = override("future", start="2027-01-01T00:00:00")

    assert chosen(future, old, new) == "override new"


def test_one_that_cannot_price_the_call_leaves_it_to_the_next() -> None:
    by_output = override("by output", rates={"output": 1}, priority=1)

    assert chosen(by_output, override("by input"), type="embed") == "override by input"


def test_an_id_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="overrides share an id: 'twice'"):
        PriceList([override("twice"), override("twice", model="n")])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rates": {"inputs": 1}}, "Input should be 'input', 'cache_read', "),
        ({"rates": {"input": True}}, "expected a number"),
        ({"units": {"tokens": 1}}, "Input should be 'requests', 'web_searches', "),
        ({"rates": {}}, "needs rates or units"),
        ({"rates": {"input": -1}}, "greater than or equal to 0"),
        ({"rates": {"input": "NaN"}}, "finite number"),
        ({"rates": {"input": 10_000_000}}, "less than or equal to 1000000"),
        ({"start": "2026-02-01", "end": "2026-02-01"}, "end 2026-02-01 00:00:00\\+00:00 is not after start"),
        ({"start": 2026}, "expected a date or a time, such as 2026-01-01 or 2026-01-01T09:00:00Z"),
        ({"start": "tomorrow"}, "expected a date or a time"),
        ({"batch_multiplier": 11}, "less than or equal to 10"),
        ({"model": "("}, "missing \\) \\(at character 2\\)"),
        ({"model": "x" * 201}, "pattern has 201 characters, at most 200 are allowed"),
        ({"model": ""}, "at least 1 character"),
        ({"discount": 4}, "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_refused_with_its_reason(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        override(**fields)


def test_every_unit_that_is_counted_may_have_a_price() -> None:
    assert get_args(Unit) == tuple(UNITS)


def test_amounts_are_printed_as_numbers_that_lose_no_digit() -> None:
    rates = {"input": "2.50", "output": "8.00", "cache_read": "12345.123456789012"}

    shown = override(rates=rates, start="2026-01-01").model_dump(mode="json", exclude_unset=True)

    assert shown["rates"] == {"input": 2.5, "output": 8, "cache_read": "12345.123456789012"}
    assert shown["start"] == "2026-01-01T00:00:00Z"
    assert Override(**shown) == override(rates=rates, start="2026-01-01")
