"""Mistral's own Python client, which traces itself: since 1.10, and by the semantic conventions since 2.0."""

from spanledger.mapping.dialects.base import EMBED, LLM, Dialect, name

_SCOPE = "mistralai_sdk_tracer"

DIALECT = Dialect(
    code="mistral",
    title="Mistral's Python client",
    rank=93,
    keys={"mistral_ai.request.total_tokens": "usage_total"},
    scopes=(_SCOPE,),
    names=(  # operations of its API, which 1.x gives as names and nothing else on streamed and failed calls
        name(r"(stream_)?(chat|fim|agents)|(chat|fim|agents|stream)_.*completion.*|stream_.*", LLM, scope=_SCOPE),
        name(r"embeddings_.*", EMBED, scope=_SCOPE),
    ),
    notes="Version 1.x tells streamed and failed calls by the request alone.",
)
