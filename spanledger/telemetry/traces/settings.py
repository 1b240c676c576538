"""Settings of `service::telemetry::traces`. Keys and defaults are the Collector's (service/telemetry, which takes them
from OpenTelemetry's configuration file format)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from spanledger.settings import Settings
from spanledger.telemetry.otlp_settings import OtlpClientSettings
from spanledger.tracing import Propagator, Sampler


class SpanExporterSettings(Settings):
    """Whom spans are sent to."""

    otlp: OtlpClientSettings
    """An OTLP receiver."""


class BatchSpansSettings(Settings):
    """Spans are sent together."""

    schedule_delay: int = Field(default=5_000, ge=1)
    """Milliseconds from one time to the next."""
    export_timeout: int = Field(default=30_000, ge=1)
    """Milliseconds for one request; the exporter's own `timeout` may be shorter."""
    max_queue_size: int = Field(default=2_048, ge=1)
    """Spans that wait at most; what comes while so many wait is dropped and counted."""
    max_export_batch_size: int = Field(default=512, ge=1)
    """Spans of one request; so many are sent at once."""
    exporter: SpanExporterSettings
    """Whom to."""


class SimpleSpansSettings(Settings):
    """Spans are sent as they end."""

    exporter: SpanExporterSettings
    """Whom to."""


class SpanProcessorSettings(Settings):
    """One of `batch` and `simple`."""

    batch: BatchSpansSettings | None = None
    """Spans are sent together."""
    simple: SimpleSpansSettings | None = None
    """Spans are sent as they end."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.batch is None) == (self.simple is None):
            raise ValueError("must have one of batch and simple")
        return self

    def as_batch(self) -> BatchSpansSettings:
        """What is sent as it ends does not wait."""
        if self.batch is not None:
            return self.batch
        exporter = self.simple.exporter if self.simple is not None else None
        return BatchSpansSettings.model_validate({"schedule_delay": 1, "exporter": exporter})


class NothingSettings(Settings):
    """No settings."""


class RatioSettings(Settings):
    """A share of the traces."""

    ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """From 0, none, to 1, all."""


class RootSamplerSettings(Settings):
    """One of them."""

    always_on: NothingSettings | None = None
    """Every trace."""
    always_off: NothingSettings | None = None
    """None."""
    trace_id_ratio_based: RatioSettings | None = None
    """A share, by the trace id: the same traces everywhere."""

    @field_validator("always_on", "always_off", "trace_id_ratio_based", mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        return {} if given is None else given  # `always_on:` alone names it

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"must have one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def ratio(self) -> float:
        """Of traces that are recorded."""
        if self.trace_id_ratio_based is not None:
            return self.trace_id_ratio_based.ratio
        return 0.0 if self.always_off is not None else 1.0


class ParentBasedSettings(Settings):
    """What a parent decided holds."""

    root: RootSamplerSettings | None = None
    """For spans without a parent; all of them by default."""


class SamplerSettings(RootSamplerSettings):
    """One of them."""

    parent_based: ParentBasedSettings | None = None
    """What a sender decided in the headers that `propagators` read, and another one for what has no parent."""

    @field_validator("parent_based", mode="before")
    @classmethod
    def _parent_named(cls, given: object) -> object:
        return {} if given is None else given

    def sampler(self) -> Sampler:
        """As it works."""
        if self.parent_based is None:
            return Sampler(self.ratio, follows_parent=False)
        root = self.parent_based.root
        return Sampler(root.ratio if root is not None else 1.0)


class TracesSettings(Settings):
    """`service::telemetry::traces`: spans about spanledger itself. Off unless `processors` says where they go."""

    level: Literal["none", "basic", "normal", "detailed"] = "basic"
    """`none` turns them off; the others are the same."""
    processors: list[SpanProcessorSettings] = []
    """Who gets them."""
    propagators: list[Propagator] = []
    """Headers of requests that name the span which a request belongs to: `tracecontext` is W3C's `traceparent`, `b3`
    is Zipkin's. The first that is there counts. Without, requests begin traces of their own."""
    sampler: SamplerSettings | None = None
    """Which are recorded; by default all, but for those whose sender decided otherwise."""

    @property
    def wanted(self) -> bool:
        """Whether anybody gets spans."""
        return bool(self.processors) and self.level != "none"

    def chosen(self) -> Sampler:
        """Which spans are recorded."""
        return self.sampler.sampler() if self.sampler is not None else Sampler()
