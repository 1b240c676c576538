"""Settings of `service::telemetry` and of the `health_check` extension."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from spanledger.settings import Duration, Endpoint, Settings
from spanledger.telemetry.metrics.settings import MetricsSettings


class SamplingSettings(Settings):
    """Accepted; every log line is written."""

    enabled: bool = True
    """Accepted; without effect."""
    tick: Duration = 10.0
    """Accepted; without effect."""
    initial: int = Field(default=10, ge=0)
    """Accepted; without effect."""
    thereafter: int = Field(default=100, ge=0)
    """Accepted; without effect."""


class LogsSettings(Settings):
    """`service::telemetry::logs`: what spanledger says about itself."""

    level: Literal["debug", "info", "warn", "error"] = "info"
    """Lines below this level are not written."""
    encoding: Literal["console", "json"] = "console"
    """`console` for people, `json` for one JSON object a line."""
    output_paths: list[str] = ["stderr"]
    """Where lines go: `stderr`, `stdout` or file paths."""
    initial_fields: dict[str, str] = {}
    """Fields added to every line."""
    error_output_paths: list[str] = ["stderr"]
    """Accepted; failures of the logging itself go to stderr."""
    development: bool = False
    """Accepted; without effect."""
    disable_caller: bool = False
    """Leave out the name of the logger."""
    disable_stacktrace: bool = False
    """Leave tracebacks out of error lines."""
    sampling: SamplingSettings = SamplingSettings()


class TracesSettings(Settings):
    """`service::telemetry::traces`: accepted; this version traces nothing of its own."""

    level: Literal["none", "basic", "normal", "detailed"] = "none"
    """Accepted; without effect."""
    processors: list[dict[str, Any]] = []
    """Accepted; without effect."""
    propagators: list[str] = []
    """Accepted; without effect."""


class TelemetrySettings(Settings):
    """`service::telemetry`."""

    logs: LogsSettings = LogsSettings()
    metrics: MetricsSettings = MetricsSettings()
    traces: TracesSettings = TracesSettings()
    resource: dict[str, str | None] = {}
    """Attributes of the resource of own metrics, over `service.name`, `service.version` and `service.instance.id`; null
    takes one away."""


class ResponseBody(Settings):
    """Fixed bodies in place of the JSON status."""

    healthy: str | None = None
    """Body of a 200."""
    unhealthy: str | None = None
    """Body of a 503."""


class HealthCheckSettings(Settings):
    """Extension `health_check`."""

    endpoint: Endpoint = "127.0.0.1:13133"
    """Where to listen."""
    path: str = Field(default="/", pattern=r"^/")
    """Path that answers 200 when ready, else 503."""
    response_body: ResponseBody | None = None
