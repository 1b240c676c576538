"""The price list: genai-prices' bundled snapshot, found by name and compiled into rate cards.

Only the data of genai-prices is used, not its calculation (about 50 µs a call) and not its lookup, whose caches grow
without bound with names that anyone on the network may choose (measured on 0.2.3). Its updater is never started.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

from spanledger.mapping.cost.rate_card import PICO_PER_USD, RateCard

if TYPE_CHECKING:
    from genai_prices.types import (
        MatchLogic,
        ModelInfo,
        ModelPrice,
        PriceVariant,
        Provider,
        StartDateConstraint,
        TimeOfDateConstraint,
    )

    Found: TypeAlias = tuple[str, ModelInfo]
    """(Provider id, model)"""
    Constraint: TypeAlias = StartDateConstraint | TimeOfDateConstraint | None

Predicate: TypeAlias = Callable[[str], bool]

_DAY_NS: Final = 86_400 * 10**9
_LAST_NS: Final = 4_102_444_800 * 10**9  # the year 2100; later starts are wrong clocks

TOKEN_PRICES: Final = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_audio_read",
    "input_image_mtok": "input_image",
    "input_video_mtok": "input_video",
    "output_mtok": "output",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "output_video_mtok": "output_video",
    "output_reasoning_mtok": "reasoning",
}
"""USD per 1M tokens → bucket."""

UNIT_PRICES: Final = {
    "requests_kcount": ("requests", 1_000),
    "web_searches_kcount": ("web_searches", 1_000),
    "social_searches_kcount": ("social_searches", 1_000),
    "storage_searches_kcount": ("storage_searches", 1_000),
    "code_executions_kcount": ("code_executions", 1_000),
    "rerank_searches_kcount": ("rerank_searches", 1_000),
    "output_citation_mtok": ("citation_tokens", 1_000_000),
    "input_mchars": ("input_characters", 1_000_000),
    "audio_hours": ("audio_seconds", 3_600),
    "input_audio_hours": ("audio_seconds", 3_600),
    "output_audio_hours": ("output_audio_seconds", 3_600),
    "input_text_messages_kcount": ("input_text_messages", 1_000),
    "input_gpixels": ("input_pixels", 10**9),
    "input_document_kpages": ("input_document_pages", 1_000),
    "input_annotated_document_kpages": ("input_annotated_document_pages", 1_000),
}
"""USD per so many units → unit."""

IGNORED_PRICES: Final = frozenset(("cache_image_read_mtok",))
"""No SDK says how many image tokens were read from the cache; they are counted at the text cache's rate."""


class Catalog:
    """All providers and models of one snapshot. Immutable, without caches."""

    def __init__(self) -> None:
        # Imported here because it costs 0.3 s and 30 MB, which commands that price nothing should not pay.
        from genai_prices import __version__
        from genai_prices.data_snapshot import get_snapshot

        self.name = f"genai-prices {__version__}"
        self._providers = {provider.id: _ProviderIndex(provider) for provider in get_snapshot().providers}
        self.ids = frozenset(self._providers)

    def find(self, provider: str, name: str) -> Found | None:
        """The model in the provider's own list, else in the lists of those whose models it serves."""
        index = self._providers.get(provider)
        if index is None:
            return None
        for candidate in (index, *(self._providers[other] for other in index.fallbacks if other in self._providers)):
            model = candidate.find(name)
            if model is not None:
                return candidate.id, model
        return None

    def find_maker(self, name: str) -> Found | None:
        """The model at the maker that claims such names (`claude…`, `gpt-…`, `gemini…`)."""
        return _agreed(
            [
                (index.id, model)
                for index in self._providers.values()
                if index.claims is not None and index.claims(name) and (model := index.find(name)) is not None
            ]
        )

    def find_sole(self, name: str) -> Found | None:
        """The model at the one provider that lists exactly this name."""
        return _agreed([(p.id, model) for p in self._providers.values() if (model := p.find_exact(name)) is not None])

    def listing(
        self, found: Found, context: Mapping[str, str], *, host: str | None = None, tuned: bool = False
    ) -> Listing:
        """Prices of a model that `find` found, as asked for by `context` (`processing`, `service_tier`, `speed`). A
        `host` that only serves another provider's model has no tiers of it. `tuned`: the model is only the base of the
        fine-tuned one that was called, and cheaper."""
        provider, model = found
        guest = host is not None and host != provider
        return Listing(f"{self.name} {provider}/{model.id}", model, context, host=host if guest else None, tuned=tuned)


def _agreed(found: list[Found]) -> Found | None:
    """The first, if all have the same prices (Azure lists OpenAI's embeddings too)."""
    if found and all(model.prices == found[0][1].prices for _, model in found):
        return found[0]
    return None


class _ProviderIndex:
    """Finds a provider's first model that matches a lower-case name, as genai-prices does, but without asking every
    model: names that nobody knows are the expensive ones, and anyone may send them."""

    __slots__ = ("_exact", "_loose", "_models", "claims", "fallbacks", "id")

    def __init__(self, provider: Provider) -> None:
        self.id = provider.id
        self.claims = None if provider.model_match is None else _predicate(provider.model_match)
        self.fallbacks = tuple(provider.fallback_model_providers or ())
        self._models = provider.models
        self._exact: dict[str, int] = {}
        self._loose: list[tuple[int, Predicate]] = []
        for position, model in enumerate(provider.models):
            for clause in getattr(model.match, "or_", (model.match,)):
                equals = getattr(clause, "equals", None)
                if equals is not None:
                    self._exact.setdefault(equals.lower(), position)
                else:
                    self._loose.append((position, _predicate(clause)))

    def find(self, name: str) -> ModelInfo | None:
        exact = self._exact.get(name, len(self._models))
        for position, matches in self._loose:
            if position >= exact:
                break
            if matches(name):
                return self._models[position]
        return self._models[exact] if exact < len(self._models) else None

    def find_exact(self, name: str) -> ModelInfo | None:
        position = self._exact.get(name)
        return None if position is None else self._models[position]


def _predicate(clause: MatchLogic) -> Predicate:
    """The clause as a function of a lower-case name."""
    ((kind, value),) = vars(clause).items()
    if kind == "regex":
        search = re.compile(value).search
        return lambda name: search(name) is not None
    if kind in ("or_", "and_"):
        parts = [_predicate(part) for part in value]
        return (
            (lambda name: any(p(name) for p in parts)) if kind == "or_" else (lambda name: all(p(name) for p in parts))
        )
    text: str = value.lower()
    if kind == "starts_with":
        return lambda name: name.startswith(text)
    if kind == "ends_with":
        return lambda name: name.endswith(text)
    if kind == "contains":
        return lambda name: text in name
    return lambda name: name == text


class Listing:
    """A model in the list, for one combination of tier and batch: a rate card for every price period."""

    __slots__ = (
        "_asked",
        "_cards",
        "_context",
        "_days",
        "_host",
        "_hours",
        "_lasting",
        "_model",
        "_ref",
        "_tuned",
        "_variants",
    )

    def __init__(
        self, ref: str, model: ModelInfo, context: Mapping[str, str], *, host: str | None, tuned: bool
    ) -> None:
        self._ref = ref
        self._model = model
        self._asked = next(iter(context.values()), None)
        self._context = {} if host else dict(context)
        self._host = host
        self._tuned = tuned
        self._variants = [variant for variant in model.price_variants or () if _selects(variant, self._context)]
        constraints = [price.constraint for price in model.prices] if isinstance(model.prices, list) else []
        constraints += [variant.constraint for variant in self._variants]
        self._days = _sorted_ns(_start_date(constraint) for constraint in constraints)
        self._hours = _sorted_ns(at for constraint in constraints for at in _daily(constraint))
        self._cards: dict[tuple[int, int], RateCard] = {}
        self._lasting: RateCard | None = None
        """The card of a model whose price never changed."""

    def card(self, at_ns: int) -> RateCard:
        """Rates at a time. Before the first known price, the first one."""
        if self._lasting is not None:
            return self._lasting
        at_ns = min(max(at_ns, 0), _LAST_NS)
        period = (bisect_right(self._days, at_ns), bisect_right(self._hours, at_ns % _DAY_NS))
        card = self._cards.get(period)
        if card is None:
            card = self._cards[period] = self._compile(datetime.fromtimestamp(at_ns // 10**9, UTC))
            if not self._days and not self._hours:
                self._lasting = card
        return card

    def _compile(self, at: datetime) -> RateCard:
        notes = [f"for {self._host}"] if self._host else []
        if self._asked:
            applied = any(v.constraint is None or v.constraint.active(at) for v in self._variants)
            notes.append(self._asked if applied else f"{self._asked} not listed")
        if isinstance(self._model.prices, list):
            for price in reversed(self._model.prices):
                if price.constraint is None or price.constraint.active(at):
                    notes += _period(price.constraint)
                    break
        if self._tuned:
            notes.append("base of a fine-tune")
        ref = f"{self._ref} ({', '.join(notes)})" if notes else self._ref
        return _card(ref, self._model.get_prices(at, self._context), complete=not self._tuned)


def _selects(variant: PriceVariant, context: Mapping[str, str]) -> bool:
    return all(context.get(key) == value for key, value in variant.when.items())


def _start_date(constraint: Constraint) -> int | None:
    """First nanosecond of a price that starts on a date."""
    start = getattr(constraint, "start_date", None)
    return None if start is None else int(datetime.combine(start, time(), UTC).timestamp()) * 10**9


def _daily(constraint: Constraint) -> Iterator[int]:
    """Nanoseconds after midnight UTC when a price by the hour of the day starts and ends."""
    for bound in ("start_time", "end_time"):
        at: time | None = getattr(constraint, bound, None)
        if at is not None:
            # Any day will do; one in the middle of the calendar, because an offset may lead into the next one.
            moment = datetime.combine(date(2000, 1, 2), at if at.tzinfo else at.replace(tzinfo=UTC))
            yield int(moment.timestamp()) * 10**9 % _DAY_NS


def _sorted_ns(moments: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(sorted({moment for moment in moments if moment is not None}))


def _period(constraint: Constraint) -> list[str]:
    start = getattr(constraint, "start_date", None)
    if start is not None:
        return [f"from {start}"]
    bounds: list[time] = [at for bound in ("start_time", "end_time") if (at := getattr(constraint, bound, None))]
    return ["-".join(f"{at:%H:%M}" for at in bounds) + " UTC"] if bounds else []


def _card(ref: str, prices: ModelPrice, *, complete: bool) -> RateCard:
    base: dict[str, Decimal] = {}
    tiers: dict[int, dict[str, Decimal]] = {}
    units: dict[str, Fraction] = {}
    listed = {key: value for key, value in vars(prices).items() if value is not None}
    steps = sorted({tier.start for value in listed.values() for tier in getattr(value, "tiers", ())})
    for key, value in listed.items():
        if key in TOKEN_PRICES:
            bucket = TOKEN_PRICES[key]
            base[bucket] = getattr(value, "base", value)
            for start in steps:
                reached = [tier.price for tier in getattr(value, "tiers", ()) if tier.start <= start]
                tiers.setdefault(start, {})[bucket] = reached[-1] if reached else base[bucket]
        elif key in UNIT_PRICES:
            unit, per = UNIT_PRICES[key]
            units[unit] = Fraction(getattr(value, "base", value)) * PICO_PER_USD / per
        elif key not in IGNORED_PRICES:
            complete = False  # a newer list charges for something that this code does not know
    return RateCard(ref, base, context_tiers=list(tiers.items()), units=units, complete=complete)
