"""Providers: OpenTelemetry's well-known names; a framework is none; hosts and models tell where nothing else does."""

from __future__ import annotations

import pytest

from spanledger.mapping.provider import canonical, of_host, of_model
from spanledger.model.span import Value
from tests.mapping.build import only_run, span


def provider_of(facts: dict[str, Value]) -> tuple[str | None, str | None]:
    run = only_run(span({"gen_ai.operation.name": "chat", **facts}))
    return run.provider, run.provider_raw


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        ("openai.chat", "openai"),
        ("openai.responses", "openai"),
        ("openai.completion", "openai"),
        ("oai", "openai"),
        ("azure", "azure.ai.openai"),
        ("az.ai.openai", "azure.ai.openai"),
        ("azure_openai", "azure.ai.openai"),
        ("azure-openai.chat", "azure.ai.openai"),
        ("AzureOpenAI", "azure.ai.openai"),
        ("az.ai.inference", "azure.ai.inference"),
        ("azure_ai", "azure.ai.inference"),
        ("Anthropic", "anthropic"),
        ("anthropic.messages", "anthropic"),
        ("claude", "anthropic"),
        ("AWS", "aws.bedrock"),
        ("amazon-bedrock", "aws.bedrock"),
        ("bedrock_converse", "aws.bedrock"),
        ("aws.bedrock", "aws.bedrock"),
        ("vertex_ai", "gcp.vertex_ai"),
        ("VertexAI", "gcp.vertex_ai"),
        ("google.vertex.chat", "gcp.vertex_ai"),
        ("google-vertex", "gcp.vertex_ai"),
        ("google-cloud", "gcp.vertex_ai"),
        ("google", "gcp.gemini"),
        ("google-gla", "gcp.gemini"),
        ("google.generative-ai", "gcp.gemini"),
        ("gcp.gemini", "gcp.gemini"),
        ("google_genai", "gcp.gen_ai"),
        ("mistral", "mistral_ai"),
        ("mistral.chat", "mistral_ai"),
        ("MistralAI", "mistral_ai"),
        ("cohere", "cohere"),
        ("xai.chat", "x_ai"),
        ("grok", "x_ai"),
        ("groq.chat", "groq"),
        ("pplx", "perplexity"),
        ("ibm.watson.ai", "ibm.watsonx.ai"),
        ("watsonx", "ibm.watsonx.ai"),
        ("moonshot", "moonshot_ai"),
        ("together", "together_ai"),
        ("hugging_face", "hugging_face"),
        ("HuggingFace", "hugging_face"),
        ("vLLM", "vllm"),
        ("oci_genai", "oci_genai"),
        ("dashscope", "alibaba"),
        ("zhipuai", "zai"),
        ("fallback:openai,anthropic", "openai"),
        ("openai_llm", "openai"),
        ("My-Own Model Server", "my-own model server"),
    ],
)
def test_canonical_names(name: str, expected: str) -> None:
    assert canonical(name) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("api.openai.com", "openai"),
        ("https://api.openai.com/v1/chat/completions", "openai"),
        ("eu.api.openai.com", "openai"),
        ("my-resource.openai.azure.com", "azure.ai.openai"),
        ("https://my-resource.cognitiveservices.azure.com/openai", "azure.ai.openai"),
        ("my-project.services.ai.azure.com", "azure.ai.inference"),
        ("api.anthropic.com:443", "anthropic"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("codestral.mistral.ai", "mistral_ai"),
        ("us-south.ml.cloud.ibm.com", "ibm.watsonx.ai"),
        ("api.moonshot.cn", "moonshot_ai"),
        ("openrouter.ai", "openrouter"),
        ("runtime.sagemaker.us-east-1.amazonaws.com", None),
        ("localhost", None),
        ("notapi.openai.com.evil.example", None),
        ("", None),
    ],
)
def test_hosts(address: str, expected: str | None) -> None:
    assert of_host(address) == expected


def test_a_host_that_only_ends_like_a_providers_is_not_the_provider() -> None:
    assert of_host("fakeapi.openai.com") is None


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o", "openai"),
        ("o3-mini", "openai"),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "openai"),
        ("claude-sonnet-4-20250514", "anthropic"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "aws.bedrock"),
        ("arn:aws:bedrock:us-east-1:123:inference-profile/us.anthropic.claude", "aws.bedrock"),
        ("projects/p/locations/us/publishers/google/models/gemini-1.5-pro", "gcp.vertex_ai"),
        ("models/gemini-2.0-flash", "gcp.gemini"),
        ("openai/gpt-4o", "openai"),
        ("openai:gpt-4o", "openai"),
        ("googleai/gemini-2.0-flash", "gcp.gemini"),
        ("vertexai/gemini-2.0-flash", "gcp.vertex_ai"),
        ("mistral-large-latest", "mistral_ai"),
        ("grok-4", "x_ai"),
        ("llama3.1:8b-instruct-q4_K_M", None),
        ("my-model", None),
    ],
)
def test_models(model: str, expected: str | None) -> None:
    assert of_model(model) == expected


FRAMEWORKS = [
    "langchain", "Langchain", "langgraph", "llama_index", "crewai", "haystack", "strands-agents",
    "gcp.vertex.agent", "google_adk", "microsoft.agent_framework", "autogen", "ag2", "agno", "pydantic_ai",
    "openai_agents", "spring_ai", "vercel_ai", "smolagents", "claude_agent_sdk", "mem0", "mcp", "az.ai.agents",
    "litellm", "unknown", "Unknown", "_OTHER", "none", "gateway",
]  # fmt: skip


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_is_no_provider(framework: str) -> None:
    assert provider_of({"gen_ai.system": framework, "gen_ai.request.model": "claude-haiku-4-5"}) == ("anthropic", None)


def test_a_framework_in_the_first_key_leaves_the_word_to_the_next() -> None:
    facts = {"gen_ai.provider.name": "langchain", "gen_ai.system": "openai", "llm.provider": "azure"}
    assert provider_of(facts) == ("openai", "openai")


def test_the_order_of_keys() -> None:
    assert provider_of({"llm.provider": "azure", "gen_ai.system": "Anthropic"}) == ("anthropic", "Anthropic")
    assert provider_of({"llm.system": "anthropic", "llm.provider": "aws"}) == ("aws.bedrock", "aws")


def test_what_langsmith_and_laminar_note_of_the_provider_is_used_before_the_host() -> None:
    facts = {"langsmith.metadata.ls_provider": "openai", "server.address": "api.anthropic.com"}
    assert provider_of(facts) == ("openai", "openai")


def test_the_host_tells_where_no_key_does() -> None:
    assert provider_of({"server.address": "api.groq.com", "gen_ai.request.model": "gpt-4o"}) == ("groq", None)


def test_the_model_tells_where_no_host_does() -> None:
    assert provider_of({"server.address": "localhost", "gen_ai.request.model": "gpt-4o"}) == ("openai", None)


@pytest.mark.parametrize(
    ("component", "provider"),
    [
        ("AzureOpenAIChatGenerator", "azure.ai.openai"),
        ("OpenAITextEmbedder", "openai"),
        ("AmazonBedrockChatGenerator", "aws.bedrock"),
        ("GoogleGenAIChatGenerator", "gcp.gen_ai"),
        ("HuggingFaceAPIGenerator", "hugging_face"),
        ("MyOwnGenerator", None),
    ],
)
def test_a_component_named_after_its_provider_tells_before_the_model(component: str, provider: str | None) -> None:
    said = {"haystack.component.type": component}
    assert provider_of(said)[0] == provider
    assert provider_of({**said, "gen_ai.request.model": "gpt-4o"})[0] == (provider or "openai")


def test_autogens_client_is_named_after_its_provider() -> None:
    facts = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"}
    azure = span(facts, name="AzureOpenAIChatCompletionClient.create", scope="openinference.instrumentation.autogen")
    assert only_run(azure).provider == "azure.ai.openai"


def test_nobody_tells() -> None:
    assert provider_of({"gen_ai.request.model": "my-model"}) == (None, None)


def test_azure_behind_a_client_that_says_openai() -> None:
    facts = {"gen_ai.system": "openai", "server.address": "my-resource.openai.azure.com"}
    assert provider_of(facts) == ("azure.ai.openai", "openai")


def test_ai_sdk_7_calls_azure_openai_inference_and_the_host_knows_better() -> None:
    facts = {"gen_ai.provider.name": "azure.ai.inference", "url.full": "https://r.openai.azure.com/openai/v1"}
    assert provider_of(facts) == ("azure.ai.openai", "azure.ai.inference")


def test_the_ai_sdks_gateway_is_no_provider_and_the_model_names_one() -> None:
    facts = {"gen_ai.system": "gateway", "ai.model.provider": "gateway", "ai.model.id": "anthropic/claude-sonnet-4.5"}
    assert provider_of(facts) == ("anthropic", None)
