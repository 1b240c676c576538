"""What holds for every call: it has a cost or a reason, and the memory for it is bounded."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest
from genai_prices import Usage as ListUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, TieredPrices
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.mapping.cost import Call, Override, PriceList
from spanledger.mapping.cost.catalog import IGNORED_PRICES, TOKEN_PRICES, UNIT_PRICES
from spanledger.mapping.cost.price_list import CACHED_NAMES
from spanledger.model.records import Usage

OWN = Override(id="own", model="own-.*", rates={"input": Decimal("0.7"), "output": Decimal(3)})
PRICES = PriceList([OWN])

PROVIDERS = st.one_of(
    st.none(),
    st.sampled_from(["openai", "anthropic", "aws.bedrock", "gcp.vertex_ai", "azure.ai.openai", "openrouter", "ollama"]),
    st.text(max_size=20),
)
MODELS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "gpt-4o",
            "gpt-5.4",
            "gpt-4o-realtime-preview",
            "claude-sonnet-4-5",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "gemini-2.5-pro",
            "sonar-deep-research",
            "google/gemini-3-flash-preview",
            "whisper-1",
            "own-model",
        ]
    ),
    st.text(max_size=300),
)
COUNTS = st.one_of(st.none(), st.integers(0, 400_000), st.integers(-(2**70), 2**70))
USAGES = st.one_of(
    st.none(),
    st.builds(
        Usage,
        input_tokens=COUNTS,
        output_tokens=COUNTS,
        cache_read_tokens=COUNTS,
        cache_write_tokens=COUNTS,
        cache_write_1h_tokens=COUNTS,
        reasoning_tokens=COUNTS,
        input_audio_tokens=COUNTS,
        output_audio_tokens=COUNTS,
        cache_audio_read_tokens=COUNTS,
        input_image_tokens=COUNTS,
    ),
)
EXTRA = st.dictionaries(
    st.one_of(
        st.sampled_from(["requests", "web_searches", "audio_seconds", "output_image_tokens", "citation_tokens"]),
        st.text(max_size=8),
    ),
    st.one_of(st.integers(), st.floats()),
    max_size=3,
)
CALLS = st.builds(
    Call,
    provider=PROVIDERS,
    request_model=MODELS,
    model=MODELS,
    usage=USAGES,
    at_ns=st.integers(-(2**70), 2**70),
    service_tier=st.one_of(st.none(), st.sampled_from(["flex", "priority", "batch", "fast"]), st.text(max_size=8)),
    batch=st.booleans(),
    reported=st.one_of(st.none(), st.decimals()),
    reported_billed=st.booleans(),
    cached=st.booleans(),
    type=st.sampled_from(["llm", "embed", "rerank"]),
    counts=st.one_of(st.none(), EXTRA),
)


@settings(deadline=None, max_examples=500)
@given(CALLS)
def test_every_call_has_a_cost_that_adds_up_or_a_reason(call: Call) -> None:
    cost = PRICES.cost(call)

    with localcontext(prec=60):
        if cost.total is None:
            assert cost.source in ("unknown_model", "unknown_usage")
            assert cost.parts == {}
        else:
            assert cost.source in ("cached", "override", "reported", "priced", "partial", "free")
            assert 0 <= cost.total <= 100_000
            assert cost.total == sum(cost.parts.values())
            assert all(part >= 0 for part in cost.parts.values())
            assert cost.total == round(cost.total, 12)
    assert cost.computed is None or cost.computed >= 0
    assert cost.reported is None or 0 <= cost.reported <= 100_000


@settings(deadline=None, max_examples=300)
@given(
    MODELS,
    st.builds(
        Usage,
        input_tokens=st.integers(0, 400_000),
        cache_read_tokens=st.integers(0, 1_000),
        output_audio_tokens=st.integers(0, 1_000),
        reasoning_tokens=st.integers(0, 1_000),
    ),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_more_output_never_costs_less(model: str | None, usage: Usage, less: int, more: int) -> None:
    totals = []
    for output in (less, less + more):
        usage.output_tokens = output
        total = PRICES.cost(Call("openai", model, None, usage, 0)).total
        if total is None:
            return
        totals.append(total)

    assert totals[0] <= totals[1]


def test_the_programs_decimal_context_does_not_change_a_cost() -> None:
    usage = Usage(input_tokens=123_456_789, output_tokens=98_765_432)
    with localcontext(prec=3):
        cost = PRICES.cost(Call("openai", "gpt-4o", None, usage, 0))

    assert cost.total == Decimal("1296.296292500000")  # 308.6419725 + 987.65432 - 0


@pytest.mark.timeout(120)
def test_a_hundred_thousand_hostile_names_leave_a_bounded_memory() -> None:
    prices = PriceList()
    usage = Usage(input_tokens=10, output_tokens=1)

    def attack(numbers: range) -> None:
        for number in numbers:
            prices.cost(Call("openai", f"hostile-{number:0200}", None, usage, 0))

    attack(range(CACHED_NAMES))
    tracemalloc.start()
    try:
        attack(range(CACHED_NAMES, 2 * CACHED_NAMES))  # the cache now holds only what is traced
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        attack(range(2 * CACHED_NAMES, 100_000 - CACHED_NAMES))
        tracemalloc.start()
        attack(range(100_000 - CACHED_NAMES, 100_000))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after < before * 1.1
    snapshot = get_snapshot()
    assert not snapshot._lookup_cache
    assert not snapshot._provider_cache
    assert not snapshot._provider_misses


def listed_models() -> list[tuple[Any, ModelInfo]]:
    return [(provider, model) for provider in get_snapshot().providers for model in provider.models]


def prices_of(model: ModelInfo) -> list[ModelPrice]:
    standard = model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]
    return [price.prices for price in standard] + [variant.prices for variant in model.price_variants or []]


def test_every_kind_of_price_in_the_list_is_known() -> None:
    known = {*TOKEN_PRICES, *UNIT_PRICES, *IGNORED_PRICES}
    used = {key for _, model in listed_models() for price in prices_of(model) for key in vars(price)}

    assert used <= known


def test_only_tokens_are_priced_by_context_tier() -> None:
    tiered = {
        key
        for _, model in listed_models()
        for price in prices_of(model)
        for key, value in vars(price).items()
        if isinstance(value, TieredPrices)
    }

    assert tiered <= set(TOKEN_PRICES)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("at", [datetime(2025, 6, 9, 3, tzinfo=UTC), datetime(2026, 11, 1, 12, tzinfo=UTC)])
def test_the_list_s_own_arithmetic_gives_the_same(at: datetime, batch: bool) -> None:
    """Independent check: genai-prices' calculation on each provider's own models, where it is found by its own id."""
    prices = PriceList()
    usage = Usage(
        input_tokens=210_001,
        output_tokens=1_234,
        cache_read_tokens=100_000,
        cache_write_tokens=5_000,
        cache_write_1h_tokens=1_000,
    )
    own = ListUsage(
        input_tokens=210_001,
        output_tokens=1_234,
        cache_read_tokens=100_000,
        cache_write_tokens=5_000,
        cache_write_1h_tokens=1_000,
    )
    context = {"processing": "batch"} if batch else None
    compared = 0
    for provider, model in listed_models():
        cost = prices.cost(Call(provider.id, model.id, None, usage, int(at.timestamp()) * 10**9, batch=batch))
        if cost.source != "priced" or f"{provider.id}/{model.id}" != (cost.price_ref or "").split(" ")[2]:
            continue
        expected = model.calc_price(own, provider, genai_request_timestamp=at, price_context=context).total_price
        assert cost.total is not None
        assert abs(cost.total - expected) < Decimal("1E-11"), cost.price_ref
        compared += 1

    assert compared > 1_000
