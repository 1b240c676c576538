"""A configuration that passed every check: what `spanledger.service` builds a process from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, Field

from spanledger.config.components import Kind
from spanledger.config.ids import ComponentId
from spanledger.config.mapping import MappingSettings
from spanledger.config.tree import Node, Origin, origin_of
from spanledger.model.received import Signal
from spanledger.settings import Duration, Settings
from spanledger.telemetry.settings import TelemetrySettings


class ReloadSettings(Settings):
    """`service::reload`: when the configuration is read again. SIGHUP always does."""

    on_change: bool = False
    """Also when one of the files given with `--config` has another content."""
    interval: Duration = Field(default=5.0, ge=0.1)
    """How often they are looked at."""


@dataclass(frozen=True, slots=True)
class PipelineId:
    """`traces/eu` is the signal `traces`, name `eu`."""

    signal: Signal
    name: str = ""

    def __str__(self) -> str:
        return f"{self.signal}/{self.name}" if self.name else str(self.signal)


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """What one pipeline joins, in the order written."""

    receivers: tuple[ComponentId, ...]
    processors: tuple[ComponentId, ...]
    exporters: tuple[ComponentId, ...]
    sources: tuple[ComponentId, ...] = ()
    """Connectors that it receives from."""
    targets: tuple[ComponentId, ...] = ()
    """Connectors that it exports to."""

    @property
    def connectors(self) -> tuple[ComponentId, ...]:
        """All connectors that it names."""
        return self.sources + self.targets


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration. Every id that a pipeline or `extensions` names has its settings in `components`."""

    components: Mapping[Kind, Mapping[ComponentId, BaseModel]]
    extensions: tuple[ComponentId, ...]
    pipelines: Mapping[PipelineId, PipelineConfig]
    mapping: MappingSettings
    telemetry: TelemetrySettings
    root: Node = field(repr=False)
    """Where everything was written. May hold secrets."""
    warnings: tuple[str, ...] = ()
    workers: int = 1
    """Processes that share the ports."""
    reload: ReloadSettings = field(default_factory=ReloadSettings)

    def origin(self, *path: str) -> Origin:
        """File, line and column of the value at a key path, or of the nearest section above it."""
        return origin_of(self.root, path)

    def signals_of(self, receiver: ComponentId) -> frozenset[Signal]:
        """The signals of the pipelines that a receiver feeds."""
        return frozenset(id_.signal for id_, pipeline in self.pipelines.items() if receiver in pipeline.receivers)
