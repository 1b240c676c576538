"""Rate cards: what a token, request or second costs, and the sum for one call.

Money is integer pico-dollars (10⁻¹² USD). $1 per 1M tokens is 1,000,000 pico per token, so every listed price with at
most six decimals is an exact integer; the few repeating fractions (28 OpenRouter entries) use a common denominator,
`RateCard.divisor`, and each part is rounded half up to a pico once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, TypeAlias, get_args

from spanledger.mapping.cost.call import Call
from spanledger.model.records import Usage

PICO_PER_USD: Final = 10**12
_PICO_PER_TOKEN: Final = 10**6
"""Pico-dollars per token of $1 per 1M tokens."""

MAX_COUNT: Final = 10**9
"""No single call has more tokens, searches or seconds; a larger counter is a broken one."""
MAX_USD: Final = 100_000
"""No single call costs more. Far below the 9.2M USD that an Int64 of pico-dollars holds."""
_MAX_PICO: Final = MAX_USD * PICO_PER_USD

Bucket: TypeAlias = Literal[
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "cache_audio_read",
    "input_image",
    "input_video",
    "output",
    "output_audio",
    "output_image",
    "output_video",
    "reasoning",
]
"""Names of token rates, and of the parts of a cost."""
TOKEN_BUCKETS: Final[tuple[Bucket, ...]] = get_args(Bucket)

Unit: TypeAlias = Literal[
    "requests",
    "web_searches",
    "social_searches",
    "storage_searches",
    "code_executions",
    "rerank_searches",
    "citation_tokens",
    "input_characters",
    "audio_seconds",
    "output_audio_seconds",
    "input_text_messages",
    "input_pixels",
    "input_document_pages",
    "input_annotated_document_pages",
    "images",
]
"""What is counted one by one."""

UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    "requests": ("requests",),
    # Anthropic server_tool_use.web_search_requests; Perplexity num_search_queries
    "web_searches": ("web_searches", "web_search_requests", "num_search_queries"),
    "social_searches": ("social_searches",),
    "storage_searches": ("storage_searches",),
    "code_executions": ("code_executions",),
    "rerank_searches": ("rerank_searches", "search_units"),  # Cohere billed_units.search_units
    "citation_tokens": ("citation_tokens", "output_citation_tokens"),
    "input_characters": ("input_characters", "characters"),
    "audio_seconds": ("audio_seconds", "input_audio_seconds", "seconds"),
    "output_audio_seconds": ("output_audio_seconds",),
    "input_text_messages": ("input_text_messages",),
    "input_pixels": ("input_pixels",),
    "input_document_pages": ("input_document_pages", "pages"),
    "input_annotated_document_pages": ("input_annotated_document_pages",),
    "images": ("images",),
}
"""Counted units → the counters that may carry them, the first present one wins."""

_READ: Final = frozenset(name for names in UNITS.values() for name in names) | {
    "input_video_tokens",
    "output_image_tokens",
    "output_video_tokens",
}
"""Counters that matter for a cost; all others are passed over."""

_NO_OUTPUT: Final = frozenset(("embed", "rerank"))
"""Run types without billed output, though Mistral lists a rate for it."""

_NO_COUNTS: Final[Mapping[str, int | float]] = {}

_ALWAYS_BILLED: Final = ("web_searches", "rerank_searches")
"""Searches cost money everywhere: without a rate the total is too low."""


Bill: TypeAlias = tuple[int, dict[str, int], bool, str]
"""(Total, parts, complete, reference of the rates); amounts in pico-dollars. Not complete: a bucket that was used has
no rate of its own, or a count that is billed is missing. A plain tuple, because a named one takes 0.3 µs to make."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-dollars (times the card's divisor) per token, for calls with more than `above` input tokens."""

    above: int
    ref: str
    input: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_1h: int | None
    exact_1h: bool
    """False: `cache_write_1h` is the cheaper 5 minute rate, because no other one is known."""
    input_audio: int | None
    cache_audio_read: int | None
    input_image: int | None
    input_video: int | None
    output: int | None
    output_audio: int | None
    output_image: int | None
    output_video: int | None
    reasoning: int | None


class RateCard:
    """Rates of one model for one price period, tier and batch flag. Immutable."""

    __slots__ = ("_base", "_by_token", "_complete", "_divisor", "_fee", "_higher", "_units", "free", "ref")

    def __init__(
        self,
        ref: str,
        rates: Mapping[str, Decimal],
        *,
        context_tiers: Sequence[tuple[int, Mapping[str, Decimal]]] = (),
        units: Mapping[str, Fraction] | None = None,
        complete: bool = True,
    ) -> None:
        """`rates` are USD per 1M tokens by bucket; `context_tiers` are (above how many input tokens, all rates);
        `units` are pico-dollars per unit. Not `complete`: even a fully counted call costs more than this says."""
        exact = [
            (above, {bucket: Fraction(price) * _PICO_PER_TOKEN for bucket, price in prices.items()})
            for above, prices in [(-1, rates), *sorted(context_tiers, key=lambda tier: tier[0])]
        ]
        self.ref = ref
        self._divisor = math.lcm(*(price.denominator for _, prices in exact for price in prices.values()))
        compiled = [_compile(above, ref, prices, self._divisor) for above, prices in exact]
        self._base = compiled[0]
        self._higher = tuple(reversed(compiled[1:]))
        self._units = dict(units or {})
        self._fee = "requests" in self._units
        self._by_token = bool(rates)
        self._complete = complete
        self.free = not any(price for _, prices in exact for price in prices.values()) and not any(self._units.values())
        """Nothing on this card costs anything."""

    def bill(self, call: Call) -> Bill | None:
        """The cost of the call, None where its usage is unknown, absurd, or nothing that this card has a rate for."""
        usage = call.usage
        counts = call.counts
        if counts is None and usage is not None:
            counts = usage.extra
        if not counts or _READ.isdisjoint(counts):
            counts = _NO_COUNTS
        parts: dict[str, int] = {}
        rates = self._base
        known = False
        complete = self._complete
        if usage is not None and self._by_token:
            tokens, output = usage.input_tokens, usage.output_tokens
            has_output = call.type not in _NO_OUTPUT
            if not has_output:
                output = 0
            known = tokens is not None or usage.output_tokens is not None
            if tokens is None:
                tokens = 0
                complete = False
            if output is None:
                output = 0
                complete = complete and rates.output is None
            if not 0 <= tokens <= MAX_COUNT or not 0 <= output <= MAX_COUNT:
                return None
            # A cliff, not a margin: one token above and the whole call has the higher rates, output included.
            for higher in self._higher:
                if tokens > higher.above:
                    rates = higher
                    break
            if (
                usage.cache_read_tokens
                or usage.cache_write_tokens
                or usage.cache_write_1h_tokens
                or usage.input_audio_tokens
                or usage.input_image_tokens
                or rates.input is None
                or counts
            ):
                ok = _input(usage, counts, tokens, rates, parts)
                if ok is None:
                    return None
                complete = complete and ok
            elif tokens:
                parts["input"] = tokens * rates.input
            if has_output:
                if usage.output_audio_tokens or rates.reasoning is not None or rates.output is None or counts:
                    ok = _output(usage, counts, output, rates, parts)
                    if ok is None:
                        return None
                    complete = complete and ok
                elif output:
                    parts["output"] = output * rates.output
            if self._divisor != 1:
                parts = {bucket: _round(amount, self._divisor) for bucket, amount in parts.items()}
        if counts or self._fee:
            counted = self._count(counts, parts)
            if counted is None:
                return None
            known = known or counted[0] or (self._fee and not self._by_token)
            complete = complete and counted[1]
        total = sum(parts.values())
        if not known or total > _MAX_PICO or not (parts or complete):
            return None
        return total, parts, complete, rates.ref

    def _count(self, counts: Mapping[str, int | float], parts: dict[str, int]) -> tuple[bool, bool] | None:
        """(Whether a counter given was billed, whether all billed ones have a rate); None for absurd counts."""
        billed = False
        for unit, rate in self._units.items():
            given = _given(counts, unit)
            if given is None:
                if unit != "requests":
                    continue
                amount = Fraction(1)  # a fee per request: the call itself is one
            elif 0 <= given <= MAX_COUNT:
                billed = True
                amount = Fraction(given)
            else:  # NaN too
                return None
            if amount:
                parts[unit] = round(amount * rate)
        missing = any(unit not in self._units and _given(counts, unit) for unit in _ALWAYS_BILLED)
        return billed, not missing or self.free


def _input(
    usage: Usage, counts: Mapping[str, int | float], tokens: int, rates: Rates, parts: dict[str, int]
) -> bool | None:
    """Adds the disjoint buckets of the input to `parts`. False where one has no rate, None for absurd counts."""
    cache_read = usage.cache_read_tokens or 0
    cache_write = usage.cache_write_tokens or 0
    if (
        usage.cache_write_1h_tokens
        or usage.input_audio_tokens
        or usage.input_image_tokens
        or counts
        or cache_read < 0
        or cache_write < 0
        or cache_read > tokens
        or cache_write > tokens
        or rates.input is None
        or rates.cache_read is None
        or rates.cache_write is None
    ):
        return _mixed_input(usage, counts, tokens, rates, parts)
    fresh = tokens - cache_read - cache_write
    if fresh > 0:
        parts["input"] = fresh * rates.input
    if cache_read:
        parts["cache_read"] = cache_read * rates.cache_read
    if cache_write:
        parts["cache_write"] = cache_write * rates.cache_write
    return True


def _mixed_input(
    usage: Usage, counts: Mapping[str, int | float], tokens: int, rates: Rates, parts: dict[str, int]
) -> bool | None:
    """`_input` for calls with more than plain and cached text."""
    cache_read = usage.cache_read_tokens or 0
    cache_write_1h = usage.cache_write_1h_tokens or 0
    cache_write = max(usage.cache_write_tokens or 0, cache_write_1h)
    audio = usage.input_audio_tokens or 0
    image = usage.input_image_tokens or 0
    video = _carved(counts, "input_video_tokens", rates.input_video)
    cached_audio = usage.cache_audio_read_tokens
    if cached_audio is None:  # the smallest overlap that is possible
        cached_audio = max(0, cache_read + audio - tokens)
    cached_audio = min(cached_audio, cache_read, audio)
    if not _sane(cache_read, cache_write, cache_write_1h, audio, image, video, cached_audio):
        return None
    fresh = tokens - cache_read - cache_write - audio + cached_audio - image - video
    if fresh < 0:  # images that were read from the cache stand in both counters
        image = max(0, image + fresh)
        fresh = 0
    complete = _add(
        parts,
        ("input", fresh, rates.input),
        ("cache_read", cache_read - cached_audio, rates.cache_read),
        ("cache_write", cache_write - cache_write_1h, rates.cache_write),
        ("cache_write_1h", cache_write_1h, rates.cache_write_1h),
        ("input_audio", audio - cached_audio, rates.input_audio),
        ("cache_audio_read", cached_audio, rates.cache_audio_read),
        ("input_image", image, rates.input_image),
        ("input_video", video, rates.input_video),
    )
    return complete and (rates.exact_1h or not cache_write_1h)


def _output(
    usage: Usage, counts: Mapping[str, int | float], tokens: int, rates: Rates, parts: dict[str, int]
) -> bool | None:
    """Adds the disjoint buckets of the output, as `_input`."""
    audio = usage.output_audio_tokens or 0
    reasoning = 0 if rates.reasoning is None else usage.reasoning_tokens or 0
    image = _carved(counts, "output_image_tokens", rates.output_image)
    video = _carved(counts, "output_video_tokens", rates.output_video)
    if not _sane(audio, reasoning, image, video):
        return None
    return _add(
        parts,
        ("output", max(0, tokens - audio - reasoning - image - video), rates.output),
        ("output_audio", audio, rates.output_audio),
        ("reasoning", reasoning, rates.reasoning),
        ("output_image", image, rates.output_image),
        ("output_video", video, rates.output_video),
    )


def _add(parts: dict[str, int], *buckets: tuple[str, int, int | None]) -> bool:
    complete = True
    for bucket, count, rate in buckets:
        if count:
            if rate is None:
                complete = False
            else:
                parts[bucket] = count * rate
    return complete


def _sane(*counts: int) -> bool:
    return min(counts) >= 0 and max(counts) <= MAX_COUNT


def _given(counts: Mapping[str, int | float], unit: str) -> int | float | None:
    for name in UNITS[unit]:
        if name in counts:
            return counts[name]
    return None


def _compile(above: int, ref: str, prices: Mapping[str, Fraction], divisor: int) -> Rates:
    rate: dict[str, int | None] = dict.fromkeys(TOKEN_BUCKETS)
    rate.update((bucket, int(price * divisor)) for bucket, price in prices.items())
    for bucket, instead in (
        ("cache_read", "input"),
        ("cache_write", "input"),
        ("input_image", "input"),
        ("cache_audio_read", "input_audio"),
    ):
        if rate[bucket] is None:
            rate[bucket] = rate[instead]
    exact_1h = rate["cache_write_1h"] is not None or "cache_write" not in prices
    if rate["cache_write_1h"] is None:
        rate["cache_write_1h"] = rate["cache_write"]
    if above >= 0:
        ref = f"{ref} >{above} input"
    return Rates(above=above, ref=ref, exact_1h=exact_1h, **rate)


def _carved(counts: Mapping[str, int | float], name: str, rate: int | None) -> int:
    """Tokens of a modality with a rate of its own that stand only among the extra counters."""
    given = counts.get(name) if rate is not None else None
    return given if isinstance(given, int) else 0


def _round(amount: int, divisor: int) -> int:
    return (2 * amount + divisor) // (2 * divisor)
