"""What of a span its price depends on, and that a run remembers it: without, it could not be priced again."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spanledger.mapping import Mapper
from spanledger.mapping.cost import Override, PriceList
from spanledger.model.records import Cost, Run
from spanledger.model.span import Value
from tests.mapping.build import PROJECT, chat

LISTED = Decimal("0.00019")  # 56 × $2.5 and 5 × $10 per 1M tokens


def cost_of(attributes: dict[str, Value], prices: PriceList | None = None, provider: str = "openai") -> Cost:
    (run,) = Mapper(prices).add(PROJECT, [chat(attributes, provider=provider)])
    assert isinstance(run, Run)
    assert run.cost is not None
    return run.cost


@pytest.mark.parametrize(
    ("attributes", "tier"),
    [
        ({}, None),
        ({"openai.request.service_tier": "flex"}, "flex"),
        ({"openai.request.service_tier": "priority", "openai.response.service_tier": "default"}, "default"),
        ({"gen_ai.request.batch": True, "openai.response.service_tier": "flex"}, "batch"),
        ({"llm.invocation_parameters": '{"service_tier": "flex"}'}, "flex"),
    ],
)
def test_the_tier_that_was_priced_is_kept(attributes: dict[str, Value], tier: str | None) -> None:
    assert cost_of(attributes).service_tier == tier


def test_a_batch_call_has_its_price() -> None:
    halved = Override(
        id="o",
        model="gpt-4o",
        rates={"input": Decimal(2), "output": Decimal(8)},
        batch_multiplier=Decimal("0.5"),
    )

    assert cost_of({"gen_ai.request.batch": True}, PriceList([halved])).total == Decimal("0.000076")


@pytest.mark.parametrize(
    ("attributes", "billed"),
    [
        ({}, None),
        ({"gen_ai.usage.cost": 0.25}, False),
        ({"gen_ai.usage.total_cost": 0.25}, True),
    ],
)
def test_it_is_kept_whether_the_reporter_bills(attributes: dict[str, Value], billed: bool | None) -> None:
    assert cost_of(attributes).reported_billed is billed


@pytest.mark.parametrize(
    ("attributes", "provider", "total"),
    [
        ({"gen_ai.usage.cost": 0.25}, "openai", LISTED),
        ({"gen_ai.usage.total_cost": 0.25}, "openai", Decimal("0.25")),
        ({"gen_ai.usage.cost": 0.25}, "openrouter", Decimal("0.25")),
    ],
)
def test_with_billed_only_an_estimate_is_worth_less_than_the_price_list(
    attributes: dict[str, Value], provider: str, total: Decimal
) -> None:
    assert cost_of(attributes, PriceList(reported="billed_only"), provider=provider).total == total
