"""Prices given by the user: for contracts, for models that no list has, and for Azure deployments."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from spanledger.mapping.cost.pattern import Pattern
from spanledger.mapping.cost.rate_card import PICO_PER_USD, TOKEN_BUCKETS, UNITS, RateCard

Amount = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=20, decimal_places=12)]
"""USD."""

_FOREVER: Final = 2**63


class Override(BaseModel):
    """A user's price for the models that match. Raises ValueError (pydantic's) with every mistake named.

    ::

        id: contract-2026
        provider: openai                  # any provider if left out
        model: gpt-4o(-.*)?               # the whole request or response model, ignoring case
        start: 2026-01-01
        rates: {input: 2, output: 8}      # USD per 1M tokens
        units: {requests: 0.01}           # USD each

    A cache or image rate that is left out is the input rate, a reasoning rate the output rate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=128)
    provider: str | None = Field(default=None, min_length=1, max_length=128)
    model: str = Field(min_length=1)
    """Regular expression as in `spanledger.mapping.cost.pattern`."""
    start: datetime | None = None
    """First moment it holds; UTC where no offset is given."""
    end: datetime | None = None
    """First moment it no longer holds."""
    rates: dict[str, Amount] = {}
    units: dict[str, Amount] = {}
    batch_multiplier: Decimal = Field(default=Decimal(1), ge=0, le=10, decimal_places=6)
    """Of all rates and units, for batch calls."""
    priority: int = 0
    """The highest wins; then one that names the provider, the longest literal start of `model`, the newest start."""

    @field_validator("model")
    @classmethod
    def _supported(cls, model: str) -> str:
        Pattern(model)
        return model

    @field_validator("rates", "units")
    @classmethod
    def _known(cls, given: dict[str, Decimal], info: object) -> dict[str, Decimal]:
        names = TOKEN_BUCKETS if getattr(info, "field_name", "") == "rates" else tuple(UNITS)
        for name in given:
            if name not in names:
                raise ValueError(f"no such name: {name!r}; one of {', '.join(names)}")
        return given

    @field_validator("start", "end")
    @classmethod
    def _in_utc(cls, at: datetime | None) -> datetime | None:
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at

    @model_validator(mode="after")
    def _meaningful(self) -> Override:
        if not self.rates and not self.units:
            raise ValueError("needs rates or units")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"end {self.end} is not after start {self.start}")
        return self


class CompiledOverride:
    """An override ready for use."""

    __slots__ = ("_batch", "_card", "end_ns", "order", "pattern", "provider", "start_ns")

    def __init__(self, override: Override) -> None:
        self.pattern = Pattern(override.model)
        self.provider = override.provider
        self.start_ns = _ns(override.start) if override.start is not None else -_FOREVER
        self.end_ns = _ns(override.end) if override.end is not None else _FOREVER
        self.order = (
            -override.priority,
            override.provider is None,
            -len(self.pattern.literal_prefix),
            -self.start_ns,
        )
        """The smallest wins."""
        self._card = _card(override, Decimal(1))
        self._batch = _card(override, override.batch_multiplier)

    def card(self, batch: bool) -> RateCard:
        return self._batch if batch else self._card


def _card(override: Override, multiplier: Decimal) -> RateCard:
    return RateCard(
        f"override {override.id}" + (f" (batch x{multiplier})" if multiplier != 1 else ""),
        {bucket: rate * multiplier for bucket, rate in override.rates.items()},
        units={unit: Fraction(rate * multiplier) * PICO_PER_USD for unit, rate in override.units.items()},
    )


def _ns(at: datetime) -> int:
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000
