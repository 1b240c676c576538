"""Facts that stand inside a provider's response body or a framework's dump of it: id, model, usage, finish reasons.

Shapes as in docs/dialects.md: OpenAI chat and responses, Anthropic, Gemini, Bedrock Converse, LangChain results,
AI SDK results, Ollama, Cohere.
"""

from __future__ import annotations

from typing import Any, Final

from spanledger.mapping.coerce import count, text
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.model.span import Value

_USAGE_KEYS: Final = ("usage", "usageMetadata", "usage_metadata", "token_usage", "tokenUsage")
_RESPONSE_MARKS: Final = frozenset(
    {"choices", "content", "output", "candidates", "object", "usage", "usageMetadata", "usage_metadata", "message"}
)

COUNTERS: dict[str, str] = {
    # OpenAI, Anthropic, semantic conventions
    "input_tokens": "input", "prompt_tokens": "input", "output_tokens": "output", "completion_tokens": "output",
    "total_tokens": "total",
    "cached_tokens": "cache_read", "cache_read_input_tokens": "cache_read", "cache_read_tokens": "cache_read",
    "cached_input_tokens": "cache_read", "prompt_cache_hit_tokens": "cache_read", "input_cached_tokens": "cache_read",
    "prompt_cached_tokens": "cache_read", "prompt_cache_creation_tokens": "cache_write",
    "completion_reasoning_tokens": "reasoning",
    "cache_creation_input_tokens": "cache_write", "cache_write_tokens": "cache_write",
    "cache_creation_tokens": "cache_write", "cache_write_input_tokens": "cache_write",
    "ephemeral_5m_input_tokens": "cache_write_5m", "ephemeral_1h_input_tokens": "cache_write_1h",
    "reasoning_tokens": "reasoning", "output_reasoning_tokens": "reasoning", "thoughts_tokens": "reasoning",
    # camel case: AI SDK, Bedrock Converse, Genkit
    "inputTokens": "input", "promptTokens": "input", "outputTokens": "output", "completionTokens": "output",
    "totalTokens": "total", "cachedInputTokens": "cache_read", "cacheReadTokens": "cache_read",
    "cacheReadInputTokens": "cache_read", "cachedPromptTokens": "cache_read", "cachedContentTokens": "cache_read",
    "cacheReadInputTokenCount": "cache_read", "cacheWriteInputTokenCount": "cache_write",
    "cacheWriteTokens": "cache_write", "cacheWriteInputTokens": "cache_write",
    "cacheCreationInputTokens": "cache_write", "reasoningTokens": "reasoning", "thoughtsTokens": "reasoning",
    # Gemini
    "promptTokenCount": "input", "prompt_token_count": "input", "candidatesTokenCount": "output",
    "candidates_token_count": "output", "totalTokenCount": "total", "total_token_count": "total",
    "cachedContentTokenCount": "cache_read", "cached_content_token_count": "cache_read",
    "thoughtsTokenCount": "thoughts", "thoughts_token_count": "thoughts",
    "toolUsePromptTokenCount": "tool_use", "tool_use_prompt_token_count": "tool_use",
    # Langfuse, LangChain and others with bare names
    "input": "input", "prompt": "input", "output": "output", "completion": "output", "total": "total",
    "cache_read": "cache_read", "input_cached": "cache_read", "input_cache_read": "cache_read",
    "cache_creation": "cache_write", "input_cache_creation": "cache_write", "cache_write": "cache_write",
    "reasoning": "reasoning", "output_reasoning": "reasoning",
    "input_audio": "input_audio", "output_audio": "output_audio", "input_audio_tokens": "input_audio",
    "output_audio_tokens": "output_audio", "input_image_tokens": "input_image",
    "prompt_eval_count": "input", "eval_count": "output",
}  # fmt: skip

_INPUT_DETAILS: Final = (
    "prompt_tokens_details", "input_tokens_details", "input_token_details", "inputTokenDetails", "promptTokensDetails",
    "inputTokensDetails", "prompt_token_details",
)  # fmt: skip
_OUTPUT_DETAILS: Final = (
    "completion_tokens_details", "output_tokens_details", "output_token_details", "outputTokenDetails",
    "completionTokensDetails", "outputTokensDetails", "completion_token_details",
)  # fmt: skip


_DETAILS: Final = (
    (_INPUT_DETAILS, "input_audio", "input_image"),
    (_OUTPUT_DETAILS, "output_audio", "output_image"),
)
_DETAIL_KEYS: Final = frozenset((*_INPUT_DETAILS, *_OUTPUT_DETAILS))
_INNER: Final = (
    "choices", "candidates", "generations", "message", "kwargs", "data", "response_metadata", "generationInfo",
    "llm_output", "llmOutput",
    "response", "messages", "replies", "meta", "raw", "body", "custom",
)  # fmt: skip
"""Where a body stands inside another, or a part of it."""
_INNER_KEYS: Final = frozenset(_INNER)
_STATUS: Final = {"completed": "stop", "incomplete": "length", "failed": "error", "cancelled": "error"}


class BodyFacts:
    """What a response body states. `usage` is the document as written; see `spanledger.mapping.usage`."""

    __slots__ = ("finish", "model", "raw_finish", "response_id", "usage")

    def __init__(self) -> None:
        self.response_id: str | None = None
        self.model: str | None = None
        self.usage: dict[str, Any] | None = None
        self.finish: Value = None
        self.raw_finish: Value = None
        """What the provider said, where a framework says something of its own and keeps the provider's body as well."""


def response_facts(body: Value) -> BodyFacts:
    """Facts of a decoded response body; empty where it is none."""
    facts = BodyFacts()
    _collect(body, facts, 0)
    return facts


def finish_of_status(status: Value) -> str | None:
    """Finish reason that the status of an OpenAI response stands for."""
    return _STATUS.get(status) if isinstance(status, str) else None


def _collect(body: Value, facts: BodyFacts, depth: int) -> None:
    if depth > 8:
        return
    if isinstance(body, list):
        for element in body[:8]:
            if isinstance(element, (dict, list)):
                _collect(element, facts, depth + 1)
        return
    if not isinstance(body, dict):
        return
    if facts.usage is None:
        for key in _USAGE_KEYS:
            usage = body.get(key)
            if isinstance(usage, dict) and read_counters(usage):
                facts.usage = usage
                break
    if facts.response_id is None:
        facts.response_id = _response_id(body)
    if facts.model is None:
        for key in ("model", "model_name", "modelVersion", "model_version", "modelId", "model_id"):
            name = text(body.get(key))
            if name is not None:
                facts.model = name
                break
    if facts.finish is None and (body.get("object") == "response" or isinstance(body.get("output"), list)):
        facts.finish = finish_of_status(body.get("status"))  # OpenAI Responses has no reason but a status
    if facts.finish is None:
        for key in ("finish_reason", "finishReason", "stop_reason", "stopReason"):
            reason = body.get(key)
            if isinstance(reason, str) and reason:
                facts.finish = reason
                break
    for key in _INNER if not _INNER_KEYS.isdisjoint(body) else ():
        inner = body.get(key)
        if key == "raw" and isinstance(inner, str) and "(id=" in inner[:64]:
            inner = parse_repr(inner)[1]  # smolagents: the client's response object, printed
        if key == "raw" and isinstance(inner, dict) and facts.raw_finish is None and facts.finish is not None:
            facts.raw_finish = response_facts(inner).finish  # Genkit calls every end `stop`
        if isinstance(inner, (dict, list)):
            if key == "messages" and isinstance(inner, list):
                inner = inner[-1:]  # a state that holds the conversation: only its end is the answer
            _collect(inner, facts, depth + 1)


def _response_id(body: dict[str, Any]) -> str | None:
    for key in ("responseId", "response_id"):
        found = text(body.get(key))
        if found is not None:
            return found
    own: Value = body.get("id")
    if not isinstance(own, str) or not own:
        return None
    if own.startswith(("chatcmpl", "msg_", "resp_", "cmpl-", "gen-")):
        return own
    if own.startswith(("run-", "run_", "lc_run-")) or isinstance(body.get("lc"), int):
        return None
    return own if "role" not in body and not _RESPONSE_MARKS.isdisjoint(body) else None


def read_counters(document: dict[str, Any]) -> dict[str, int]:
    """Token counters of a usage document under canonical short names (`input`, `cache_read`, …)."""
    found: dict[str, int] = {}
    for key, value in document.items():
        name = COUNTERS.get(key)
        if name is None:
            continue
        if isinstance(value, dict):
            if name == "cache_write":  # Anthropic's cache_creation object
                for inner, amount in value.items():
                    by_ttl = COUNTERS.get(inner)
                    counted = count(amount)
                    if by_ttl is not None and counted is not None:
                        found.setdefault(by_ttl, counted)
            elif "total" in value and (counted := count(value["total"])) is not None:  # AI SDK 6 internal shape
                found.setdefault(name, counted)
            continue
        counted = count(value)
        if counted is not None:
            found.setdefault(name, counted)
    for keys, audio, image in _DETAILS if not _DETAIL_KEYS.isdisjoint(document) else ():
        for key in keys:
            details = document.get(key)
            if not isinstance(details, dict):
                continue
            for inner, amount in details.items():
                counted = count(amount)
                if counted is None:
                    continue
                if inner in ("audio_tokens", "audio", "audioTokens"):
                    found.setdefault(audio, counted)
                elif inner in ("image_tokens", "image", "imageTokens"):
                    found.setdefault(image, counted)
                else:
                    name = COUNTERS.get(inner)
                    if name in ("cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "reasoning"):
                        found.setdefault(name, counted)
    return found
