"""Which entry of the price list a provider and model name mean. None: no price rather than a wrong one."""

from __future__ import annotations

import pytest

from spanledger.mapping.cost import Call, PriceList
from spanledger.mapping.cost.names import provider_names, readings, spellings
from spanledger.model.records import Usage

PRICES = PriceList()


def entry(provider: str | None, request: str | None, response: str | None = None) -> str | None:
    """`provider/model` of the list, `free`, or None."""
    cost = PRICES.cost(Call(provider, request, response, Usage(input_tokens=10, output_tokens=1), 0))
    if cost.source == "free":
        return "free"
    return None if cost.price_ref is None else cost.price_ref.split(" ")[2]


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        # providers: OTel's names, and as SDKs write them
        ("openai.chat", "gpt-4o", "openai/gpt-4o"),
        ("OpenAI", "gpt-4o", "openai/gpt-4o"),
        ("az.ai.openai", "gpt-4o", "openai/gpt-4o"),
        ("azure.ai.inference", "phi-4", "azure/phi-4"),
        ("amazon-bedrock", "amazon.nova-lite-v1:0", "aws/amazon.nova-lite-v1:0"),
        ("google.vertex.chat", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gcp.vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("x_ai", "grok-3", "x-ai/grok-3"),
        ("mistral_ai", "codestral-latest", "mistral/codestral"),
        ("moonshot_ai", "kimi-k2.5", "moonshotai/kimi-k2.5"),
        ("fireworks", "kimi-k3", "fireworks/kimi-k3"),
        ("langchain", "gpt-4o", "openai/gpt-4o"),
        # dated names
        ("openai", "gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),
        ("openai", "gpt-5.2-20251211", "openai/gpt-5.2"),
        ("anthropic", "claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet"),
        ("anthropic", "claude-sonnet-4-20250514", "anthropic/claude-sonnet-4-0"),
        ("anthropic", "claude-sonnet-4-5[1m]", "anthropic/claude-sonnet-4-5"),
        ("openai", "gpt-5-high", "openai/gpt-5"),
        # Google
        ("gcp.gemini", "models/gemini-2.0-flash", "google/gemini-2.0-flash"),
        (None, "publishers/google/models/gemini-1.5-pro-002", "google/gemini-1.5-pro"),
        ("gcp.vertex_ai", "publishers/anthropic/models/claude-opus-4-1@20250805", "google/claude-4-opus"),
        ("gcp.vertex_ai", "projects/p/locations/l/endpoints/123", None),
        ("gcp.gen_ai", "googleai/gemini-2.0-flash", "google/gemini-2.0-flash"),
        (None, "/model/googleai/gemini-2.0-flash", "google/gemini-2.0-flash"),
        # Bedrock
        ("aws.bedrock", "anthropic.claude-v2:1", "anthropic/claude-2"),
        ("aws.bedrock", "apac.amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0"),
        ("aws.bedrock", "amazon.nova-2-lite-v1:0", "aws/regional.amazon.nova-2-lite-v1:0"),
        ("aws.bedrock", "meta.llama3-3-70b-instruct-v1:0", "aws/meta.llama3-3-70b-instruct-v1:0"),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0",
            "aws/regional.anthropic.claude-3-7-sonnet-20250219-v1:0",
        ),
        (
            None,
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
            "aws/regional.anthropic.claude-3-haiku-20240307-v1:0",
        ),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", None),
        (None, "global.anthropic.claude-opus-4-5-20251101-v1:0", "aws/global.anthropic.claude-opus-4-5-v1:0"),
        ("aws.bedrock", "openai.gpt-5.4", "aws/openai.gpt-5.4"),
        ("aws.bedrock", "global.openai.gpt-5.4", None),  # listed for single geographies, which cost more
        (
            "anthropic",  # Anthropic's SDK for Bedrock
            "us.anthropic.claude-3-5-haiku-20241022-v1:0",
            "aws/regional.anthropic.claude-3-5-haiku-20241022-v1:0",
        ),
        # OpenRouter
        ("openrouter", "openai/gpt-4o-mini:nitro", "openrouter/openai/gpt-4o-mini"),
        ("openrouter", "anthropic/claude-3.5-sonnet:online", "openrouter/anthropic/claude-3.5-sonnet"),
        ("openrouter", "somebody/new-model:free", "free"),
        ("openai", "anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4-5"),  # OpenAI's SDK for OpenRouter
        ("openai", "deepseek/deepseek-r1:free", "free"),
        # LiteLLM, PydanticAI
        ("litellm", "bedrock/us-east-1/anthropic.claude-v2", "anthropic/claude-2"),
        (None, "bedrock/converse/us.amazon.nova-lite-v1:0", "aws/amazon.nova-lite-v1:0"),
        (None, "vertex_ai/gemini-2.5-pro", "google/gemini-2.5-pro"),
        (None, "azure/eu/gpt-4o", "openai/gpt-4o"),
        (None, "openrouter/anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
        (None, "openai/responses/gpt-5", "openai/gpt-5"),
        (None, "litellm_proxy/gpt-4o", "openai/gpt-4o"),
        (None, "fireworks_ai/accounts/fireworks/models/kimi-k3", "fireworks/kimi-k3"),
        (None, "hosted_vllm/qwen3", "free"),
        (None, "ollama/llama3", "free"),
        (None, "openai:gpt-4o", "openai/gpt-4o"),
        (None, "google-gla:gemini-2.5-pro", "google/gemini-2.5-pro"),
        (None, "gateway/openai:gpt-4o", "openai/gpt-4o"),
        (None, "fallback:gpt-4o,claude-3-haiku", None),
        # hosts: the slash belongs to the name, and another host's price is not theirs
        ("groq", "moonshotai/kimi-k2-instruct", "groq/moonshotai/kimi-k2-instruct"),
        ("groq", "groq/openai/gpt-oss-20b", "groq/openai/gpt-oss-20b"),
        ("groq", "openai/gpt-4o", None),
        ("groq", "claude-3-5-sonnet-latest", None),
        ("ibm.watsonx.ai", "meta-llama/llama-3-3-70b-instruct", None),
        ("nvidia_nim", "meta/llama-3.1-70b-instruct", None),
        # servers of one's own
        ("ollama", "gpt-oss:120b-cloud", None),
        ("ollama", "deepseek-v4-flash:cloud", None),
        ("vllm", "Qwen/Qwen3-32B", "free"),
        ("openai", "deepseek-r1:8b", None),  # Ollama's tag behind OpenAI's SDK
        (None, "deepseek-r1:8b", None),
        ("openai", "Qwen/Qwen3-32B", None),
        # another maker behind this maker's SDK
        ("openai", "deepseek-chat", "deepseek/deepseek-chat"),
        ("anthropic", "kimi-k2.5", "moonshotai/kimi-k2.5"),
        # no provider
        (None, "gpt-4o", "openai/gpt-4o"),
        (None, "claude-opus-4-1@20250805", "anthropic/claude-opus-4-1"),
        (None, "command-r", "cohere/command-r"),
        (None, "voyage-3", "voyageai/voyage-3"),
        (None, "llama-3.3-70b", "cerebras/llama-3.3-70b"),  # one provider lists it
        ("demo-inference.chat", "llama-3.3-70b", None),  # this host is another one
        ("demo-inference.chat", "gpt-4o", "openai/gpt-4o"),
        (None, "gpt-oss", None),
        # nothing
        ("openai", "unknown", None),
        ("openai", "", None),
        ("openai", "ChatOpenAI", None),
        (None, None, None),
    ],
)
def test_a_name_means(provider: str | None, model: str | None, expected: str | None) -> None:
    assert entry(provider, model) == expected


def test_an_azure_deployment_is_priced_by_the_model_that_answered() -> None:
    assert entry("azure.ai.openai", "our-assistant", "gpt-4o-mini-2024-07-18") == "openai/gpt-4o-mini"


def test_the_request_is_asked_when_the_answer_is_unknown() -> None:
    assert entry("openai", "gpt-4o", "internal-build-7") == "openai/gpt-4o"


def test_the_inference_profile_asked_for_decides_the_price_at_bedrock() -> None:
    request, response = "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"

    assert entry("aws.bedrock", request, response) == f"aws/{request}"


def test_an_opaque_inference_profile_is_priced_by_the_answer() -> None:
    profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"

    assert entry("aws.bedrock", profile, "anthropic.claude-3-haiku-20240307-v1:0") == (
        "aws/regional.anthropic.claude-3-haiku-20240307-v1:0"
    )


def test_the_route_of_the_request_says_whose_the_answer_is() -> None:
    assert entry(None, "together_ai/openai/gpt-oss-120b", "openai/gpt-oss-120b") == "together/openai/gpt-oss-120b"
    assert entry(None, "groq/llama-3.3-70b-versatile", "llama-3.3-70b-versatile") == "groq/llama-3.3-70b-versatile"


def test_names_longer_than_any_real_one_are_not_looked_up() -> None:
    assert entry("openai", "gpt-4o" + " " * 300) is None


@pytest.mark.parametrize(
    "name", ["@" * 250, "a" + "@a" * 120, "x" + "-20240101" * 27, "gpt-5" + "-high" * 50, "ft:" * 85]
)
def test_a_hostile_name_has_few_spellings(name: str) -> None:
    assert len(list(spellings(name))) <= 8


@pytest.mark.parametrize("separator", ["/", ":"])
def test_a_hostile_name_has_few_readings(separator: str) -> None:
    known = provider_names(["openai"])

    assert len(list(readings(None, separator.join(["openai"] * 36), known))) <= 8
