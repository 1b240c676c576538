"""The processor `transform` (processor/transformprocessor): OTTL statements."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from pydantic import model_validator

from spanledger.model.context import RequestContext
from spanledger.model.received import Signal
from spanledger.processors.base import ErrorMode, Processor, ProcessorError, Request
from spanledger.processors.filter import readable
from spanledger.processors.ottl import (
    Condition,
    Execute,
    Item,
    OttlError,
    compile_condition,
    compile_statement,
    context_of,
)
from spanledger.processors.walk import items, points, resource_groups, scope_groups
from spanledger.settings import Settings

_log = logging.getLogger(__name__)

_CONTEXTS: Final = {
    Signal.TRACES: ("resource", "scope", "span", "spanevent"),
    Signal.METRICS: ("resource", "scope", "metric", "datapoint"),
    Signal.LOGS: ("resource", "scope", "log"),
}


class StatementGroup(Settings):
    """Statements that share a context."""

    context: Literal["resource", "scope", "span", "spanevent", "metric", "datapoint", "log"] | None = None
    """What the statements run on. Left out: the paths say it."""
    conditions: tuple[str, ...] = ()
    """The statements run where any of these holds. Left out: everywhere."""
    statements: tuple[str, ...]
    """Statements (OTTL), in order."""
    error_mode: ErrorMode | None = None
    """Left out: that of the processor."""


class TransformSettings(Settings):
    """Processor `transform`: changes telemetry by statements (OTTL)."""

    error_mode: ErrorMode = ErrorMode.PROPAGATE
    """What a statement that fails on an item does: `ignore` and `silent` go on with the next, `propagate` refuses the
    request."""
    trace_statements: tuple[StatementGroup | str, ...] = ()
    """Statements for resources, scopes, spans and events: texts whose paths say their context, or groups."""
    metric_statements: tuple[StatementGroup | str, ...] = ()
    """The same for metrics and data points."""
    log_statements: tuple[StatementGroup | str, ...] = ()
    """The same for log records."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if not any(groups_of(self).values()):
            raise ValueError("expected at least one statement")
        return self


@dataclass(frozen=True, slots=True)
class _Group:
    context: str
    conditions: tuple[Condition, ...]
    statements: tuple[Execute, ...]
    mode: ErrorMode


def groups_of(settings: TransformSettings) -> dict[Signal, list[_Group]]:
    """Compiled statements by signal, in order. Raises `ValueError`."""
    written = {
        Signal.TRACES: settings.trace_statements,
        Signal.METRICS: settings.metric_statements,
        Signal.LOGS: settings.log_statements,
    }
    return {
        signal: [_group(signal, given, settings.error_mode) for given in groups] for signal, groups in written.items()
    }


def _group(signal: Signal, given: StatementGroup | str, mode: ErrorMode) -> _Group:
    group = StatementGroup(statements=(given,)) if isinstance(given, str) else given
    context = group.context or _inferred(signal, group)
    if context not in _CONTEXTS[signal]:
        raise ValueError(f"{context} is no context of {signal}; expected {', '.join(_CONTEXTS[signal])}")
    return _Group(
        context,
        tuple(readable(compile_condition, text, context) for text in group.conditions),
        tuple(readable(compile_statement, text, context) for text in group.statements),
        group.error_mode or mode,
    )


def _inferred(signal: Signal, group: StatementGroup) -> str:
    found = {readable(context_of, text, statement=True) for text in group.statements}
    found |= {readable(context_of, text, statement=False) for text in group.conditions}
    known = [context for context in _CONTEXTS[signal] if context in found]
    if foreign := sorted(context for context in found if context and context not in _CONTEXTS[signal]):
        raise ValueError(f"{foreign[0]} is no context of {signal}; expected {', '.join(_CONTEXTS[signal])}")
    if not known:
        raise ValueError(f"no path says its context, as in span.name: {group.statements[0]}")
    return known[-1]


class TransformProcessor(Processor):
    """Runs groups of statements, each over all of its items before the next."""

    def __init__(self, settings: TransformSettings) -> None:
        self._groups = groups_of(settings)

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        for group in self._groups[signal]:
            for item in in_context(signal, request, group.context):
                self._run(group, item)

    def _run(self, group: _Group, item: Item) -> None:
        try:
            if group.conditions and not any(condition(item) for condition in group.conditions):
                return
        except OttlError as problem:
            self._failed(group, problem)
            return
        for statement in group.statements:
            try:
                statement(item)
            except OttlError as problem:
                self._failed(group, problem)

    @staticmethod
    def _failed(group: _Group, problem: OttlError) -> None:
        if group.mode is ErrorMode.PROPAGATE:
            raise ProcessorError(f"transform: {problem}") from None
        if group.mode is ErrorMode.IGNORE:
            _log.warning("a statement failed", extra={"reason": str(problem)})


def in_context(signal: Signal, request: Request, context: str) -> Iterator[Item]:
    """Everything of a context, one after the other."""
    if context == "resource":
        for group in resource_groups(signal, request):
            yield Item(group.resource)
    elif context == "scope":
        for group in resource_groups(signal, request):
            for scoped in scope_groups(signal, group):
                yield Item(group.resource, scoped.scope)
    elif context == "spanevent":
        for item in items(signal, request):
            yield from _inside(item, item.span.events, "spanevent")
    elif context == "datapoint":
        for item in items(signal, request):
            yield from _inside(item, points(item.metric), "datapoint")
    else:
        yield from items(signal, request)


def _inside(item: Item, members: Any, name: str) -> Iterator[Item]:
    for member in members:
        setattr(item, name, member)
        yield item
