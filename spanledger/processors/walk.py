"""The items of an OTLP request, with what is around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from spanledger.model.received import Signal
from spanledger.processors.base import Request
from spanledger.processors.ottl.paths import Item


def resource_groups(signal: Signal, request: Request) -> Any:
    """The repeated field of groups that share a resource."""
    match signal:
        case Signal.TRACES:
            return request.resource_spans
        case Signal.LOGS:
            return request.resource_logs
        case Signal.METRICS:
            return request.resource_metrics


def scope_groups(signal: Signal, group: Any) -> Any:
    """The repeated field of groups that share a scope."""
    match signal:
        case Signal.TRACES:
            return group.scope_spans
        case Signal.LOGS:
            return group.scope_logs
        case Signal.METRICS:
            return group.scope_metrics


def members(signal: Signal, group: Any) -> Any:
    """The repeated field of spans, log records or metrics."""
    match signal:
        case Signal.TRACES:
            return group.spans
        case Signal.LOGS:
            return group.log_records
        case Signal.METRICS:
            return group.metrics


def points(metric: Any) -> Any:
    """The repeated field of a metric's data points; empty for a metric without data."""
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else ()


def item_of(signal: Signal, resource: Any, scope: Any, member: Any) -> Item:
    """A span, log record or metric as statements see it."""
    match signal:
        case Signal.TRACES:
            return Item(resource, scope, span=member)
        case Signal.LOGS:
            return Item(resource, scope, log=member)
        case Signal.METRICS:
            return Item(resource, scope, metric=member)


def items(signal: Signal, request: Request) -> Iterator[Item]:
    """Every span, log record or metric."""
    for group in resource_groups(signal, request):
        for scoped in scope_groups(signal, group):
            for member in members(signal, scoped):
                yield item_of(signal, group.resource, scoped.scope, member)


def attributed(signal: Signal, request: Request) -> Iterator[tuple[Item, Any]]:
    """(item, its attributes): of spans, log records and data points."""
    for item in items(signal, request):
        if signal is Signal.TRACES:
            yield item, item.span.attributes
        elif signal is Signal.LOGS:
            yield item, item.log.attributes
        else:
            for point in points(item.metric):
                item.datapoint = point
                yield item, point.attributes


def drop(signal: Signal, request: Request, unwanted: Callable[[Item], bool]) -> int:
    """Take out the unwanted spans, log records or metrics, and groups that they leave empty; how many."""
    dropped = 0
    for group in resource_groups(signal, request):
        for scoped in scope_groups(signal, group):
            there = partial(item_of, signal, group.resource, scoped.scope)
            dropped += drop_from(members(signal, scoped), partial(_unwanted, unwanted, there))
    if dropped:
        prune(signal, request)
    return dropped


def _unwanted(unwanted: Callable[[Item], bool], there: Callable[[Any], Item], member: Any) -> bool:
    return unwanted(there(member))


def drop_from(container: Any, unwanted: Callable[[Any], bool]) -> int:
    """Take unwanted messages out of a repeated field; how many."""
    positions = [position for position, member in enumerate(container) if unwanted(member)]
    if len(positions) == len(container):
        del container[:]
    else:
        for position in reversed(positions):
            del container[position]
    return len(positions)


def prune(signal: Signal, request: Request) -> None:
    """Take out groups that hold nothing."""
    groups = resource_groups(signal, request)
    for group in groups:
        drop_from(scope_groups(signal, group), lambda scoped: not len(members(signal, scoped)))
    drop_from(groups, lambda group: not len(scope_groups(signal, group)))


def count(signal: Signal, request: Request) -> int:
    """How many spans, log records or data points there are."""
    found = 0
    for group in resource_groups(signal, request):
        for scoped in scope_groups(signal, group):
            held = members(signal, scoped)
            found += sum(len(points(metric)) for metric in held) if signal is Signal.METRICS else len(held)
    return found
