"""What one call costs, written out: bucket → (tokens, USD per 1M tokens), and the total by hand.

The rates are those of genai-prices 0.2.3, which constraints.txt pins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from spanledger.mapping.cost import Call, PriceList
from spanledger.model.records import Usage

PRICES = PriceList()
NOVEMBER_2026 = "2026-11-01T12:00"


def nanoseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()) * 10**9


@dataclass
class Golden:
    provider: str | None
    model: str
    usage: Usage
    parts: dict[str, tuple[int, str]]
    total: str
    source: str = "priced"
    at: str = NOVEMBER_2026
    call: dict[str, Any] = field(default_factory=dict)


def tokens(input_tokens: int | None = None, output_tokens: int | None = None, **subsets: int) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, **subsets)  # type: ignore[arg-type]


GOLDENS = {
    # OpenAI
    "plain": Golden(
        "openai", "gpt-4o", tokens(1_000, 100), {"input": (1_000, "2.5"), "output": (100, "10")}, "0.0035"
    ),
    "one token at a fraction of a nano-dollar": Golden(
        "aws.bedrock", "amazon.nova-micro-v1:0", tokens(1, 0), {"input": (1, "0.035")}, "0.000000035"
    ),
    "cache read is inside the input": Golden(
        "openai",
        "gpt-4o",
        tokens(10_000, 500, cache_read_tokens=8_000),
        {"input": (2_000, "2.5"), "cache_read": (8_000, "1.25"), "output": (500, "10")},
        "0.02",  # 0.005 + 0.01 + 0.005
    ),
    "everything cached": Golden(
        "openai", "gpt-4o", tokens(1_000, 0, cache_read_tokens=1_000), {"cache_read": (1_000, "1.25")}, "0.00125"
    ),
    "reasoning is inside the output": Golden(
        "openai",
        "o4-mini",
        tokens(1_000, 3_000, reasoning_tokens=2_800),
        {"input": (1_000, "1.1"), "output": (3_000, "4.4")},
        "0.0143",  # 0.0011 + 0.0132
    ),
    "cache write without a rate costs as input": Golden(
        "openai",
        "gpt-4o",
        tokens(1_000, 0, cache_write_tokens=400),
        {"input": (600, "2.5"), "cache_write": (400, "2.5")},
        "0.0025",
    ),
    "realtime audio": Golden(
        "openai",
        "gpt-4o-realtime-preview",
        tokens(1_000, 600, input_audio_tokens=700, output_audio_tokens=500),
        {
            "input": (300, "5"),
            "input_audio": (700, "40"),
            "output": (100, "20"),
            "output_audio": (500, "80"),
        },
        "0.0715",  # 0.0015 + 0.028 + 0.002 + 0.04
    ),
    "realtime cached audio and text": Golden(
        "openai",
        "gpt-4o-realtime-preview",
        tokens(1_000, 0, input_audio_tokens=700, cache_read_tokens=600, cache_audio_read_tokens=500),
        {
            "input": (200, "5"),  # 1000 - 600 cached - 700 audio + 500 counted in both
            "cache_read": (100, "2.5"),
            "input_audio": (200, "40"),
            "cache_audio_read": (500, "2.5"),
        },
        "0.0105",  # 0.001 + 0.00025 + 0.008 + 0.00125
    ),
    "cached audio not given is the smallest possible overlap": Golden(
        "openai",
        "gpt-4o-realtime-preview",
        tokens(1_000, 0, input_audio_tokens=700, cache_read_tokens=600),
        {"cache_read": (300, "2.5"), "input_audio": (400, "40"), "cache_audio_read": (300, "2.5")},
        "0.0175",  # 0.00075 + 0.016 + 0.00075
    ),
    "audio at a model without an audio rate is not text": Golden(
        "openai",
        "gpt-4o-audio-preview",
        tokens(1_000, 100, input_audio_tokens=600),
        {"input": (400, "2.5"), "output": (100, "10")},
        "0.002",
        source="partial",
    ),
    "image tokens at their own rate": Golden(
        "openai",
        "gpt-image-1",
        tokens(500, 1_000, input_image_tokens=300),
        {"input": (200, "5"), "input_image": (300, "10"), "output": (1_000, "40")},
        "0.044",  # 0.001 + 0.003 + 0.04
    ),
    "image tokens without one are text": Golden(
        "openai",
        "gpt-4o",
        tokens(500, 0, input_image_tokens=300),
        {"input": (200, "2.5"), "input_image": (300, "2.5")},
        "0.00125",
    ),
    "image tokens that were cached are not counted twice": Golden(
        "openai",
        "gpt-image-1",
        tokens(500, 0, input_image_tokens=300, cache_read_tokens=400),
        {"cache_read": (400, "1.25"), "input_image": (100, "10")},
        "0.0015",
    ),
    "context tier, last token below": Golden(
        "openai",
        "gpt-5.4",
        tokens(272_000, 1_000),
        {"input": (272_000, "2.5"), "output": (1_000, "15")},
        "0.695",  # 0.68 + 0.015
    ),
    "context tier, one token above: all at the higher rate": Golden(
        "openai",
        "gpt-5.4",
        tokens(272_001, 1_000),
        {"input": (272_001, "5"), "output": (1_000, "22.5")},
        "1.382505",  # 1.360005 + 0.0225
    ),
    "flex tier": Golden(
        "openai",
        "gpt-5",
        tokens(1_000, 100),
        {"input": (1_000, "0.625"), "output": (100, "5")},
        "0.001125",
        call={"service_tier": "flex"},
    ),
    "priority tier, whatever its case": Golden(
        "openai",
        "gpt-4o",
        tokens(1_000, 100),
        {"input": (1_000, "4.25"), "output": (100, "17")},
        "0.00595",
        call={"service_tier": "PRIORITY"},
    ),
    "default tier": Golden(
        "openai",
        "gpt-4o",
        tokens(1_000, 100),
        {"input": (1_000, "2.5"), "output": (100, "10")},
        "0.0035",
        call={"service_tier": "default"},
    ),
    "batch": Golden(
        "openai",
        "gpt-4o",
        tokens(1_000, 100),
        {"input": (1_000, "1.25"), "output": (100, "5")},
        "0.00175",
        call={"batch": True},
    ),
    "batch said by the service tier": Golden(
        "openai",
        "gpt-4o",
        tokens(1_000, 100),
        {"input": (1_000, "1.25"), "output": (100, "5")},
        "0.00175",
        call={"service_tier": "batch"},
    ),
    "o3 on the last day of its old price": Golden(
        "openai",
        "o3",
        tokens(1_000, 100),
        {"input": (1_000, "10"), "output": (100, "40")},
        "0.014",
        at="2025-06-09T23:59:59",
    ),
    "o3 on the first day of its new price": Golden(
        "openai",
        "o3",
        tokens(1_000, 100),
        {"input": (1_000, "2"), "output": (100, "8")},
        "0.0028",
        at="2025-06-10T00:00",
    ),
    "before all history the first price": Golden(
        "openai", "o3", tokens(1_000, 0), {"input": (1_000, "10")}, "0.01", at="1970-01-01T00:00"
    ),
    "embedding": Golden(
        "openai",
        "text-embedding-3-small",
        tokens(2_000),
        {"input": (2_000, "0.02")},
        "0.00004",
        call={"type": "embed"},
    ),
    "fine-tuned": Golden(
        "openai",
        "ft:gpt-4o-mini-2024-07-18:acme::abc",
        tokens(1_000, 100),
        {"input": (1_000, "0.3"), "output": (100, "1.2")},
        "0.00042",
    ),
    "fine-tuned, only the base listed": Golden(
        "openai",
        "ft:gpt-4.1-mini-2025-04-14:acme::abc",
        tokens(1_000, 100),
        {"input": (1_000, "0.4"), "output": (100, "1.6")},
        "0.00056",
        source="partial",
    ),
    "moderation is free": Golden("openai", "omni-moderation-latest", tokens(100, 10), {}, "0", source="free"),
    # Azure
    "Azure serves OpenAI's models": Golden(
        "azure.ai.openai",
        "gpt-4o-2024-08-06",
        tokens(1_000, 100),
        {"input": (1_000, "2.5"), "output": (100, "10")},
        "0.0035",
    ),
    "Azure has no tiers of OpenAI's": Golden(
        "azure.ai.openai",
        "gpt-4o-2024-08-06",
        tokens(1_000, 100),
        {"input": (1_000, "2.5"), "output": (100, "10")},
        "0.0035",
        call={"batch": True},
    ),
    "Azure's own spelling": Golden(
        "azure.ai.openai",
        "gpt-35-turbo",
        tokens(1_000, 100),
        {"input": (1_000, "0.5"), "output": (100, "1.5")},
        "0.00065",
    ),
    # Anthropic
    "cache written for five minutes": Golden(
        "anthropic",
        "claude-haiku-4-5-20251001",
        tokens(10_000, 1_000, cache_read_tokens=6_000, cache_write_tokens=3_000),
        {
            "input": (1_000, "1"),
            "cache_read": (6_000, "0.1"),
            "cache_write": (3_000, "1.25"),
            "output": (1_000, "5"),
        },
        "0.01035",  # 0.001 + 0.0006 + 0.00375 + 0.005
    ),
    "cache written for an hour": Golden(
        "anthropic",
        "claude-haiku-4-5-20251001",
        tokens(10_000, 0, cache_write_tokens=9_000, cache_write_1h_tokens=9_000),
        {"input": (1_000, "1"), "cache_write_1h": (9_000, "2")},
        "0.019",
    ),
    "cache written for both": Golden(
        "anthropic",
        "claude-opus-4-5-20251101",
        tokens(10_000, 100, cache_write_tokens=9_000, cache_write_1h_tokens=4_000),
        {
            "input": (1_000, "5"),
            "cache_write": (5_000, "6.25"),
            "cache_write_1h": (4_000, "10"),
            "output": (100, "25"),
        },
        "0.07875",  # 0.005 + 0.03125 + 0.04 + 0.0025
    ),
    "long context counts cached tokens too": Golden(
        "anthropic",
        "claude-sonnet-4-5-20250929",
        tokens(200_001, 100, cache_read_tokens=200_000),
        {"input": (1, "6"), "cache_read": (200_000, "0.6"), "output": (100, "22.5")},
        "0.122256",  # 0.000006 + 0.12 + 0.00225
    ),
    "thinking is inside the output": Golden(
        "anthropic",
        "claude-opus-4-1-20250805",
        tokens(100, 2_000, reasoning_tokens=1_900),
        {"input": (100, "15"), "output": (2_000, "75")},
        "0.1515",
    ),
    "Anthropic batch": Golden(
        "anthropic",
        "claude-haiku-4-5",
        tokens(1_000, 100, cache_read_tokens=400),
        {"input": (600, "0.5"), "cache_read": (400, "0.05"), "output": (100, "2.5")},
        "0.00057",  # 0.0003 + 0.00002 + 0.00025
        call={"batch": True},
    ),
    # Bedrock
    "Bedrock in one geography costs ten percent more": Golden(
        "aws.bedrock",
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        tokens(1_000, 100, cache_read_tokens=500),
        {"input": (500, "3.3"), "cache_read": (500, "0.33"), "output": (100, "16.5")},
        "0.003465",  # 0.00165 + 0.000165 + 0.00165
    ),
    "Bedrock global": Golden(
        "aws.bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        tokens(1_000, 100),
        {"input": (1_000, "3"), "output": (100, "15")},
        "0.0045",
    ),
    "Bedrock one hour write with only a five minute rate": Golden(
        "aws.bedrock",
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        tokens(1_000, 0, cache_write_tokens=1_000, cache_write_1h_tokens=1_000),
        {"cache_write_1h": (1_000, "3.75")},
        "0.00375",
        source="partial",
    ),
    "Bedrock embedding": Golden(
        "aws.bedrock",
        "amazon.titan-embed-text-v2:0",
        tokens(5_000),
        {"input": (5_000, "0.02")},
        "0.0001",
        call={"type": "embed"},
    ),
    # Google
    "Gemini below the long context": Golden(
        "gcp.gemini",
        "gemini-2.5-pro",
        tokens(200_000, 1_000, reasoning_tokens=900),
        {"input": (200_000, "1.25"), "output": (1_000, "10")},
        "0.26",
    ),
    "Gemini above it, cache included": Golden(
        "gcp.gemini",
        "gemini-2.5-pro",
        tokens(200_001, 1_000, cache_read_tokens=100_000),
        {"input": (100_001, "2.5"), "cache_read": (100_000, "0.25"), "output": (1_000, "15")},
        "0.2900025",  # 0.2500025 + 0.025 + 0.015
    ),
    "Gemini audio": Golden(
        "gcp.gen_ai",
        "gemini-2.5-flash",
        tokens(1_500, 100, input_audio_tokens=1_000),
        {"input": (500, "0.3"), "input_audio": (1_000, "1"), "output": (100, "2.5")},
        "0.0014",  # 0.00015 + 0.001 + 0.00025
    ),
    "Vertex path": Golden(
        "gcp.vertex_ai",
        "projects/p/locations/us-central1/publishers/google/models/gemini-2.0-flash",
        tokens(1_000, 100),
        {"input": (1_000, "0.1"), "output": (100, "0.4")},
        "0.00014",
    ),
    "Claude on Vertex": Golden(
        "gcp.vertex_ai",
        "claude-3-5-sonnet-v2@20241022",
        tokens(1_000, 100, cache_write_tokens=200),
        {"input": (800, "3"), "cache_write": (200, "3.75"), "output": (100, "15")},
        "0.00465",  # 0.0024 + 0.00075 + 0.0015
    ),
    # Others
    "Mistral": Golden(
        "mistral_ai",
        "mistral-large-latest",
        tokens(1_000, 100),
        {"input": (1_000, "2"), "output": (100, "6")},
        "0.0026",
    ),
    "Mistral embeddings have no billed output": Golden(
        "mistral_ai",
        "mistral-embed",
        tokens(1_000, 1_000),
        {"input": (1_000, "0.1")},
        "0.0001",
        call={"type": "embed"},
    ),
    "xAI, where the tier starts at the round number": Golden(
        "x_ai",
        "grok-4.3",
        tokens(200_000, 0, reasoning_tokens=0),
        {"input": (200_000, "2.5")},
        "0.5",
    ),
    "Cohere": Golden(
        "cohere", "command-a-03-2025", tokens(1_000, 100), {"input": (1_000, "2.5"), "output": (100, "10")}, "0.0035"
    ),
    "Groq's slash is part of the name": Golden(
        "groq",
        "openai/gpt-oss-120b",
        tokens(1_000, 100, cache_read_tokens=500),
        {"input": (500, "0.15"), "cache_read": (500, "0.075"), "output": (100, "0.6")},
        "0.0001725",  # 0.000075 + 0.0000375 + 0.00006
    ),
    "DeepSeek by night": Golden(
        "deepseek",
        "deepseek-chat",
        tokens(1_000, 100, cache_read_tokens=600),
        {"input": (400, "0.135"), "cache_read": (600, "0.035"), "output": (100, "0.55")},
        "0.00013",  # 0.000054 + 0.000021 + 0.000055
        at="2025-06-01T16:30",
    ),
    "DeepSeek by day": Golden(
        "deepseek",
        "deepseek-chat",
        tokens(1_000, 100, cache_read_tokens=600),
        {"input": (400, "0.27"), "cache_read": (600, "0.07"), "output": (100, "1.1")},
        "0.00026",
        at="2025-06-01T16:29:59",
    ),
    "Together, case ignored": Golden(
        "together_ai",
        "meta-llama/llama-3.3-70b-instruct-turbo",
        tokens(1_000, 100),
        {"input": (1_000, "0.88"), "output": (100, "0.88")},
        "0.000968",
    ),
    "Voyage": Golden(
        "voyageai", "voyage-3-large", tokens(1_000), {"input": (1_000, "0.18")}, "0.00018", call={"type": "embed"}
    ),
    "OpenRouter": Golden(
        "openrouter",
        "anthropic/claude-sonnet-4.5",
        tokens(1_000, 100),
        {"input": (1_000, "3"), "output": (100, "15")},
        "0.0045",
    ),
    "OpenRouter free": Golden(
        "openrouter", "deepseek/deepseek-r1:free", tokens(1_000, 100), {}, "0", source="free"
    ),
    "Ollama": Golden("ollama", "llama3.1:8b-instruct-q4_K_M", tokens(1_000, 100), {}, "0", source="free"),
    "no provider": Golden(
        None, "gpt-4o-mini", tokens(1_000, 100), {"input": (1_000, "0.15"), "output": (100, "0.6")}, "0.00021"
    ),
    # What is missing
    "output unknown": Golden(
        "openai", "gpt-4o", tokens(1_000), {"input": (1_000, "2.5")}, "0.0025", source="partial"
    ),
    "input unknown": Golden(
        "openai", "gpt-4o", tokens(None, 100), {"output": (100, "10")}, "0.001", source="partial"
    ),
    "nothing used": Golden("openai", "gpt-4o", tokens(0, 0), {}, "0"),
}  # fmt: skip


@pytest.mark.parametrize("golden", GOLDENS.values(), ids=GOLDENS.keys())
def test_a_call_costs(golden: Golden) -> None:
    cost = PRICES.cost(Call(golden.provider, golden.model, None, golden.usage, nanoseconds(golden.at), **golden.call))

    assert cost.source == golden.source
    assert cost.parts == {
        bucket: count * Decimal(per_million) / 1_000_000 for bucket, (count, per_million) in golden.parts.items()
    }
    assert cost.total == cost.computed == Decimal(golden.total)


def test_a_fee_per_request_is_added_to_the_tokens() -> None:
    cost = PRICES.cost(Call("perplexity", "sonar", None, tokens(1_000, 100), 0))

    assert cost.parts == {"input": Decimal("0.001"), "output": Decimal("0.0001"), "requests": Decimal("0.012")}
    assert cost.total == Decimal("0.0131")


def test_web_searches_are_billed_by_the_thousand() -> None:
    usage = tokens(1_000, 100)
    cost = PRICES.cost(Call("anthropic", "claude-opus-4-5", None, usage, 0, counts={"web_searches": 3}))

    assert cost.parts == {"input": Decimal("0.005"), "output": Decimal("0.0025"), "web_searches": Decimal("0.03")}
    assert cost.source == "priced"


def test_counters_of_the_usage_are_read_when_none_are_given() -> None:
    usage = tokens(1_000, 100)
    usage.extra = {"web_search_requests": 2, "accepted_prediction_tokens": 7}
    cost = PRICES.cost(Call("anthropic", "claude-opus-4-5", None, usage, 0))

    assert cost.parts["web_searches"] == Decimal("0.02")


def test_searches_without_a_rate_leave_the_cost_partial() -> None:
    usage = tokens(1_000, 100)
    cost = PRICES.cost(Call("openai", "gpt-4o-search-preview", None, usage, 0, counts={"web_searches": 1}))

    assert (cost.total, cost.source) == (Decimal("0.0035"), "partial")


def test_reasoning_and_citations_at_rates_of_their_own() -> None:
    usage = tokens(1_000, 3_000, reasoning_tokens=2_000)
    counts = {"citation_tokens": 500, "num_search_queries": 4}
    cost = PRICES.cost(Call("perplexity", "sonar-deep-research", None, usage, 0, counts=counts))

    assert cost.parts == {
        "input": Decimal("0.002"),  # 1000 at $2
        "output": Decimal("0.008"),  # 3000 - 2000 at $8
        "reasoning": Decimal("0.006"),  # 2000 at $3
        "citation_tokens": Decimal("0.001"),  # 500 at $2
        "web_searches": Decimal("0.02"),  # 4 at $5 per 1000
    }


def test_pictures_made_are_carved_out_of_the_output() -> None:
    usage = tokens(0, 1_300)
    cost = PRICES.cost(
        Call("gcp.gemini", "gemini-2.5-flash-image", None, usage, 0, counts={"output_image_tokens": 1_290})
    )

    assert cost.parts == {"output": Decimal("0.000025"), "output_image": Decimal("0.0387")}  # 10 at $2.5, 1290 at $30


def test_speech_is_billed_by_the_second() -> None:
    cost = PRICES.cost(Call("openai", "whisper-1", None, None, 0, counts={"audio_seconds": 90.5}))

    assert cost.parts == {"audio_seconds": Decimal("0.00905")}  # $0.36 an hour is $0.0001 a second
    assert cost.source == "priced"


def test_speech_is_billed_by_the_character() -> None:
    cost = PRICES.cost(Call("openai", "tts-1", None, None, 0, counts={"characters": 2_000}))

    assert cost.parts == {"input_characters": Decimal("0.03")}  # $15 per 1M


def test_tokens_do_not_price_what_is_billed_by_the_second() -> None:
    cost = PRICES.cost(Call("openai", "whisper-1", None, tokens(1_000, 100), 0))

    assert (cost.total, cost.source) == (None, "unknown_usage")


def test_repeating_fractions_are_rounded_once_to_a_pico_dollar() -> None:
    usage = tokens(3_000, 0, cache_write_tokens=3_000)
    cost = PRICES.cost(Call("openrouter", "google/gemini-3-flash-preview", None, usage, 0))

    assert cost.parts == {"cache_write": Decimal("0.000250000000")}  # 3000 at $0.08333333333333334 per 1M

    usage = tokens(2, 0, cache_write_tokens=2)
    cost = PRICES.cost(Call("openrouter", "google/gemini-3-flash-preview", None, usage, 0))

    assert cost.parts == {"cache_write": Decimal("0.000000166667")}  # 166666.666… pico-dollars
