"""Whose number is the cost of a call: cache, override, reporter or price list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from spanledger.mapping.cost.call import Call
from spanledger.mapping.cost.catalog import Catalog, Listing
from spanledger.mapping.cost.names import (
    FIRST_PARTY,
    LOCAL,
    MAX_NAME,
    UNLISTED,
    is_bedrock_id,
    provider_names,
    readings,
    resolve_provider,
    routed_provider,
    runs_locally,
    spellings,
    squash,
)
from spanledger.mapping.cost.override import CompiledOverride, Override
from spanledger.mapping.cost.rate_card import MAX_USD, Bill
from spanledger.model.records import Cost

ReportedPolicy: TypeAlias = Literal["reported", "billed_only", "computed"]

CACHED_NAMES: Final = 4096
"""Combinations of provider, models and tier whose rate cards are kept; a large user has some hundreds."""

_CONTEXTS: Final = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},  # OpenAI's word, Anthropic's word
}
"""Tier → what genai-prices wants to be asked (0.2.3 ignores `service_tier: batch` silently). Others are standard."""

_ZERO: Final = Decimal(0)
_PICO: Final = Decimal("1E-12")
_MAX_USD: Final = Decimal(MAX_USD)
_ARITHMETIC: Final = Context(prec=40, rounding=ROUND_HALF_EVEN)
"""Not the thread's context, whose precision belongs to the program that uses us."""
_multiply: Final = _ARITHMETIC.multiply


@dataclass(frozen=True, slots=True)
class _Pricing:
    """All that prices a combination of names, at any time."""

    listing: Listing | None = None
    free: str | None = None
    """Why nothing is billed, where the list does not say so."""
    overrides: tuple[CompiledOverride, ...] = ()


class PriceList:
    """Prices model calls from genai-prices' bundled list and the user's overrides.

    Pure and safe to share between threads: no I/O, no clock, a bounded memory of names.
    """

    def __init__(self, overrides: Sequence[Override] = (), *, reported: ReportedPolicy = "reported") -> None:
        """`reported` says what a cost on the span is worth: `reported` any usable one wins, `billed_only` only one from
        a gateway that bills, `computed` the list wins where it can price the call.

        Raises ValueError where two overrides have one id.
        """
        ids = [override.id for override in overrides]
        if len(set(ids)) != len(ids):
            raise ValueError(f"overrides share an id: {next(i for i in ids if ids.count(i) > 1)!r}")
        self._overrides = sorted((CompiledOverride(override) for override in overrides), key=lambda o: o.order)
        self._policy = reported
        self._catalog = Catalog()
        self._providers = provider_names(self._catalog.ids)
        self._pricing = lru_cache(CACHED_NAMES)(self._find)

    def cost(self, call: Call) -> Cost:
        """The cost of one call in USD. Never raises.

        `source` is the first that applies:

        - `cached`: answered from a gateway's cache; total 0
        - `override`: a price of the user
        - `reported`: what the span says, finite, positive (or 0 from one who bills) and below $100,000
        - `priced`: the list's price at the start of the call
        - `partial`: as `override` or `priced`, but too low: some bucket that was used has no rate (audio at
          text-only prices, a one hour cache write with only a five minute rate), a billed count is missing, or only
          the base of a fine-tuned model is listed
        - `free`: nobody bills: servers of one's own, models listed as free
        - `unknown_model`: total None; names neither the list nor an override knows
        - `unknown_usage`: total None; no counts, absurd ones, or none of the kind that the model is billed by

        `computed` is what the list says, whoever wins; `reported` what the span said, if it is a possible amount.
        `total` is exactly the sum of `parts`, whose names are the buckets (`input`, `cache_read`, …) or `reported`.
        `price_ref` names the list's version and entry with tier and period, or the override.
        """
        tier = "batch" if call.batch else call.service_tier or ""
        if tier:
            tier = tier.lower()
            if tier not in _CONTEXTS:
                tier = ""
        provider, request, model = call.provider, call.request_model, call.model
        if provider is not None and len(provider) > MAX_NAME:
            provider = None
        if request is not None and len(request) > MAX_NAME:
            request = None
        if model is not None and len(model) > MAX_NAME:
            model = None
        pricing = self._pricing(provider, request, model, tier)
        listed = _listed_cost(call, pricing)
        if call.reported is None and not call.cached and not pricing.overrides:
            return listed
        if call.reported is not None:
            listed.reported = _possible(call.reported)
        return self._decide(call, pricing, listed, batch=tier == "batch")

    def _decide(self, call: Call, pricing: _Pricing, listed: Cost, *, batch: bool) -> Cost:
        reported = listed.reported
        if call.cached:
            return Cost(
                total=_ZERO, source="cached", reported=reported, computed=listed.computed, price_ref=listed.price_ref
            )
        for override in pricing.overrides:
            if override.start_ns <= call.at_ns < override.end_ns:
                bill = override.card(batch).bill(call)
                if bill is not None:
                    cost = _priced(bill, "override")
                    cost.reported = reported
                    cost.computed = listed.computed
                    return cost
        if reported is not None and self._wins(reported, call.reported_billed, listed.computed):
            amount = reported.quantize(_PICO, context=_ARITHMETIC) if reported != _ZERO else _ZERO
            return Cost(
                total=amount,
                parts={"reported": amount},
                source="reported",
                reported=reported,
                computed=listed.computed,
                price_ref=listed.price_ref,
            )
        return listed

    def _wins(self, reported: Decimal, billed: bool, computed: Decimal | None) -> bool:
        if reported == _ZERO and not billed:
            return False  # OpenLIT writes 0 for models that it does not know
        if self._policy == "billed_only":
            return billed
        return self._policy == "reported" or computed is None

    def _find(self, provider: str | None, request: str | None, response: str | None, tier: str) -> _Pricing:
        listed = resolve_provider(provider, self._providers)
        overrides = tuple(
            override
            for override in self._overrides
            if _meant(override, provider, listed)
            and any(name is not None and override.pattern.fullmatch(name) for name in (response, request))
        )
        if listed == LOCAL:
            if not (request or response or "").endswith(("-cloud", ":cloud")):
                return _Pricing(free=f"local ({provider})", overrides=overrides)
            listed = UNLISTED  # Ollama's own cloud
        elif request and is_bedrock_id(request.lower()) and (listed is None or listed in FIRST_PARTY):
            listed = "aws"  # Anthropic's SDK for Bedrock
        elif listed is None:
            listed = routed_provider(request, self._providers)
        names = [response, request]
        if listed == "aws" or (request or "").endswith(":free"):
            # What was asked for decides the price: the inference profile at Bedrock, whose answer names the bare model,
            # and the free variant at OpenRouter.
            names.reverse()
        for name in names:
            if name:
                found = self._find_model(listed, name, tier, named=bool(provider))
                if found is not None:
                    return _Pricing(listing=found[0], free=found[1], overrides=overrides)
        return _Pricing(overrides=overrides)

    def _find_model(
        self, provider: str | None, name: str, tier: str, *, named: bool
    ) -> tuple[Listing | None, str | None] | None:
        """(Listing, or None and why it is free); None where the list does not know the name. `named`: the span named a
        provider, even if not one of the list's (`provider`)."""
        catalog, context = self._catalog, _CONTEXTS.get(tier, {})
        anybody = provider is None or provider == "openrouter" or provider in FIRST_PARTY
        if anybody and name.lower().endswith(":free"):  # OpenRouter's variants, whoever's SDK was pointed at it
            return None, "free variant"
        local_tag = runs_locally(name)
        for reading in readings(provider, name, self._providers):
            if reading.provider == LOCAL:
                return None, "local"
            for spelled, tuned in spellings(reading.model):
                if reading.provider is not None:
                    found = catalog.find(reading.provider, spelled)
                elif local_tag:
                    break
                else:
                    # A host that nobody knows has prices that nobody knows, even where one other host lists the model.
                    found = catalog.find_maker(spelled) or (None if named else catalog.find_sole(spelled))
                if found is not None:
                    host = provider if reading.guest else reading.provider
                    return catalog.listing(found, context, host=host, tuned=tuned), None
        if provider is not None and anybody and not local_tag:
            for spelled, tuned in spellings(name.strip().lower()):
                found = catalog.find_maker(spelled)
                if found is not None:
                    return catalog.listing(found, context, tuned=tuned), None
        return None


def _listed_cost(call: Call, pricing: _Pricing) -> Cost:
    """What the list says."""
    listing = pricing.listing
    if listing is None:
        if pricing.free is not None:
            return Cost(total=_ZERO, source="free", computed=_ZERO, price_ref=pricing.free)
        usage = call.usage
        counted = usage is not None and (usage.input_tokens is not None or usage.output_tokens is not None)
        return Cost(source="unknown_model" if counted else "unknown_usage")
    card = listing.card(call.at_ns)
    if card.free:
        return Cost(total=_ZERO, source="free", computed=_ZERO, price_ref=card.ref)
    bill = card.bill(call)
    return Cost(source="unknown_usage") if bill is None else _priced(bill, "priced")


def _priced(bill: Bill, source: str) -> Cost:
    pico, amounts, complete, ref = bill
    total = _multiply(pico, _PICO)
    return Cost(
        total=total,
        parts={bucket: _multiply(amount, _PICO) for bucket, amount in amounts.items()},
        source=source if complete else "partial",
        computed=total,
        price_ref=ref,
    )


def _possible(reported: Decimal) -> Decimal | None:
    """The reported cost if it is an amount at all."""
    return reported if reported.is_finite() and _ZERO <= reported <= _MAX_USD else None


def _meant(override: CompiledOverride, provider: str | None, listed: str | None) -> bool:
    """Whether an override is for this provider. `azure` means both of OTel's Azure providers, `gcp.gemini` only one."""
    if override.provider is None:
        return True
    meant = squash(override.provider)
    return meant == squash(provider or "") or (listed is not None and meant == squash(listed))
