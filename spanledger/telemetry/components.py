"""How each component of a configuration is doing, in the Collector's words (component/componentstatus)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeAlias


class State(StrEnum):
    """Of one component, of a pipeline, of everything. Later ones outweigh earlier ones."""

    OK = "StatusOK"
    STARTING = "StatusStarting"
    STOPPING = "StatusStopping"
    RECOVERABLE = "StatusRecoverableError"
    """It does not work, and is tried again: a store that is away."""


_WEIGHT = {state: position for position, state in enumerate(State)}

Components: TypeAlias = Mapping[str, Mapping[str, tuple[str, str | None]]]
"""`pipeline:traces` or `extensions` → `exporter:clickhouse` → (state, what is wrong). A list in place of the pair is as
good: this comes out of JSON where workers report it."""


def worst(states: Iterable[tuple[str, str | None]]) -> tuple[State, str | None]:
    """The state that outweighs the others, with its reason; OK without any."""
    found = [(State(state), reason) for state, reason in states]
    return max(found, key=lambda one: _WEIGHT[one[0]], default=(State.OK, None))


def members(components: Components) -> Iterator[tuple[str, str | None]]:
    """The state of every component."""
    return ((state, reason) for group in components.values() for state, reason in group.values())


def together(several: Iterable[Components]) -> Components:
    """Those of several workers: of each component the worst."""
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    for components in several:
        for group, held in components.items():
            into = found.setdefault(group, {})
            for name, state in held.items():
                into[name] = worst([state, *([into[name]] if name in into else [])])
    return found


def of_status(status: Mapping[str, Any]) -> Components:
    """The components in what a process, or a supervisor of several, tells of itself."""
    if "workers" in status:
        return together(of_status(one) for one in status["workers"].values())
    found: Components = status.get("components", {})
    return found


def degraded(components: Components) -> dict[str, str]:
    """Component → what is wrong with it, of those that are tried again."""
    return {
        name: reason or "trying again"
        for held in components.values()
        for name, (state, reason) in held.items()
        if state == State.RECOVERABLE
    }
