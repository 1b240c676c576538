"""Provider and model names as SDKs, gateways and clouds write them, read into what a price list may know.

One name has several readings, and the order of trying them decides. `groq` serves a model that is called
`openai/gpt-oss-120b`: there the slash is part of the name; `openai/gpt-4o` given to LiteLLM means the provider. So a
name is tried as it stands at the provider first, and taken apart only when nobody there knows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

MAX_NAME: Final = 256
"""Longer names are nobody's: the longest in the list has 70 characters, a Bedrock ARN about 150."""

_MAX_SPELLINGS: Final = 8
_MAX_ROUTES: Final = 3  # litellm_proxy/openrouter/openai/gpt-4o; more is an attack on our time

LOCAL: Final = "local"
"""Stands for every server that one runs oneself: nobody bills its tokens."""
UNLISTED: Final = "unlisted"
"""A host with prices of its own that the list does not have: another host's price would be a guess."""

_ALIASES: Final = {
    "openai": "openai oai openaichat openairesponses openaicompletion openaicompatible text-completion-openai",
    "azure": "azure azure.ai.openai azure.ai.inference az.ai.openai az.ai.inference azure_openai azure_ai msopenai",
    "anthropic": "anthropic claude",
    "aws": "aws aws.bedrock bedrock bedrock_converse amazon amazon_bedrock bedrock_mantle",
    "google": (
        "google gcp gcp.gen_ai gcp.gemini gcp.vertex_ai vertex vertex_ai vertex_ai_beta google_vertexai google-vertex "
        "gemini googleai google-gla google-genai generative_ai google_ai_studio google-cloud"
    ),
    "mistral": "mistral mistral_ai codestral",
    "x-ai": "xai grok",
    "together": "together together_ai togethercomputer",
    "fireworks": "fireworks fireworks_ai",
    "moonshotai": "moonshot moonshot_ai",
    "perplexity": "perplexity perplexity_ai pplx",
    "voyageai": "voyage voyage_ai",
    "zhipuai": "zhipu bigmodel",
    "cohere": "cohere cohere_chat",
    "cloudflare": "cloudflare workers_ai",
    "novita": "novita novita_ai",
    LOCAL: (
        "ollama ollama_chat vllm hosted_vllm lm_studio llamafile llama_cpp localai gpt4all mlx sglang tgi "
        "text_generation_inference xinference docker_model_runner local"
    ),
    UNLISTED: (
        "ibm.watsonx.ai watsonx ibm.watson.ai nvidia_nim nvidia sagemaker aws.sagemaker replicate hugging_face oci "
        "oci_genai alibaba dashscope sambanova hyperbolic nebius deepinfra anyscale lambda friendliai snowflake "
        "stability aleph_alpha ai21 predibase volcengine writer"
    ),
}
"""Provider id of genai-prices → the names it goes by: OTel's values, LiteLLM routes, PydanticAI prefixes."""

FIRST_PARTY: Final = frozenset(
    (
        "openai",
        "anthropic",
        "google",
        "mistral",
        "cohere",
        "deepseek",
        "x-ai",
        "moonshotai",
        "zai",
        "zhipuai",
        "minimax",
    )
)
"""Providers whose own SDKs are pointed at other servers by a base URL, so that the name may be the SDK's only."""

_GEO: Final = ("us", "eu", "apac", "jp", "au", "in", "ca", "sa", "us-gov", "global")
_BEDROCK_ID: Final = re.compile(
    rf"arn:aws|(?:(?:{'|'.join(_GEO)})\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|moonshot(?:ai)?|nvidia|openai|qwen|"
    r"stability|twelvelabs|writer|zai)\.[a-z]"
)
_LOCAL_TAG: Final = re.compile(r":(?:latest|e?\d+(?:\.\d+)?[bm](?:-.*)?)$")
"""Ollama's tags (`deepseek-r1:8b`): a server of one's own, whatever the SDK says."""
_PLACEHOLDERS: Final = frozenset(("", "unknown", "none", "null", "default", "_other", "undefined", "n/a"))
_PREFIXES: Final = ("models/", "/model/", "gateway/", "litellm_proxy/", "litellm/")
"""Of Gemini, Genkit, PydanticAI and LiteLLM."""
_VARIANT: Final = re.compile(r":(?:nitro|floor|online|thinking|beta|extended|exacto)$")
_COMPACT_DATE: Final = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=$|[:-])")
_DATE: Final = re.compile(
    r"(?:-20\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|-preview-\d\d-(?:\d\d|20\d\d)|-latest)$"
)
_EFFORT: Final = re.compile(r"^((?:gpt-\d|o\d)[\w.-]*)-(?:none|minimal|low|medium|high|xhigh)$")


class Reading(NamedTuple):
    """One way to understand a model name."""

    provider: str | None
    """Provider id of genai-prices; None: whoever makes a model of this name."""
    model: str
    """Lower case."""
    guest: bool = False
    """The provider serves another one's model, so only its standard prices hold."""


def squash(name: str) -> str:
    """Only what tells provider names apart: `Azure-OpenAI` and `azure_openai` are one."""
    return "".join(c for c in name.lower() if c.isascii() and c.isalnum())


def provider_names(ids: Iterable[str]) -> dict[str, str]:
    """Squashed name → provider id, `LOCAL` or `UNLISTED`; `ids` are those of the list."""
    aliases = {squash(alias): provider for provider, names in _ALIASES.items() for alias in names.split()}
    return {squash(provider): provider for provider in ids} | aliases


def resolve_provider(name: str | None, known: Mapping[str, str]) -> str | None:
    """The provider's id in the list, `LOCAL`, `UNLISTED`, or None for gateways, frameworks and names nobody knows.

    `known` as from `provider_names`.
    """
    if not name:
        return None
    # openai.chat, anthropic.messages, google.vertex.chat (Vercel AI SDK)
    return known.get(squash(name)) or known.get(squash(name.partition(".")[0]))


def routed_provider(model: str | None, known: Mapping[str, str]) -> str | None:
    """The provider that a gateway's model name starts with (`bedrock/…`, `openai:gpt-4o`), if it does."""
    split = _split(model.strip().lower(), known) if model else None
    return split[0] if split else None


def is_bedrock_id(model: str) -> bool:
    """Whether the name is one of Bedrock's: `anthropic.claude-…`, `eu.amazon.nova-…`, an ARN."""
    return _BEDROCK_ID.match(model) is not None


def runs_locally(model: str) -> bool:
    """Whether the name has an Ollama tag."""
    return _LOCAL_TAG.search(model) is not None


def readings(
    provider: str | None, model: str, known: Mapping[str, str], routes: int = _MAX_ROUTES
) -> Iterator[Reading]:
    """Ways to understand `model` as named by `provider` (as from `resolve_provider`), the likeliest first."""
    name = model.strip().lower().removesuffix("[1m]")  # Claude Code marks the long context in the name
    if name in _PLACEHOLDERS:
        return
    if name.startswith("arn:"):
        provider, name = "aws", name.rpartition("/")[2]
    elif "/models/" in name and provider in (None, "google") and not name.startswith("accounts/"):
        # Vertex resource paths. A tuned model's endpoint (…/endpoints/123) has no name that could be priced.
        provider, name = "google", name.rpartition("/models/")[2]
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    if provider is None or provider in FIRST_PARTY:
        if is_bedrock_id(name):
            provider = "aws"
        elif provider is None and name.startswith("ft:"):
            provider = "openai"
    if provider == "aws":
        yield from _bedrock(name)
        return
    split = _split(name, known)
    if provider is not None:
        yield Reading(provider, name)
        if provider == "fireworks" and "/" not in name:
            yield Reading(provider, f"accounts/fireworks/models/{name}")
    if split is None:
        if provider is None:
            yield Reading(None, name)
        elif provider in ("azure", "google") and "/" in name:  # azure/eu/gpt-4o, publishers/anthropic/claude-…
            yield Reading(provider, name.rpartition("/")[2])
        return
    inner, rest = split
    if routes and (inner == provider or provider is None or provider == "openrouter" or provider in FIRST_PARTY):
        yield from readings(inner, rest, known, routes - 1)
    if provider is None:
        yield Reading(None, name)


def spellings(name: str) -> Iterator[tuple[str, bool]]:
    """(Name, whether it is the base of a fine-tune): as given, then without what lists leave out.

    A date is dropped only after the dated name was not found: `o3-mini-2025-01-31` may cost something else.
    """
    seen: set[str] = set()
    queue = [(name, False)]
    while queue and len(seen) < _MAX_SPELLINGS:
        spelled, tuned = queue.pop(0)
        if not spelled or spelled in seen:
            continue
        seen.add(spelled)
        yield spelled, tuned
        if spelled.startswith("ft:"):  # ft:gpt-4o-mini-2024-07-18:org::id
            queue.append((spelled.split(":", 2)[1], True))
            continue
        base, _, version = spelled.partition("@")  # claude-3-5-sonnet-v2@20241022
        if base and version:
            queue += ((f"{base}-{version}", tuned), (base, tuned))
        queue.append((_VARIANT.sub("", spelled), tuned))
        queue.append((_COMPACT_DATE.sub(r"-\1-\2-\3", spelled), tuned))
        queue.append((_DATE.sub("", spelled), tuned))
        effort = _EFFORT.match(spelled)
        if effort:
            queue.append((effort[1], tuned))


def _split(name: str, known: Mapping[str, str]) -> tuple[str, str] | None:
    """(Provider, rest of the name) of `openrouter/openai/gpt-4o`, `openai:gpt-4o`, `gateway/openai:gpt-4o`."""
    for separator in ("/", ":"):
        left, found, right = name.partition(separator)
        if not found or not right or left == "ft":
            continue
        provider = resolve_provider(left, known)
        if provider is not None:
            if provider == "openai":
                right = right.removeprefix("responses/")
            return provider, right
    return None


def _bedrock(name: str) -> Iterator[Reading]:
    """Bedrock ids: `[geography.]vendor.model-version`. The geography is part of the price: `global` is the cheaper one,
    all others and ids without any cost the same (genai-prices 0.2.3)."""
    name = name.rpartition("/")[2].removeprefix("bedrock:")  # LiteLLM: bedrock/us-east-1/…, bedrock/converse/…
    yield Reading("aws", name)
    prefix, _, rest = name.partition(".")
    if prefix not in _GEO:
        rest = name
    if prefix != "global":
        yield Reading("aws", f"us.{rest}")
        yield Reading("aws", rest)
    if rest.startswith(("anthropic.", "claude")):  # Claude 2 has Anthropic's own prices, and so has `global`
        yield Reading("anthropic", rest.removeprefix("anthropic."), guest=True)
