"""Counts of a service's parts, as samples of the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from spanledger.config import ComponentId, Config, Kind
from spanledger.config.pipeline import signals_of_exporter
from spanledger.config.rules import used
from spanledger.model.received import Signal
from spanledger.pipeline.status import PipelineStatus
from spanledger.processors.fork import Fork
from spanledger.telemetry.metrics import collect, declarations
from spanledger.telemetry.metrics.samples import Samples


def add_receiver(samples: Samples, id_: ComponentId, receiver: Any) -> None:
    """Of a receiver's listeners."""
    for transport, (traffic, admission) in getattr(receiver, "listeners", {}).items():
        collect.add_listener(samples, str(id_), transport, traffic, admission)


def add_processors(samples: Samples, forks: Mapping[tuple[str, Signal], Fork]) -> None:
    """Of processors, those that receivers share once."""
    told: set[int] = set()
    for (_, signal), fork in forks.items():
        if id(fork) not in told:
            told.add(id(fork))
            for chain in fork.chains():
                collect.add_processors(samples, signal, chain.counts)


def add_authenticators(samples: Samples, authenticators: Mapping[str, Any]) -> None:
    """Of extensions that ask for keys."""
    for name, authenticator in authenticators.items():
        if name and (refused := getattr(authenticator, "refused", None)) is not None:
            samples.add(declarations.AUTH_REFUSED, refused, name)


def add_exporters(
    samples: Samples, config: Config, is_raw: Callable[[ComponentId], bool], status: PipelineStatus
) -> None:
    """Of exporters, by signal where they pass telemetry on as it came."""
    for id_ in used(config, Kind.EXPORTERS):
        signals: Iterable[Signal] = signals_of_exporter(config, id_)
        if not is_raw(id_):
            collect.add_exporter(samples, str(id_), set(signals), status, str(id_))
        for signal in signals:
            # Of an exporter of records: of the tables beside them, where there are such.
            name = str(id_) if is_raw(id_) else f"{id_}:{signal}"
            collect.add_exporter(samples, name, {signal}, status, f"{id_}:{signal}")
