"""Whose number is the cost of a call."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import pytest

from spanledger.mapping.cost import Call, Override, PriceList
from spanledger.model.records import Usage

PRICES = PriceList()
LISTED = Decimal("0.0035")  # 1000 input tokens at $2.5 and 100 output tokens at $10 per 1M
CHEAP = Override(id="contract", model="gpt-4o", rates={"input": Decimal(1), "output": Decimal(2)})
CONTRACT = Decimal("0.0012")


def call(model: str | None = "gpt-4o", **rest: Any) -> Call:
    rest.setdefault("usage", Usage(input_tokens=1_000, output_tokens=100))
    return Call(provider="openai", request_model=model, model=None, at_ns=0, **rest)


def test_the_list_prices_what_nobody_else_does() -> None:
    cost = PRICES.cost(call())

    assert (cost.total, cost.source, cost.reported, cost.computed) == (LISTED, "priced", None, LISTED)
    assert cost.price_ref == "genai-prices 0.2.3 openai/gpt-4o"


def test_a_reported_cost_wins_and_the_computed_one_is_kept() -> None:
    cost = PRICES.cost(call(reported=Decimal("0.004")))

    assert (cost.total, cost.source) == (Decimal("0.004"), "reported")
    assert cost.parts == {"reported": Decimal("0.004")}
    assert (cost.reported, cost.computed) == (Decimal("0.004"), LISTED)


def test_an_override_wins_over_a_reported_cost() -> None:
    cost = PriceList([CHEAP]).cost(call(reported=Decimal("0.004"), reported_billed=True))

    assert (cost.total, cost.source, cost.price_ref) == (CONTRACT, "override", "override contract")
    assert (cost.reported, cost.computed) == (Decimal("0.004"), LISTED)


def test_an_answer_from_a_cache_costs_nothing_whatever_else_is_known() -> None:
    cost = PriceList([CHEAP]).cost(call(reported=Decimal("0.004"), cached=True))

    assert (cost.total, cost.parts, cost.source) == (Decimal(0), {}, "cached")
    assert (cost.reported, cost.computed) == (Decimal("0.004"), LISTED)


def test_a_reported_cost_is_enough_where_nothing_else_is_known() -> None:
    cost = PRICES.cost(call(None, usage=None, reported=Decimal("0.004")))

    assert (cost.total, cost.source, cost.computed) == (Decimal("0.004"), "reported", None)


@pytest.mark.parametrize("amount", ["-0.004", "NaN", "sNaN", "Infinity", "100000.01", "1E+999999"])
def test_an_impossible_reported_cost_is_dropped(amount: str) -> None:
    cost = PRICES.cost(call(reported=Decimal(amount)))

    assert (cost.total, cost.source, cost.reported) == (LISTED, "priced", None)


def test_zero_from_an_instrumentation_means_unknown() -> None:
    cost = PRICES.cost(call(reported=Decimal(0)))

    assert (cost.total, cost.source, cost.reported) == (LISTED, "priced", Decimal(0))


def test_zero_from_one_who_bills_is_zero() -> None:
    cost = PRICES.cost(call(reported=Decimal(0), reported_billed=True))

    assert (cost.total, cost.source) == (Decimal(0), "reported")


def test_a_reported_cost_is_rounded_to_what_stores_keep() -> None:
    cost = PRICES.cost(call(reported=Decimal("0.00410000000000000003")))

    assert str(cost.total) == "0.004100000000"
    assert cost.reported == Decimal("0.00410000000000000003")


@pytest.mark.parametrize(
    ("policy", "billed", "source"),
    [
        ("reported", False, "reported"),
        ("reported", True, "reported"),
        ("billed_only", False, "priced"),
        ("billed_only", True, "reported"),
        ("computed", False, "priced"),
        ("computed", True, "priced"),
    ],
)
def test_the_policy_says_what_a_reported_cost_is_worth(
    policy: Literal["reported", "billed_only", "computed"], billed: bool, source: str
) -> None:
    cost = PriceList(reported=policy).cost(call(reported=Decimal("0.004"), reported_billed=billed))

    assert cost.source == source
    assert cost.reported == Decimal("0.004")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("computed", (Decimal("0.004"), "reported")), ("billed_only", (None, "unknown_model"))],
)
def test_where_the_list_has_no_price(
    policy: Literal["reported", "billed_only", "computed"], expected: tuple[Decimal | None, str]
) -> None:
    cost = PriceList(reported=policy).cost(call("gpt-99", reported=Decimal("0.004")))

    assert (cost.total, cost.source) == expected


def test_an_unknown_model_has_no_cost_rather_than_zero() -> None:
    cost = PRICES.cost(call("gpt-99"))

    assert (cost.total, cost.parts, cost.source, cost.price_ref) == (None, {}, "unknown_model", None)


@pytest.mark.parametrize(
    "usage",
    [None, Usage(), Usage(input_tokens=-1, output_tokens=5), Usage(input_tokens=10**15, output_tokens=5)],
    ids=["none", "empty", "negative", "absurd"],
)
def test_usage_that_cannot_be_priced(usage: Usage | None) -> None:
    cost = PRICES.cost(call(usage=usage))

    assert (cost.total, cost.source) == (None, "unknown_usage")


def test_no_usage_is_named_before_an_unknown_model() -> None:
    assert PRICES.cost(call("gpt-99", usage=None)).source == "unknown_usage"


def test_what_is_free_needs_no_usage() -> None:
    cost = PRICES.cost(Call("ollama", "llama3.1:8b", None, None, 0))

    assert (cost.total, cost.source, cost.price_ref) == (Decimal(0), "free", "local (ollama)")


def test_a_bill_from_a_gateway_wins_over_free() -> None:
    cost = PRICES.cost(Call("ollama", "llama3", None, None, 0, reported=Decimal("0.1"), reported_billed=True))

    assert (cost.total, cost.source, cost.computed) == (Decimal("0.1"), "reported", Decimal(0))


@pytest.mark.parametrize(
    ("provider", "model", "at", "rest", "reference"),
    [
        ("openai", "o3", 1_750_000_000, {}, "openai/o3 (from 2025-06-10)"),
        ("deepseek", "deepseek-chat", 1_750_000_000, {}, "deepseek/deepseek-chat (00:30-16:30 UTC)"),
        ("openai", "gpt-4o", 1_793_000_000, {"batch": True}, "openai/gpt-4o (batch)"),
        ("openai", "gpt-4o", 1_793_000_000, {"service_tier": "flex"}, "openai/gpt-4o (flex not listed)"),
        ("azure.ai.openai", "gpt-4o", 0, {}, "openai/gpt-4o (for azure)"),
        ("azure.ai.openai", "gpt-4o", 0, {"batch": True}, "openai/gpt-4o (for azure, batch not listed)"),
        ("openai", "ft:gpt-4.1-2025-04-14:a::b", 0, {}, "openai/gpt-4.1 (base of a fine-tune)"),
    ],
)
def test_the_reference_says_which_price_it_was(
    provider: str, model: str, at: int, rest: dict[str, Any], reference: str
) -> None:
    usage = Usage(input_tokens=1, output_tokens=1)
    cost = PRICES.cost(Call(provider, model, None, usage, at * 10**9, **rest))

    assert cost.price_ref == f"genai-prices 0.2.3 {reference}"


def test_the_reference_names_the_context_tier() -> None:
    cost = PRICES.cost(call("gpt-5.4", usage=Usage(input_tokens=300_000, output_tokens=1)))

    assert cost.price_ref == "genai-prices 0.2.3 openai/gpt-5.4 >272000 input"
