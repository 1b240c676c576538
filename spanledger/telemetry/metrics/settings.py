"""Settings of `service::telemetry::metrics`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from spanledger.settings import Endpoint, Settings, split_endpoint
from spanledger.telemetry.otlp_settings import OtlpClientSettings


class LabelsSettings(Settings):
    """Names of attributes, or patterns with `*`."""

    included: list[str] = []
    """Attributes of the resource that every series carries as labels."""
    excluded: list[str] = []
    """Those of them that it does not."""


class PrometheusSettings(Settings):
    """Where Prometheus reads: `/metrics`."""

    host: str = "localhost"
    """Address to listen on."""
    port: int = Field(default=8888, ge=0, le=65535)
    """Port to listen on."""
    without_type_suffix: bool = False
    """Leave out the `_total` behind counters; their type is not told then."""
    without_units: bool = True
    """Leave the unit out of names: `otelcol_process_uptime_total`, not `otelcol_process_uptime_seconds_total`."""
    without_scope_info: bool = True
    """Accepted; everything comes from one scope, which is never shown."""
    with_resource_constant_labels: LabelsSettings = LabelsSettings()
    """Attributes of the resource on every series; `target_info` has them anyway."""

    @property
    def endpoint(self) -> str:
        """`host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class PullExporterSettings(Settings):
    """Who reads."""

    prometheus: PrometheusSettings
    """Where Prometheus reads."""


class PullSettings(Settings):
    """Metrics that are read."""

    exporter: PullExporterSettings
    """Who reads."""


class OtlpMetricsSettings(OtlpClientSettings):
    """Where metrics are sent."""

    temporality_preference: Literal["cumulative"] = "cumulative"
    """Accepted; sums run from the start of the process."""


class PeriodicExporterSettings(Settings):
    """Whom metrics are sent to."""

    otlp: OtlpMetricsSettings
    """An OTLP receiver."""


class PeriodicSettings(Settings):
    """Metrics that are sent."""

    interval: int = Field(default=60_000, ge=100)
    """Milliseconds from one time to the next."""
    timeout: int = Field(default=30_000, ge=1)
    """Accepted; the exporter's own holds."""
    exporter: PeriodicExporterSettings
    """Whom to."""


class ReaderSettings(Settings):
    """One of `pull` and `periodic`."""

    pull: PullSettings | None = None
    """Metrics are read."""
    periodic: PeriodicSettings | None = None
    """Metrics are sent."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.pull is None) == (self.periodic is None):
            raise ValueError("must have one of pull and periodic")
        return self


class MetricsSettings(Settings):
    """`service::telemetry::metrics`: docs/metrics.md has the list. Without `readers` and `address`, Prometheus reads at
    http://localhost:8888/metrics; where that port is taken, nobody does, and a line of the log says so."""

    level: Literal["none", "basic", "normal", "detailed"] = "normal"
    """How much is shown."""
    address: Endpoint | None = None
    """Short for one `pull` reader of Prometheus; with `readers`, one more."""
    readers: list[ReaderSettings] | None = None
    """Who reads, and whom metrics are sent to. An empty list: nobody."""
    views: list[dict[str, Any]] = []
    """Accepted; without effect."""

    def pulls(self) -> list[PrometheusSettings]:
        """Where Prometheus reads."""
        if self.level == "none":
            return []
        found = [reader.pull.exporter.prometheus for reader in self.readers or () if reader.pull is not None]
        if self.address is not None:
            host, port = split_endpoint(self.address)
            found.append(PrometheusSettings(host=host, port=port))
        elif self.readers is None:
            found.append(PrometheusSettings())
        return found

    def pushes(self) -> list[PeriodicSettings]:
        """Whom metrics are sent to."""
        if self.level == "none":
            return []
        return [reader.periodic for reader in self.readers or () if reader.periodic is not None]

    @property
    def asked_for(self) -> bool:
        """Whether the configuration says who reads."""
        return self.address is not None or self.readers is not None
