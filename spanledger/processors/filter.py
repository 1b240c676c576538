"""The processor `filter` (processor/filterprocessor): drops what a condition holds for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Self

from pydantic import Field, model_validator

from spanledger.model.context import RequestContext
from spanledger.model.received import Signal
from spanledger.processors.base import ErrorMode, Processor, ProcessorError, Request
from spanledger.processors.ottl import Condition, Item, OttlError, compile_condition, context_of
from spanledger.processors.walk import drop, drop_from, items, points, prune
from spanledger.settings import Settings

_log = logging.getLogger(__name__)

_CONTEXTS: Final = {
    Signal.TRACES: ("resource", "scope", "span", "spanevent"),
    Signal.METRICS: ("resource", "scope", "metric", "datapoint"),
    Signal.LOGS: ("resource", "scope", "log"),
}
_OWN: Final = {Signal.TRACES: "span", Signal.METRICS: "metric", Signal.LOGS: "log"}


class TraceConditions(Settings):
    span: tuple[str, ...] = ()
    """Conditions that drop a span."""
    spanevent: tuple[str, ...] = ()
    """Conditions that drop an event of a span."""


class MetricConditions(Settings):
    metric: tuple[str, ...] = ()
    """Conditions that drop a metric."""
    datapoint: tuple[str, ...] = ()
    """Conditions that drop a data point."""


class LogConditions(Settings):
    log_record: tuple[str, ...] = ()
    """Conditions that drop a log record."""


class FilterSettings(Settings):
    """Processor `filter`: drops what any of its conditions (OTTL) holds for."""

    error_mode: ErrorMode = ErrorMode.PROPAGATE
    """What a condition that fails on an item does: `ignore` and `silent` keep the item, `propagate` refuses the
    request."""
    traces: TraceConditions = TraceConditions()
    """Conditions by context."""
    metrics: MetricConditions = MetricConditions()
    """Conditions by context."""
    logs: LogConditions = LogConditions()
    """Conditions by context."""
    trace_conditions: tuple[str, ...] = ()
    """Conditions whose paths say their context: `span.name == "health"`."""
    metric_conditions: tuple[str, ...] = ()
    """The same for metrics and data points."""
    log_conditions: tuple[str, ...] = ()
    """The same for log records."""
    spans: Any = Field(default=None, exclude=True)
    """Gone, as in the Collector; write conditions."""

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.spans is not None:
            raise ValueError("spans::include and spans::exclude are not supported; write OTTL conditions under traces")
        if not any(conditions_of(self).values()):
            raise ValueError("expected at least one condition")
        return self


def conditions_of(settings: FilterSettings) -> dict[Signal, list[tuple[str, Condition]]]:
    """(context, condition) by signal. Raises `ValueError`."""
    written = {
        Signal.TRACES: {"span": settings.traces.span, "spanevent": settings.traces.spanevent},
        Signal.METRICS: {"metric": settings.metrics.metric, "datapoint": settings.metrics.datapoint},
        Signal.LOGS: {"log": settings.logs.log_record},
    }
    flat = {
        Signal.TRACES: settings.trace_conditions,
        Signal.METRICS: settings.metric_conditions,
        Signal.LOGS: settings.log_conditions,
    }
    found: dict[Signal, list[tuple[str, Condition]]] = {}
    for signal, contexts in written.items():
        texts = [(context, text) for context, group in contexts.items() for text in group]
        texts += [(_inferred(text, signal), text) for text in flat[signal]]
        found[signal] = [(context, readable(compile_condition, text, context)) for context, text in texts]
    return found


def readable(compile_: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What `compile_` gives; its errors as `ValueError`, which settings tell with their key."""
    from spanledger.processors.ottl import OttlSyntaxError

    try:
        return compile_(*given, **named)
    except OttlSyntaxError as problem:
        raise ValueError(str(problem)) from None


def _inferred(text: str, signal: Signal) -> str:
    context: str = readable(context_of, text, statement=False) or _OWN[signal]
    if context not in _CONTEXTS[signal]:
        raise ValueError(f"{context} is no context of {signal}: {text}")
    return context


class FilterProcessor(Processor):
    """Drops what any condition holds for."""

    def __init__(self, settings: FilterSettings) -> None:
        self._mode = settings.error_mode
        self._conditions = conditions_of(settings)
        self.dropped = 0
        """Items dropped so far."""

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        by_context: dict[str, list[Condition]] = {}
        for about, condition in self._conditions[signal]:
            by_context.setdefault(about, []).append(condition)
        own = [condition for about in ("resource", "scope", _OWN[signal]) for condition in by_context.get(about, ())]
        if own:
            self.dropped += drop(signal, request, lambda item: self._holds(own, item))
        if inner := by_context.get("spanevent"):
            for item in items(signal, request):
                self.dropped += drop_from(item.span.events, partial(self._event, inner, item))
        if inner := by_context.get("datapoint"):
            emptied = False
            for item in items(signal, request):
                held = points(item.metric)
                if len(held):
                    self.dropped += drop_from(held, partial(self._point, inner, item))
                    emptied = emptied or not len(held)
            if emptied:
                drop(signal, request, lambda item: not len(points(item.metric)))
                prune(signal, request)

    def _event(self, conditions: list[Condition], item: Item, event: Any) -> bool:
        item.spanevent = event
        return self._holds(conditions, item)

    def _point(self, conditions: list[Condition], item: Item, point: Any) -> bool:
        item.datapoint = point
        return self._holds(conditions, item)

    def _holds(self, conditions: list[Condition], item: Item) -> bool:
        for condition in conditions:
            try:
                if condition(item):
                    return True
            except OttlError as problem:
                if self._mode is ErrorMode.PROPAGATE:
                    raise ProcessorError(f"filter: {problem}") from None
                if self._mode is ErrorMode.IGNORE:
                    _log.warning("a condition failed", extra={"reason": str(problem)})
        return False
