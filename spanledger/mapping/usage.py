"""Token usage in one convention: input with cache reads and writes, output with reasoning; unknown is None, not 0.

The same key means different things with different emitters (docs/dialects.md, usage). The decision, in order:
arithmetic proof, the provider's raw counters where the span carries them, the emitter's table entry, the convention.
"""

from __future__ import annotations

from typing import Any, Final

from spanledger.mapping.bodies import read_counters
from spanledger.mapping.coerce import count, number, text
from spanledger.mapping.dialects import BY_CODE, KEYS
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json, parse_printed
from spanledger.mapping.shape import Shape
from spanledger.model.records import Usage

_EXCLUSIVE_FAMILIES: Final = ("anthropic", "aws.bedrock")

_SLOTS: Final = (
    ("usage_input", "input"),
    ("usage_output", "output"),
    ("usage_total", "total"),
    ("usage_cache_read", "cache_read"),
    ("usage_cache_write", "cache_write"),
    ("usage_cache_write_5m", "cache_write_5m"),
    ("usage_cache_write_1h", "cache_write_1h"),
    ("usage_reasoning", "reasoning"),
    ("usage_input_audio", "input_audio"),
    ("usage_output_audio", "output_audio"),
    ("usage_cache_audio", "cache_audio"),
    ("usage_input_image", "input_image"),
)

_MOST_ITERATIONS: Final = 1_000
_STATED: Final = ("usage_input", "usage_output")
_TOKEN_KEYS: Final = frozenset(key for key, (slot, _) in KEYS.keys.items() if slot in _STATED)

_DETAILS: Final = {
    "cache_read_tokens": "cache_read",
    "cached_tokens": "cache_read",
    "cached_content_tokens": "cache_read",
    "cache_read_input_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_creation_input_tokens": "cache_write",
    "reasoning_tokens": "reasoning",
    "thoughts_tokens": "reasoning",
    "input_audio_tokens": "input_audio",
    "output_audio_tokens": "output_audio",
}


def _counters(slots: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(slot, name) for slot, name in _SLOTS if slot in slots]


def usage_of(
    span: Facts,
    shape: Shape,
    provider: str | None,
    dialect: str | None,
    body_usage: dict[str, Any] | None,
    warnings: list[str],
) -> Usage | None:
    """The usage that a span states, or None where it states none.

    `dialect` is that of the instrumentation scope, `body_usage` the usage object of a response body on the span.
    """
    counts: dict[str, int] = {}
    for slot, name in shape.of(_counters):
        counted = count(getattr(span, slot))
        if counted is not None:
            counts[name] = counted
    stated = "input" in counts or "output" in counts
    for beside, within, total in (
        (count(span.usage_thoughts), "reasoning", "output"),  # Gemini's own counters stand beside each other
        (count(span.usage_tool_use), None, "input"),
    ):
        if beside is not None and total in counts:
            counts[total] += beside
            if within is not None:
                counts.setdefault(within, beside)
    extra: dict[str, int | float] = {}
    if span.usage_extra is not None:
        for key, value in span.usage_extra.items():
            amount = number(value)
            if amount is None:
                continue
            detail = _DETAILS.get(key)
            if detail is not None and isinstance(amount, int):
                counts.setdefault(detail, amount)
            else:
                extra[key] = amount
    exclusive: bool | None = None
    for document in _documents(span, body_usage):
        read = read_counters(document)
        if not read:
            continue
        verdict = _compare(counts, read, document)
        if exclusive is None:
            exclusive = verdict
        _fill(counts, read, document)
        _add_compactions(counts, read, document)
    if span.provider_metadata is not None:
        _provider_metadata(span.provider_metadata, counts)
    if not counts or not ("input" in counts or "output" in counts or "total" in counts):
        return None
    if not stated and not any(counts.values()):
        return None  # a dump of a result object with all counters at zero says nothing
    if not _TOKEN_KEYS.isdisjoint(span.rest):
        warnings.append("usage_conflict")  # a weaker key of the same counter says something else (R6)
    return _normalise(span, counts, extra, provider, dialect, exclusive, warnings)


def _documents(span: Facts, body_usage: dict[str, Any] | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for value in (span.usage_document, span.usage_raw):
        if value is not None:
            document = parse_printed(value)  # LiteLLM writes Python's repr
            if isinstance(document, dict):
                found.append(document)
    details: dict[str, Any] = {}
    for value, key in (
        (span.usage_input_details, "input_token_details"),
        (span.usage_output_details, "output_token_details"),
    ):
        if value is not None:
            _, document = parse_json(value)
            if isinstance(document, dict):
                details[key] = document
    if details:
        found.append(details)
    if body_usage is not None:
        found.append(body_usage)
    return found


def _is_raw_exclusive(document: dict[str, Any]) -> bool:
    """Anthropic's and Bedrock Converse's own usage objects leave cache reads and writes out of their input.

    Anthropic's has no total; MLflow writes its names, with a total, for all providers, and sums the input."""
    return (
        ("cache_read_input_tokens" in document or "cache_creation_input_tokens" in document)
        and "total_tokens" not in document
    ) or (
        "cacheReadInputTokens" in document
        or "cacheWriteInputTokens" in document
        or ("input" in document and ("input_cached_tokens" in document or "input_cache_read" in document))
    )


def _compare(counts: dict[str, int], read: dict[str, int], document: dict[str, Any]) -> bool | None:
    """Whether the stated input leaves the cache out, told by a raw provider document beside it."""
    cache = read.get("cache_read", 0) + read.get("cache_write", 0)
    if cache == 0 or "input" not in read or not _is_raw_exclusive(document):
        return None
    if "input" in document:  # Langfuse's usage_details: every bucket apart from the others
        return True
    if "input" not in counts or counts["input"] == read["input"]:
        return True
    if counts["input"] == read["input"] + cache:
        return False
    return None


def _fill(counts: dict[str, int], read: dict[str, int], document: dict[str, Any]) -> None:
    if "thoughts" in read:  # Gemini counts thoughts beside the candidates
        if "output" not in counts and "output" in read:
            counts["output"] = read["output"] + read["thoughts"]
        counts.setdefault("reasoning", read["thoughts"])
    if "tool_use" in read and "input" not in counts and "input" in read:
        counts["input"] = read["input"] + read["tool_use"]
    for name, value in read.items():
        if name not in ("thoughts", "tool_use"):
            counts.setdefault(name, value)


def _add_compactions(counts: dict[str, int], read: dict[str, int], document: dict[str, Any]) -> None:
    """Anthropic leaves the passes that compact the conversation out of its totals and bills them all the same. AI SDK 7
    has them in its own counters; the advisor's passes belong to another model."""
    iterations = document.get("iterations")
    if not isinstance(iterations, list) or "output" not in read or counts.get("output") != read["output"]:
        return
    for iteration in iterations[:_MOST_ITERATIONS]:
        if isinstance(iteration, dict) and iteration.get("type") == "compaction":
            for name, amount in read_counters(iteration).items():
                if name in counts:
                    counts[name] += amount


def _provider_metadata(value: Any, counts: dict[str, int]) -> None:
    """AI SDK `providerMetadata`: cache counters that versions 4 and 5 write nowhere else."""
    _, document = parse_json(value)
    if not isinstance(document, dict):
        return
    for provider in document.values():
        if not isinstance(provider, dict):
            continue
        usage = provider.get("usage")
        if not isinstance(usage, dict):
            usage = provider.get("usageMetadata")
        for source in (provider, usage if isinstance(usage, dict) else {}):
            read = read_counters(source)
            for name in ("cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "reasoning"):
                if name in read:
                    counts.setdefault(name, read[name])
            thoughts = read.get("thoughts")
            if thoughts is not None:
                counts.setdefault("reasoning", thoughts)
                if "output" in counts and counts["output"] == read.get("output"):  # AI SDK 4 and 5: candidates alone
                    counts["output"] += thoughts


def _normalise(
    span: Facts,
    counts: dict[str, int],
    extra: dict[str, int | float],
    provider: str | None,
    dialect: str | None,
    exclusive: bool | None,
    warnings: list[str],
) -> Usage:
    given, output, total = counts.get("input"), counts.get("output"), counts.get("total")
    read = counts.get("cache_read")
    by_ttl = counts.get("cache_write_5m", 0) + counts.get("cache_write_1h", 0)
    write = counts.get("cache_write", by_ttl or None)
    cache = (read or 0) + (write or 0)
    convention = "inclusive"
    if given is not None and cache:
        if cache > given:
            exclusive = True
        elif exclusive is None and total is not None and output is not None and total != given + output:
            exclusive = True if total in (given + output + cache, given + output + (read or 0)) else None
        if exclusive is None:
            exclusive = _by_emitter(span, provider, dialect)
            if exclusive is None:
                exclusive = False
                if provider in _EXCLUSIVE_FAMILIES and span.provider is None:
                    convention = "ambiguous"
        if exclusive:
            given += cache
            convention = "exclusive_converted"
    elif given and read is None and write is None and _hides_cache(span, provider, dialect):
        convention = "ambiguous"
        warnings.append("cache_tokens_unknown")
    reasoning = counts.get("reasoning")
    if reasoning and output is not None:
        outside = total is not None and given is not None and total == given + output + reasoning
        if outside or reasoning > output:
            output += reasoning
    return Usage(
        input_tokens=given,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=counts.get("cache_write_1h"),
        reasoning_tokens=reasoning,
        input_audio_tokens=counts.get("input_audio"),
        output_audio_tokens=counts.get("output_audio"),
        cache_audio_read_tokens=counts.get("cache_audio"),
        input_image_tokens=counts.get("input_image"),
        extra=extra if given is not None or output is not None or total is None else {**extra, "total_tokens": total},
        convention=convention,
        source="estimated" if dialect == "botocore" and _is_guessed_by_botocore(span) else "provider",
    )


def _hides_cache(span: Facts, provider: str | None, dialect: str | None) -> bool:
    """Whether the emitter counts without the cache and has no place for the cache's counters: OpenTelemetry's botocore
    instrumentation, and AI SDK 3 and 4 without the provider's metadata. What was cached is billed, and not told."""
    if provider not in _EXCLUSIVE_FAMILIES:
        return False
    if dialect == "botocore":
        return not _is_guessed_by_botocore(span)
    is_vercel = getattr(span, "kind_vercel", None) is not None
    return is_vercel and span.provider_metadata is None and span.input_token_details is None


def _is_guessed_by_botocore(span: Facts) -> bool:
    """Whether OpenTelemetry's botocore instrumentation wrote length / 6 for want of counters (Cohere, Mistral)."""
    model = text(span.request_model) or ""
    return "cohere." in model or "mistral." in model


def _by_emitter(span: Facts, provider: str | None, dialect: str | None) -> bool | None:
    """What is known of the instrumentation that wrote the counters; None when nothing is."""
    if span.input_token_details is not None:
        return False  # AI SDK 6 and newer
    emitter = BY_CODE.get(dialect) if dialect is not None else None
    if emitter is None and getattr(span, "kind_vercel", None) is not None:
        emitter = BY_CODE["vercel"]
    if emitter is not None and emitter.exclusive_cache:
        return "*" in emitter.exclusive_cache or provider in emitter.exclusive_cache
    if emitter is not None:
        return False
    if provider in _EXCLUSIVE_FAMILIES and span.provider is None and span.system is not None:
        return True
    return None
