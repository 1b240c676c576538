"""Request parameters: from attributes, from parameter documents, and from whole request bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from spanledger.mapping.coerce import flag, number, text
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json, parse_printed
from spanledger.model.span import Value

_STREAMED: Final = re.compile(r"(?i:(^|[._])a?stream([._]|$))|[a-z]Stream$")
"""The method in a span's name: `invoke_stream`, `stream_chat`, `ai.streamText.doStream`, `GenerateContentStream`."""

_NUMBERS: Final = (
    "temperature", "top_p", "top_k", "max_tokens", "seed", "frequency_penalty", "presence_penalty",
    "repetition_penalty", "choice_count", "dimensions",
)  # fmt: skip

_NAMES: Final = {
    "temperature": "temperature",
    "top_p": "top_p", "topp": "top_p", "p": "top_p",
    "top_k": "top_k", "topk": "top_k", "k": "top_k",
    "max_tokens": "max_tokens", "maxtokens": "max_tokens", "max_completion_tokens": "max_tokens",
    "maxcompletiontokens": "max_tokens", "max_output_tokens": "max_tokens", "maxoutputtokens": "max_tokens",
    "max_new_tokens": "max_tokens", "num_predict": "max_tokens", "max_tokens_to_sample": "max_tokens",
    "num_output": "max_tokens",  # LlamaIndex
    "stop": "stop", "stop_sequences": "stop", "stopsequences": "stop", "stop_words": "stop",
    "seed": "seed", "random_seed": "seed",
    "frequency_penalty": "frequency_penalty", "frequencypenalty": "frequency_penalty",
    "presence_penalty": "presence_penalty", "presencepenalty": "presence_penalty",
    "repetition_penalty": "repetition_penalty",
    "n": "choice_count", "candidate_count": "choice_count", "candidatecount": "choice_count",
    "response_format": "response_format", "responseformat": "response_format",
    "tool_choice": "tool_choice", "toolchoice": "tool_choice",
    "parallel_tool_calls": "parallel_tool_calls", "paralleltoolcalls": "parallel_tool_calls",
    "reasoning_effort": "reasoning_effort", "reasoningeffort": "reasoning_effort",
    "reasoning": "reasoning", "thinking": "thinking", "thinking_config": "thinking",
    "thinkingconfig": "thinking",
    "service_tier": "service_tier", "servicetier": "service_tier",
    "dimensions": "dimensions", "output_dimensionality": "dimensions", "outputdimensionality": "dimensions",
    "encoding_format": "encoding_formats", "encodingformat": "encoding_formats",
    "user": "user",
    "logprobs": "logprobs", "top_logprobs": "top_logprobs", "logit_bias": "logit_bias",
    "modalities": "modalities", "store": "store", "verbosity": "verbosity", "truncation": "truncation",
    "max_retries": "max_retries", "maxretries": "max_retries", "max_steps": "max_steps", "maxsteps": "max_steps",
}  # fmt: skip

_NESTED: Final = (
    "config",
    "generation_config",
    "generationConfig",
    "inferenceConfig",
    "inference_config",
    "options",
    "kwargs",
)
_NESTED_KEYS: Final = frozenset(_NESTED)
_BODY_KEYS: Final = ("messages", "input", "contents", "prompt", "model", "modelId")


_LANGCHAIN_PARAMETERS: Final = frozenset({"ls_temperature", "ls_max_tokens", "ls_stop"})


def params_of(span: Facts, request: Value) -> dict[str, Value]:
    """The parameters of a model call. `request` is the decoded request body, where a span carries one."""
    found: dict[str, Value] = {}
    facts = vars(span)
    for name in _NUMBERS:
        if name in facts:
            amount = number(facts[name])
            if amount is not None:
                found[name] = amount
    stop = string_list(span.stop)
    if stop:
        found["stop"] = stop
    for name in ("tool_choice", "response_format"):
        value = getattr(span, name)
        if value is not None and not (isinstance(value, str) and value.strip() in ("", "None", "null")):
            found[name] = parse_json(value)[1] if isinstance(value, str) and value[:1] in "{[" else value
    for name in ("reasoning_effort", "service_tier"):
        written = text(getattr(span, name))
        if written is not None:
            found[name] = written
    if span.output_schema is not None:
        found["output_schema"] = parse_json(span.output_schema)[1]
    formats = string_list(span.encoding_formats)
    if formats:
        found["encoding_formats"] = formats
    user = text(span.api_user)
    if user is not None:
        found["user"] = user
    if span.settings is not None:
        _add(found, span.settings)
    document = parse_printed(span.parameters) if span.parameters is not None else None
    if isinstance(document, dict):
        _add(found, document)
    if isinstance(request, dict):
        _add(found, request)
    if span.meta_document is not None and getattr(span, "kind_braintrust", None) is not None:
        document = parse_json(span.meta_document)[1]  # the request but for its messages
        if isinstance(document, dict):
            _add(found, document)
    if span.meta is not None and not _LANGCHAIN_PARAMETERS.isdisjoint(span.meta):
        _add(found, {key[3:]: value for key, value in span.meta.items() if key in _LANGCHAIN_PARAMETERS})
    effort = found.get("reasoning")
    if isinstance(effort, dict) and "reasoning_effort" not in found and text(effort.get("effort")):
        found["reasoning_effort"] = effort["effort"]
    return found


def _add(found: dict[str, Value], document: Mapping[str, Any]) -> None:
    """Take the known parameters of a document that are not there yet; other keys are content or unknown."""
    for key, value in document.items():
        if value is None or value in ("", [], {}):
            continue
        name = _NAMES.get(key if key in _NAMES else key.lower())
        if name is None or name in found:
            continue
        if name in _NUMBERS:
            amount = number(value)
            if amount is not None and not (name == "max_tokens" and amount < 0):
                found[name] = amount
        elif name == "stop":
            stop = string_list(value)
            if stop:
                found["stop"] = stop
        elif name == "encoding_formats":
            found[name] = string_list(value)
        else:
            found[name] = value
    for key in _NESTED if not _NESTED_KEYS.isdisjoint(document) else ():
        nested = document.get(key)
        if isinstance(nested, dict):
            _add(found, nested)


def string_list(value: Value) -> list[str]:
    """A list of strings from a list, a JSON list, or a single string; placeholders give an empty list."""
    if value is None:
        return []
    if isinstance(value, str):
        if value[:1] == "[":
            _, parsed = parse_json(value)
            if isinstance(parsed, list):
                return [str(item) for item in parsed if item not in (None, "")]
            inner = value.strip("[] ")
            return [part.strip().strip("\"'") for part in inner.split(",") if part.strip().strip("\"'")]
        return [value] if value not in ("", "None", "null") else []
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value if item not in (None, "")]
    return []


def streaming_of(span: Facts, request: Value) -> bool | None:
    """Whether the answer was streamed, where anything says so."""
    said = flag(span.streaming)
    if said is not None:
        return said
    if isinstance(request, dict):
        said = flag(request.get("stream"))
        if said is not None:
            return said
        if request.get("streaming_callback"):  # Haystack
            return True
    document = parse_json(span.parameters)[1] if span.parameters is not None else None
    if isinstance(document, dict):
        said = flag(document.get("stream"))
        if said is not None:
            return said
    if span.meta is not None:
        said = flag(span.meta.get("stream"))
        if said is not None:
            return said
    if span.logfire_span_type == "log":  # the late half of a streamed call
        return True
    if span.ttft_s is not None or span.ttft_ms is not None or span.first_token_at is not None:
        return True
    if "tream" in span.name and _STREAMED.search(span.name):
        return True
    if str(getattr(span, "kind_vercel", None)).startswith("ai.stream"):  # an aborted stream, of which this is all
        return True
    return None
