"""Prices given by the user: for contracts, for models that no list has, and for Azure deployments."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)

from spanledger.mapping.cost.pattern import Pattern
from spanledger.mapping.cost.rate_card import PICO_PER_USD, Bucket, RateCard, Unit

_FOREVER: Final = 2**63


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _plain(amount: Decimal) -> int | float | str:
    """As JSON and YAML have it; as text only where a float would lose digits."""
    if amount == amount.to_integral_value():
        return int(amount)
    return float(amount) if Decimal(repr(float(amount))) == amount else str(amount)


def _moment(value: object) -> object:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value)
    elif value is None or isinstance(value, datetime):
        return value
    # Left to itself pydantic takes 2026 for seconds since 1970.
    raise ValueError("expected a date or a time, such as 2026-01-01 or 2026-01-01T09:00:00Z")


Number = Annotated[Decimal, BeforeValidator(_number), PlainSerializer(_plain, when_used="json")]
Amount = Annotated[Number, Field(ge=0, le=1_000_000, max_digits=20, decimal_places=12)]
"""USD."""
Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time, or a date, which is its first moment; UTC where no offset is given."""


class Override(BaseModel):
    """A user's price for the models that match. Raises ValueError (pydantic's) with every mistake named.

    ::

        id: contract-2026
        provider: openai                  # any provider if left out
        model: gpt-4o(-.*)?               # the whole request or response model, ignoring case
        start: 2026-01-01
        rates: {input: 2, output: 8}      # USD per 1M tokens
        units: {requests: 0.01}           # USD each
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    id: str = Field(min_length=1, max_length=128)
    """Name of the price, of which `cost.price_ref` tells."""
    provider: str | None = Field(default=None, min_length=1, max_length=128)
    """Provider that it holds for; any if left out."""
    model: str = Field(min_length=1)
    """Regular expression for the whole name of the model that was asked for or that answered, ignoring case. Groups,
    classes, `|`, `*`, `+`, `?` and `{m,n}` are supported; nothing that can take long."""
    start: Moment | None = None
    """First moment it holds, a date or a time; UTC where no offset is given."""
    end: Moment | None = None
    """First moment it no longer holds."""
    rates: dict[Bucket, Amount] = Field(default_factory=dict)
    """USD per 1M tokens. A cache or image rate that is left out is the input rate, a reasoning rate the output rate; a
    call that uses another bucket without a rate is priced as `partial`."""
    units: dict[Unit, Amount] = Field(default_factory=dict)
    """USD for each of what is counted one by one."""
    batch_multiplier: Number = Field(default=Decimal(1), ge=0, le=10, decimal_places=6)
    """Of all rates and units, for batch calls."""
    priority: int = 0
    """The highest wins; then one that names the provider, the longest literal start of `model`, the newest `start`."""

    @field_validator("model")
    @classmethod
    def _supported(cls, model: str) -> str:
        Pattern(model)
        return model

    @field_validator("start", "end")
    @classmethod
    def _in_utc(cls, at: datetime | None) -> datetime | None:
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start")
        if start is not None and end is not None and end <= start:
            raise ValueError(f"end {end} is not after start {start}")
        return end

    @model_validator(mode="after")
    def _meaningful(self) -> Override:
        if not self.rates and not self.units:
            raise ValueError("needs rates or units")
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
