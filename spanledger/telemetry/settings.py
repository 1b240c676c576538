"""Settings of `service::telemetry` and of the `health_check` extension."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from spanledger.settings import Duration, Endpoint, Settings


class SamplingSettings(Settings):
    """Accepted for the Collector's sake; every log line is written."""

    enabled: bool = True
    tick: Duration = 10.0
    initial: int = Field(default=10, ge=0)
    thereafter: int = Field(default=100, ge=0)


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


class MetricsSettings(Settings):
    """`service::telemetry::metrics`: accepted; this version publishes no metrics of its own."""

    level: Literal["none", "basic", "normal", "detailed"] = "normal"
    address: str | None = None
    readers: list[dict[str, Any]] = []
    views: list[dict[str, Any]] = []


class TracesSettings(Settings):
    """`service::telemetry::traces`: accepted; this version traces nothing of its own."""

    level: Literal["none", "basic", "normal", "detailed"] = "none"
    processors: list[dict[str, Any]] = []
    propagators: list[str] = []


class TelemetrySettings(Settings):
    """`service::telemetry`."""

    logs: LogsSettings = LogsSettings()
    metrics: MetricsSettings = MetricsSettings()
    traces: TracesSettings = TracesSettings()
    resource: dict[str, str | None] = {}
    """Accepted; describes the signals above."""


class ResponseBody(Settings):
    """Fixed bodies in place of the JSON status."""

    healthy: str | None = None
    unhealthy: str | None = None


class HealthCheckSettings(Settings):
    """Extension `health_check`."""

    endpoint: Endpoint = "127.0.0.1:13133"
    """Where to listen."""
    path: str = Field(default="/", pattern=r"^/")
    """Path that answers 200 when ready, else 503."""
    response_body: ResponseBody | None = None
