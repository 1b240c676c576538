"""What a configuration puts between receivers and log, and between mapping and exporters: processors, built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, takewhile
from typing import Any, TypeAlias

from spanledger.config import ComponentId, Config, InvalidConfiguration, Kind, Problem
from spanledger.config.components import Registry
from spanledger.config.ways import Step, leading_to, on_records, road, ways
from spanledger.errors import ConfigError
from spanledger.model.received import Signal
from spanledger.processors.chain import Chain
from spanledger.processors.fork import Fork
from spanledger.processors.python import load_function

_Road: TypeAlias = tuple[tuple[Step, ...], str]
"""Steps that are left, and where they lead."""


def forks_of(config: Config, registry: Registry) -> dict[tuple[str, Signal], Fork]:
    """What becomes of a request by receiver and signal. Raises `InvalidConfiguration`."""
    build = _Builder(config, registry)
    found: dict[tuple[str, Signal], Fork] = {}
    shared: dict[tuple[_Road, ...], Fork] = {}
    for id_, pipeline in config.pipelines.items():
        for receiver in pipeline.receivers:
            signal = id_.signal
            roads = tuple(
                (way.steps, road(config, registry, signal, way)) for way in ways(config, registry, receiver, signal)
            )
            if roads not in shared:  # receivers that lead the same way share its processors
                shared[roads] = build.fork(roads)
            found[str(receiver), signal] = shared[roads]
    return found


def record_functions(config: Config, exporter: ComponentId) -> list[Callable[..., object]]:
    """Functions of users for the records of an exporter: those of its pipelines, each once. Raises
    `InvalidConfiguration`."""
    named = {
        id_: None for pipeline in leading_to(config, exporter) for id_ in pipeline.processors if on_records(config, id_)
    }
    return [_made(config, Kind.PROCESSORS, id_, load_function) for id_ in named]


class _Builder:
    def __init__(self, config: Config, registry: Registry) -> None:
        self._config = config
        self._registry = registry

    def fork(self, roads: Sequence[_Road]) -> Fork:
        """The tree of several roads: what they have in common first."""
        common = [steps[0] for steps in takewhile(_agree, zip(*(steps for steps, _ in roads), strict=False))]
        left = [(steps[len(common) :], name) for steps, name in roads]
        ends = [name for steps, name in left if not steps]
        onward = sorted(((steps, name) for steps, name in left if steps), key=lambda one: _key(one[0][0]))
        groups = [list(group) for _, group in groupby(onward, key=lambda one: one[0][0])]
        return Fork(self._chain(common), ends[0] if ends else None, tuple(map(self.fork, groups)))

    def _chain(self, steps: Sequence[Step]) -> Chain | None:
        made = [self._processor(step) for step in steps]
        return Chain(made, [str(step.id) for step in steps]) if made else None

    def _processor(self, step: Step) -> Any:
        kind = Kind.PROCESSORS if step.into is None else Kind.CONNECTORS
        factory = self._registry[kind][step.id.type].factory
        if step.into is None:
            return _made(self._config, kind, step.id, factory)
        return factory(self._config.components[kind][step.id], str(step.into))


def _agree(steps: Iterable[Step]) -> bool:
    return len(set(steps)) == 1


def _key(step: Step) -> tuple[str, str]:
    return str(step.id), str(step.into)


def _made(config: Config, kind: Kind, id_: ComponentId, make: Callable[[Any], Any]) -> Any:
    """What is made of a component's settings; a mistake is told with its place."""
    try:
        return make(config.components[kind][id_])
    except ConfigError as error:
        path = (kind, str(id_))
        raise InvalidConfiguration([Problem(path, str(error), config.origin(*path))]) from error
