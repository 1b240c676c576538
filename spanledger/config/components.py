"""The component registry: every type that a configuration may name, its settings and what builds it.

Settings and factories are given as `module:attribute` and loaded when needed, so that `spanledger --help` loads none
of them and an optional dependency is missed only by the one who uses it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from spanledger.config.delivery import DeliverySection
from spanledger.model.received import Signal


class Kind(StrEnum):
    """Sections of a configuration that hold components, in the Collector's order."""

    RECEIVERS = "receivers"
    PROCESSORS = "processors"
    EXPORTERS = "exporters"
    CONNECTORS = "connectors"
    EXTENSIONS = "extensions"

    @property
    def singular(self) -> str:
        return self.value[:-1]


SettingsModel: TypeAlias = type[BaseModel]
_ALL_SIGNALS: Final = (Signal.TRACES, Signal.LOGS, Signal.METRICS)


@dataclass(frozen=True, slots=True)
class Component:
    """One type of component."""

    kind: Kind
    type: str
    summary: str
    settings_at: str
    factory_at: str | None = None
    """What builds it; see `spanledger.service` for the arguments that each kind is given. None: it only sets
    something of the pipeline."""
    store_at: str | None = None
    """Of an exporter whose runs can be read: what reads them, a `spanledger.exporters.store.RunStore`."""
    admin_at: str | None = None
    """Of an exporter with a store: what migrates it and deletes from it, a `spanledger.exporters.store.StoreAdmin`."""
    signals: tuple[Signal, ...] = _ALL_SIGNALS
    fetches: bool = False
    """Of a receiver that nobody sends to: it is given the pipeline's `spanledger.model.received.Backlog` too."""
    raw: bool = False
    """Of an exporter that passes telemetry on past the mapping, a `spanledger.exporters.raw.RawExporter`; its factory
    is called with the settings and a signal."""
    telemetry_at: str | None = None
    """Of an exporter of records that passes telemetry on in their place where its settings say `passes_on`: what does
    that; called with the settings, and what comes of it with each signal."""
    also_raw_at: str | None = None
    """Of an exporter of records that also keeps telemetry as it came where its settings say `otel_tables`: what does
    that, a `spanledger.exporters.raw.RawExporter`; called with the settings, a parser of bodies and a signal."""
    lends: bool = False
    """Of an extension that the `auth` of exporters may name: a `spanledger.clients.auth.Credentials`."""
    authenticates: bool = False
    """Of an extension that `auth` may name, a `spanledger.access.authenticator.Authenticator`."""

    @property
    def settings(self) -> SettingsModel:
        """The settings model; an exporter's with the keys that every exporter has."""
        found: SettingsModel = load(self.settings_at)
        return with_delivery(found) if self.kind is Kind.EXPORTERS else found

    @property
    def factory(self) -> Any:
        """The class or function that builds it."""
        return load(self.factory_at) if self.factory_at else None

    def passes_on(self, settings: Any) -> bool:
        """Whether an exporter passes telemetry on as it came, past the mapping."""
        return self.raw or (self.telemetry_at is not None and settings.passes_on)

    def raw_factory(self, settings: Any) -> Any:
        """Of an exporter that `passes_on`, what makes the `spanledger.exporters.raw.RawExporter` of a signal."""
        return load(self.telemetry_at)(settings) if self.telemetry_at else partial(self.factory, settings)

    def also_raw(self, settings: Any) -> Any:
        """What is at `also_raw_at`, None where the settings do not ask for it."""
        return load(self.also_raw_at) if self.also_raw_at and settings.otel_tables else None

    @property
    def store(self) -> Any:
        """The class of the store behind an exporter, None where it cannot be read."""
        return load(self.store_at) if self.store_at else None

    @property
    def admin(self) -> Any:
        """The class that migrates the store behind an exporter and deletes from it, None where there is no store."""
        return load(self.admin_at) if self.admin_at else None


@cache
def with_delivery(settings: SettingsModel) -> SettingsModel:
    """The settings of an exporter and `DeliverySection` in one model, so that mistakes in either look the same."""
    return type(settings.__name__, (settings, DeliverySection), {"__module__": settings.__module__})


def load(reference: str) -> Any:
    """What `module:attribute` names."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


Registry = Mapping[Kind, Mapping[str, Component]]


def registry(*components: Component) -> Registry:
    """Components by kind and type."""
    return {kind: {c.type: c for c in components if c.kind is kind} for kind in Kind}


_AGENT: Final = "set OTEL_RESOURCE_ATTRIBUTES where the application runs, or let a Collector in front add them"
_NUMBERS: Final = "the ledger has the numbers; other metrics of spans are made by a Collector behind an otlp exporter"

INSTEAD: Final = {
    (Kind.EXPORTERS, "logging"): "the logging exporter is gone, as in the Collector; use debug",
    (Kind.EXPORTERS, "loadbalancing"): (
        "replicas need no routing by trace, so any balancer will do; use partition_traces_by_id of the exporter kafka "
        "where late facts should meet their trace sooner"
    ),
    (Kind.PROCESSORS, "tail_sampling"): (
        "what it has not decided yet is in memory alone, and what was acknowledged must not be lost with a process; "
        "use filter or probabilistic_sampler, or tail_sampling in a Collector behind an otlp exporter"
    ),
    (Kind.PROCESSORS, "groupbytrace"): "traces are put together in the ledger, in whichever order they come",
    (Kind.PROCESSORS, "k8sattributes"): _AGENT,
    (Kind.PROCESSORS, "resourcedetection"): _AGENT,
    (Kind.CONNECTORS, "spanmetrics"): _NUMBERS,
    (Kind.CONNECTORS, "servicegraph"): _NUMBERS,
    (Kind.CONNECTORS, "count"): _NUMBERS,
}
"""Types that many configurations name and that are not there: what to use."""
