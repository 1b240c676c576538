"""Provider names: OpenTelemetry's well-known values where one exists (docs/dialects.md, providers)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from spanledger.mapping.coerce import text
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json
from spanledger.model.span import Value

_ALIASES: Final = {
    "openai": "openai", "oai": "openai",
    "azure": "azure.ai.openai", "azureopenai": "azure.ai.openai", "azaiopenai": "azure.ai.openai",
    "azureaiopenai": "azure.ai.openai", "msopenai": "azure.ai.openai",
    "azaiinference": "azure.ai.inference", "azureaiinference": "azure.ai.inference", "azureai": "azure.ai.inference",
    "azureinference": "azure.ai.inference",
    "anthropic": "anthropic", "claude": "anthropic",
    "bedrock": "aws.bedrock", "bedrockconverse": "aws.bedrock", "amazonbedrock": "aws.bedrock", "aws": "aws.bedrock",
    "awsbedrock": "aws.bedrock", "bedrockmantle": "aws.bedrock", "amazon": "aws.bedrock",
    "vertexai": "gcp.vertex_ai", "gcpvertexai": "gcp.vertex_ai", "googlevertexai": "gcp.vertex_ai",
    "googlevertex": "gcp.vertex_ai", "googlecloud": "gcp.vertex_ai", "vertex": "gcp.vertex_ai",
    "gemini": "gcp.gemini", "gcpgemini": "gcp.gemini", "google": "gcp.gemini", "googlegla": "gcp.gemini",
    "googlegenerativeai": "gcp.gemini", "googleaistudio": "gcp.gemini", "googleai": "gcp.gemini",
    "gcpgenai": "gcp.gen_ai", "googlegenai": "gcp.gen_ai",
    "cohere": "cohere",
    "mistral": "mistral_ai", "mistralai": "mistral_ai",
    "groq": "groq", "deepseek": "deepseek",
    "perplexity": "perplexity", "pplx": "perplexity", "perplexityai": "perplexity",
    "xai": "x_ai", "grok": "x_ai",
    "watsonx": "ibm.watsonx.ai", "ibmwatsonai": "ibm.watsonx.ai", "ibmwatsonxai": "ibm.watsonx.ai",
    "moonshot": "moonshot_ai", "moonshotai": "moonshot_ai",
    "openrouter": "openrouter", "together": "together_ai", "togetherai": "together_ai",
    "fireworks": "fireworks", "fireworksai": "fireworks", "cerebras": "cerebras", "nebius": "nebius",
    "novita": "novita", "sambanova": "sambanova", "replicate": "replicate",
    "huggingface": "hugging_face", "hf": "hugging_face", "ollama": "ollama", "vllm": "vllm",
    "sagemaker": "sagemaker", "voyageai": "voyageai", "voyage": "voyageai", "jina": "jina", "jinaai": "jina",
    "ocigenai": "oci_genai", "alibaba": "alibaba", "dashscope": "alibaba", "zai": "zai", "zhipuai": "zai",
    "minimax": "minimax", "nvidianim": "nvidia_nim", "nvidia": "nvidia_nim", "databricks": "databricks",
    "vercel": "vercel", "cloudflare": "cloudflare", "githubmodels": "github_models",
    "litellmproxy": "litellm_proxy", "alephalpha": "aleph_alpha",
}  # fmt: skip

_HOSTS: Final = (
    (".openai.azure.com", "azure.ai.openai"),
    (".cognitiveservices.azure.com", "azure.ai.openai"),
    (".services.ai.azure.com", "azure.ai.inference"),
    (".inference.ai.azure.com", "azure.ai.inference"),
    ("api.openai.com", "openai"),
    ("api.anthropic.com", "anthropic"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("-aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("api.mistral.ai", "mistral_ai"),
    ("codestral.mistral.ai", "mistral_ai"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("api.perplexity.ai", "perplexity"),
    ("api.x.ai", "x_ai"),
    (".ml.cloud.ibm.com", "ibm.watsonx.ai"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.moonshot.cn", "moonshot_ai"),
    ("openrouter.ai", "openrouter"),
    ("api.together.xyz", "together_ai"),
    ("api.fireworks.ai", "fireworks"),
    ("api.cerebras.ai", "cerebras"),
)

_MODELS: Final = (
    (re.compile(r"(us\.|eu\.|apac\.|jp\.|au\.|global\.|us-gov\.)?(anthropic|amazon|meta|cohere|mistral|ai21)\..+"),
     "aws.bedrock"),
    (re.compile(r"arn:aws[a-z-]*:(bedrock|sagemaker):.*"), "aws.bedrock"),
    (re.compile(r"projects/.+"), "gcp.vertex_ai"),
    (re.compile(r"(gpt-|o[134](-|$)|chatgpt-|text-embedding-|davinci|dall-e|whisper-|tts-|gpt4|ft:gpt).*"), "openai"),
    (re.compile(r"claude-.*"), "anthropic"),
    (re.compile(r"(models/)?(gemini|gemma|text-embedding-00|imagen|veo)-?.*"), "gcp.gemini"),
    (re.compile(r"(mistral|magistral|codestral|ministral|pixtral|devstral|voxtral|open-mistral|open-mixtral)-.*"),
     "mistral_ai"),
    (re.compile(r"(command|rerank|embed)-.*"), "cohere"),
    (re.compile(r"grok-.*"), "x_ai"),
    (re.compile(r"deepseek-.*"), "deepseek"),
    (re.compile(r"sonar.*"), "perplexity"),
)  # fmt: skip

_SLASHLESS: Final = frozenset(
    {"openai", "anthropic", "azure.ai.openai", "gcp.gemini", "gcp.vertex_ai", "aws.bedrock", "mistral_ai", "cohere",
     "deepseek", "x_ai", "ollama"}
)  # fmt: skip

_SERVERS: Final = ("vllm", "text_generation_router", "text-generation-inference")
"""Scopes of inference servers, which report their own work and name no provider."""

_API_SUFFIX: Final = re.compile(r"\.(chat|responses|completions?|messages|embeddings?|image|generative-ai)$")
_NOT_LETTERS: Final = re.compile(r"[^a-z0-9]")
_WORDS: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z0-9]+|[A-Z]+")
_LONGEST_NAME: Final = 100
_cache: dict[str, str] = {}


def canonical(name: str) -> str:
    """Canonical name of a provider; a name nobody knows is kept in lower case. `openai.chat` is `openai`."""
    found = _cache.get(name)
    if found is not None:
        return found
    low = name.strip().lower()
    if len(low) > _LONGEST_NAME:
        return low
    found = _ALIASES.get(_NOT_LETTERS.sub("", low))
    if found is None and low.startswith("fallback:"):
        found = canonical(low[9:].split(",")[0])
    if found is None:
        for part in _shorter(low):
            found = _ALIASES.get(_NOT_LETTERS.sub("", part))
            if found is not None:
                break
    if found is None and low.endswith("_llm"):  # LlamaIndex class names: openai_llm
        found = _ALIASES.get(_NOT_LETTERS.sub("", low[:-4]))
    if found is None:
        found = _API_SUFFIX.sub("", low)
    if len(_cache) > 2048:
        _cache.clear()
    _cache[name] = found
    return found


def _shorter(name: str) -> list[str]:
    """`google.vertex.chat` → `google.vertex`, `google`; SDK provider ids put the API after the last dots."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]


def of_host(address: str) -> str | None:
    """Provider that serves a host name or URL."""
    return _of_remembered_host(address) if len(address) <= _LONGEST_NAME else _of_host(address)


@lru_cache(2048)
def _of_remembered_host(address: str) -> str | None:
    return _of_host(address)


def _of_host(address: str) -> str | None:
    host = address.split("://", 1)[-1].split("/", 1)[0].split(":", 1)[0].lower()
    if host.startswith("bedrock") and host.endswith(".amazonaws.com"):
        return "aws.bedrock"
    for name, provider in _HOSTS:
        if host == name or host.endswith(name if name[0] in ".-" else f".{name}"):
            return provider
    return None


def of_model(model: str) -> str | None:
    """Provider that a model name alone points to; vendor prefixes (`openai/gpt-4o`, `openai:gpt-4o`) count."""
    low = model.lower()
    for mark in ("/", ":"):
        head, found, _ = low.partition(mark)
        if found and not low.startswith(("models/", "projects/", "arn:", "accounts/", "ft:")):
            known = _ALIASES.get(_NOT_LETTERS.sub("", head))
            if known is not None:
                return known
    for pattern, provider in _MODELS:
        if pattern.fullmatch(low):
            return provider
    return None


@lru_cache(2048)
def of_class(name: str) -> str | None:
    """Provider that the name of a client's class points to: `AzureOpenAIChatGenerator`, `ChatAnthropic`."""
    words = [word.lower() for word in _WORDS.findall(name[:_LONGEST_NAME])]
    if words[:1] == ["chat"]:
        del words[0]
    for length in range(len(words) - 1, 0, -1):
        known = _ALIASES.get("".join(words[:length]))
        if known is not None:
            return known
    return None


def of_provider(model: str | None, provider: str | None, *, routed: bool) -> str | None:
    """A model's name without the provider's own in front: LiteLLM and Genkit route `anthropic/claude-sonnet-4-5` to
    Anthropic as `claude-sonnet-4-5`. Names of hosts whose own ids hold a slash (Groq, Together, …) stay, unless the
    name is certainly `routed`."""
    if model is None or not (routed or provider in _SLASHLESS):
        return model
    head, slash, name = model.partition("/")
    return name if slash and name and canonical(head) == provider else model


def provider_of(span: Facts, model: str | None) -> tuple[str | None, str | None]:
    """(canonical provider, as received). Falls back to the host that was called, then to the model's name."""
    raw = text(span.provider) or text(span.system) or text(span.hosting)
    if raw is None and span.scope.name.startswith(_SERVERS):
        return "vllm" if span.scope.name.startswith("vllm") else "text_generation_inference", None
    if raw is None and span.meta is not None:
        raw = text(span.meta.get("ls_provider"))
    if raw is None and span.meta_document is not None and getattr(span, "kind_braintrust", None) is not None:
        document = parse_json(span.meta_document)[1]
        raw = text(document.get("provider")) if isinstance(document, dict) else None
    by_host = None
    for address in (span.api_base, span.server_address):
        if isinstance(address, str):
            by_host = of_host(address)
            if by_host is not None:
                break
    if raw is not None:
        known = canonical(raw)
        # Azure behind a client that says "openai", or AI SDK 7 which calls Azure OpenAI "azure.ai.inference".
        if by_host is not None and by_host.startswith("azure") and known in ("openai", "azure.ai.inference"):
            return by_host, raw
        return known, raw
    if by_host is not None:
        return by_host, None
    client: Value = getattr(span, "kind_haystack", None)
    if client is None and span.scope.name.startswith("openinference."):
        client = span.name.partition(".")[0]  # AutoGen: AzureOpenAIChatCompletionClient.create
    if isinstance(client, str) and (by_class := of_class(client)) is not None:
        return by_class, None
    return (of_model(model), None) if model else (None, None)
