"""The ways that telemetry takes from a receiver through processors and connectors to exporters.

Where all pipelines of a signal have the same receivers and processors there is one way, and nobody needs to tell its
entries in the log from others. Where they differ, each way has entries of its own, which say where they go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spanledger.config.components import Kind, Registry
from spanledger.config.connectors import RoutingSettings
from spanledger.config.ids import ComponentId
from spanledger.config.model import Config, PipelineConfig, PipelineId
from spanledger.config.problem import Problem, nearest, one_of
from spanledger.model.received import Signal
from spanledger.pipeline.roads import Roads

ROUTING = "routing"


@dataclass(frozen=True, slots=True)
class Step:
    """A processor, or a connector that chooses what goes into a pipeline."""

    id: ComponentId
    into: PipelineId | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """What changes telemetry, in order, and the pipelines in whose exporters it then ends."""

    steps: tuple[Step, ...]
    ends: tuple[PipelineId, ...]


def ways(config: Config, registry: Registry, receiver: ComponentId, signal: Signal) -> tuple[Way, ...]:
    """The ways that begin at a receiver. The configuration was checked."""
    ends: dict[tuple[Step, ...], dict[PipelineId, None]] = {}
    for id_, pipeline in config.pipelines.items():
        if id_.signal is signal and receiver in pipeline.receivers:
            for steps, end in _onward(config, registry, id_, ()):
                ends.setdefault(steps, {})[end] = None
    order = list(config.pipelines)
    return tuple(Way(steps, tuple(sorted(found, key=order.index))) for steps, found in ends.items())


def _onward(
    config: Config, registry: Registry, id_: PipelineId, steps: tuple[Step, ...]
) -> Iterator[tuple[tuple[Step, ...], PipelineId]]:
    pipeline = config.pipelines[id_]
    steps += tuple(Step(processor) for processor in changing(config, registry, pipeline))
    if pipeline.exporters:
        yield steps, id_
    for connector in pipeline.targets:
        for next_, other in config.pipelines.items():
            if next_.signal is id_.signal and connector in other.sources:
                choice = (Step(connector, next_),) if connector.type == ROUTING else ()
                yield from _onward(config, registry, next_, steps + choice)


def changing(config: Config, registry: Registry, pipeline: PipelineConfig) -> list[ComponentId]:
    """The processors of a pipeline that change telemetry, in order."""
    known = registry[Kind.PROCESSORS]
    return [id_ for id_ in pipeline.processors if known[id_.type].factory_at and not on_records(config, id_)]


def on_records(config: Config, processor: ComponentId) -> bool:
    """Whether a processor takes records of the ledger in place of telemetry."""
    return getattr(config.components[Kind.PROCESSORS].get(processor), "on", None) == "records"


def forked(config: Config, registry: Registry, signal: Signal) -> bool:
    """Whether what is received of a signal takes several ways."""
    receivers = {
        id_: None for of, pipeline in config.pipelines.items() if of.signal is signal for id_ in pipeline.receivers
    }
    found = {ways(config, registry, id_, signal) for id_ in receivers}
    return len(found) > 1 or any(len(several) > 1 for several in found)


def road(config: Config, registry: Registry, signal: Signal, way: Way) -> str:
    """`Received.road` of what took a way."""
    return ",".join(map(str, way.ends)) if forked(config, registry, signal) else ""


def roads_of(config: Config, registry: Registry) -> dict[ComponentId, Roads]:
    """Exporter → the entries that it takes."""
    known = frozenset(map(str, config.pipelines))
    everywhere: set[str] = set()
    together: list[frozenset[str]] = []
    for signal in Signal:
        of_signal = {str(id_) for id_ in config.pipelines if id_.signal is signal}
        if not forked(config, registry, signal):
            everywhere |= of_signal
            continue
        for pipeline in config.pipelines.values():
            for receiver in pipeline.receivers:
                found_ways = ways(config, registry, receiver, signal)
                together += [frozenset(map(str, way.ends)) for way in found_ways]
    found: dict[ComponentId, Roads] = {}
    for id_, pipeline in config.pipelines.items():
        for exporter in pipeline.exporters:
            before = found[exporter].ends if exporter in found else frozenset(everywhere)
            found[exporter] = Roads(before | {str(id_)}, known)
    # Exporters that take the same ways can share a mapping: they should look alike.
    return {
        exporter: Roads(roads.ends.union(*(ends for ends in together if ends & roads.ends)), known)
        for exporter, roads in found.items()
    }


def leading_to(config: Config, exporter: ComponentId) -> list[PipelineConfig]:
    """The pipelines that an exporter's telemetry comes through, those before connectors included."""
    found = {id_: None for id_, pipeline in config.pipelines.items() if exporter in pipeline.exporters}
    waiting = list(found)
    while waiting:
        id_ = waiting.pop()
        sources = set(config.pipelines[id_].sources)
        for before, pipeline in config.pipelines.items():
            if before not in found and before.signal is id_.signal and sources & set(pipeline.targets):
                found[before] = None
                waiting.append(before)
    return [config.pipelines[id_] for id_ in config.pipelines if id_ in found]


def problems_of_connectors(config: Config) -> Iterator[Problem]:
    """Connectors that lead nowhere, into a circle, or to pipelines that do not listen to them."""
    lost = list(_one_sided(config))
    yield from lost
    if not lost:
        yield from _circles(config)
        yield from _routes(config)


def _one_sided(config: Config) -> Iterator[Problem]:
    for id_, pipeline in config.pipelines.items():
        same = [other for of, other in config.pipelines.items() if of.signal is id_.signal]
        for connector in pipeline.targets:
            if not any(connector in other.sources for other in same):
                text = f"used as exporter in [{id_}] pipeline but not used in any supported receiver pipeline"
                yield _of_connector(config, connector, text)
        for connector in pipeline.sources:
            if not any(connector in other.targets for other in same):
                text = f"used as receiver in [{id_}] pipeline but not used in any supported exporter pipeline"
                yield _of_connector(config, connector, text)


def _circles(config: Config) -> Iterator[Problem]:
    def follow(id_: PipelineId, passed: tuple[PipelineId, ...]) -> Iterator[tuple[PipelineId, ...]]:
        if id_ in passed:
            yield (*passed[passed.index(id_) :], id_)
            return
        for connector in config.pipelines[id_].targets:
            for next_, other in config.pipelines.items():
                if next_.signal is id_.signal and connector in other.sources:
                    yield from follow(next_, (*passed, id_))

    for start in config.pipelines:
        circle = next(follow(start, ()), None)
        if circle is not None:
            path = ("service", "pipelines", str(circle[0]))
            yield Problem(path, f"cycle detected: {' -> '.join(map(str, circle))}", config.origin(*path))
            return


def _routes(config: Config) -> Iterator[Problem]:
    for connector, settings in config.components[Kind.CONNECTORS].items():
        if not isinstance(settings, RoutingSettings):
            continue
        into = [str(id_) for id_, pipeline in config.pipelines.items() if connector in pipeline.sources]
        lists: list[tuple[tuple[str, ...], tuple[str, ...]]]
        lists = [(("table", str(at), "pipelines"), row.pipelines) for at, row in enumerate(settings.table)]
        for keys, names in [*lists, (("default_pipelines",), settings.default_pipelines)]:
            for position, name in enumerate(names):
                if name not in into and into:
                    path = (Kind.CONNECTORS, str(connector), *keys)
                    text = f'pipeline "{name}" does not have the connector as a receiver'
                    origin = config.origin(*path, str(position))
                    yield Problem(path, text, origin, name, one_of(into), nearest(name, into))


def _of_connector(config: Config, connector: ComponentId, text: str) -> Problem:
    path = (Kind.CONNECTORS, str(connector))
    return Problem(path, f'connector "{connector}" {text}', config.origin(*path))
