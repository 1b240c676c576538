"""Settings of `service::telemetry` and of the `health_check` extension."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from spanledger.settings import Duration, Endpoint, Settings
from spanledger.telemetry.metrics.settings import MetricsSettings
from spanledger.telemetry.traces.settings import TracesSettings


def _in_lower_case(given: object) -> object:
    return given.lower() if isinstance(given, str) else given


class SamplingSettings(Settings):
    """Of lines with the same level and message only some are written."""

    enabled: bool = True
    """Leave lines out at all."""
    tick: Annotated[Duration, Field(gt=0)] = 10.0
    """Counting begins anew after this time."""
    initial: int = Field(default=10, ge=0)
    """So many of them are written,"""
    thereafter: int = Field(default=100, ge=0)
    """and then every so manieth. 0 = none."""


class LogsSettings(Settings):
    """`service::telemetry::logs`: what spanledger says about itself."""

    level: Annotated[Literal["debug", "info", "warn", "error"], BeforeValidator(_in_lower_case)] = "info"
    """Lines below this level are not written. Also in capitals."""
    encoding: Literal["console", "json"] = "console"
    """`console` for people, `json` for one JSON object a line."""
    output_paths: list[str] = ["stderr"]
    """Where lines go: `stderr`, `stdout` or file paths."""
    initial_fields: dict[str, str | int | float | bool] = {}
    """Fields added to every line."""
    error_output_paths: list[str] = ["stderr"]
    """Accepted; failures of the logging itself go to stderr."""
    development: bool = False
    """Accepted; without effect."""
    disable_caller: bool = False
    """Leave out the name of the logger."""
    disable_stacktrace: bool = False
    """Leave tracebacks out of error lines."""
    sampling: SamplingSettings | None = SamplingSettings()
    """null writes every line."""


class TelemetrySettings(Settings):
    """`service::telemetry`."""

    logs: LogsSettings = LogsSettings()
    metrics: MetricsSettings = MetricsSettings()
    traces: TracesSettings = TracesSettings()
    resource: dict[str, str | None] = {}
    """Attributes of the resource of own metrics and spans, over `service.name`, `service.version` and
    `service.instance.id`; null takes one away.
    Also as a list `attributes` of `name` and `value`."""

    @model_validator(mode="before")
    @classmethod
    def _list_of_attributes(cls, given: Any) -> Any:
        resource = given.get("resource") if isinstance(given, dict) else None
        listed = resource.get("attributes") if isinstance(resource, dict) and len(resource) == 1 else None
        if isinstance(listed, list) and all(isinstance(one, dict) and {"name", "value"} <= set(one) for one in listed):
            return {**given, "resource": {one["name"]: one["value"] for one in listed}}
        return given


class ResponseBody(Settings):
    """Fixed bodies in place of the JSON status."""

    healthy: str | None = None
    """Body of a 200."""
    unhealthy: str | None = None
    """Body of a 503."""


class StatusPathSettings(Settings):
    """`http::status` of the health check's second version."""

    enabled: bool = True
    """Serve it."""
    path: str = Field(default="/status", pattern=r"^/.")
    """Path of the state of everything; `?pipeline=traces` for that of one pipeline, `?verbose` for its components."""


class HealthHttpSettings(Settings):
    """`http` of the health check's second version."""

    endpoint: Endpoint | None = None
    """Where to listen; wins over the extension's `endpoint`."""
    status: StatusPathSettings = StatusPathSettings()


class ComponentHealthSettings(Settings):
    """Which errors of components make a pipeline unhealthy."""

    include_permanent_errors: bool = False
    """Accepted; a component here that cannot work keeps the process from starting."""
    include_recoverable_errors: bool = False
    """A component that is tried again, such as a store that is away, answers 500 after `recovery_duration`. Left out it
    is degraded and the answer 200: what is sent meanwhile is safe in the log."""
    recovery_duration: Duration = 60.0
    """How long that may last before."""


class CheckPipelineSettings(Settings):
    """What the Collector had before its second version to tell how exporters are doing."""

    enabled: bool = False
    """Accepted; a store that is away is degraded, see `component_health`."""
    interval: Duration = 300.0
    """Accepted; as `enabled`."""
    exporter_failure_threshold: int = 5
    """Accepted; as `enabled`."""


class HealthCheckSettings(Settings):
    """Extension `health_check`."""

    check_collector_pipeline: CheckPipelineSettings = CheckPipelineSettings()
    """Of old."""

    endpoint: Endpoint = "127.0.0.1:13133"
    """Where to listen."""
    use_v2: bool = False
    """Serve the status paths of the Collector's second version, too."""
    http: HealthHttpSettings = HealthHttpSettings()
    """With `use_v2`."""
    component_health: ComponentHealthSettings = ComponentHealthSettings()
    """With `use_v2`."""
    path: str = Field(default="/", pattern=r"^/")
    """Path that answers 200 when ready, else 503."""
    response_body: ResponseBody | None = None
