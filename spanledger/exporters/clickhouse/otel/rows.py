"""Requests to rows of the tables, one tuple a row in the order of a table's columns. Attributes of a resource and of a
scope are read once for all of their items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from spanledger.exporters.clickhouse.otel.tables import LOGS, METRICS, TRACES, RawTable
from spanledger.exporters.clickhouse.otel.values import attributes, identity, text, time
from spanledger.model.received import Signal

Row: TypeAlias = tuple[Any, ...]

_SPAN_KINDS: Final = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUS_CODES: Final = ("Unset", "Ok", "Error")
_NO_EXEMPLARS: Final[Row] = ((), (), (), (), ())


def rows(signal: Signal, request: Any) -> dict[RawTable, list[Row]]:
    """The rows of an export request, by table. `request` is its message."""
    if signal is Signal.TRACES:
        return {TRACES: list(_spans(request))}
    if signal is Signal.LOGS:
        return {LOGS: list(_log_records(request))}
    found: dict[str, list[Row]] = {}
    for kind, row in _points(request):
        found.setdefault(kind, []).append(row)
    return {METRICS[kind]: kept for kind, kept in found.items()}


def _spans(request: Any) -> Iterator[Row]:
    for resource_spans in request.resource_spans:
        of_resource = attributes(resource_spans.resource.attributes)
        service = of_resource.get("service.name", "")
        for scope_spans in resource_spans.scope_spans:
            scope, version = scope_spans.scope.name, scope_spans.scope.version
            for span in scope_spans.spans:
                began, status, events, links = span.start_time_unix_nano, span.status, span.events, span.links
                yield (
                    time(began),
                    identity(span.trace_id),
                    identity(span.span_id),
                    identity(span.parent_span_id),
                    span.trace_state,
                    span.name,
                    _named(_SPAN_KINDS, span.kind),
                    service,
                    of_resource,
                    scope,
                    version,
                    attributes(span.attributes),
                    max(span.end_time_unix_nano - began, 0),
                    _named(_STATUS_CODES, status.code),
                    status.message,
                    [time(event.time_unix_nano) for event in events],
                    [event.name for event in events],
                    [attributes(event.attributes) for event in events],
                    [identity(link.trace_id) for link in links],
                    [identity(link.span_id) for link in links],
                    [link.trace_state for link in links],
                    [attributes(link.attributes) for link in links],
                )


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]


def _log_records(request: Any) -> Iterator[Row]:
    for resource_logs in request.resource_logs:
        of_resource = attributes(resource_logs.resource.attributes)
        service = of_resource.get("service.name", "")
        for scope_logs in resource_logs.scope_logs:
            scope = scope_logs.scope
            of_scope = attributes(scope.attributes)
            for record in scope_logs.log_records:
                yield (
                    time(record.time_unix_nano or record.observed_time_unix_nano),
                    identity(record.trace_id),
                    identity(record.span_id),
                    record.flags & 0xFF,
                    record.severity_text,
                    max(0, min(record.severity_number, 0xFF)),
                    service,
                    text(record.body),
                    resource_logs.schema_url,
                    of_resource,
                    scope_logs.schema_url,
                    scope.name,
                    scope.version,
                    of_scope,
                    attributes(record.attributes),
                    record.event_name,
                )


def _points(request: Any) -> Iterator[tuple[str, Row]]:
    """(kind of metric, row) of every data point."""
    for resource_metrics in request.resource_metrics:
        of_resource = attributes(resource_metrics.resource.attributes)
        service = of_resource.get("service.name", "")
        for scope_metrics in resource_metrics.scope_metrics:
            scope = scope_metrics.scope
            shared = (
                of_resource,
                resource_metrics.schema_url,
                scope.name,
                scope.version,
                attributes(scope.attributes),
                scope.dropped_attributes_count,
                scope_metrics.schema_url,
                service,
            )
            for metric in scope_metrics.metrics:
                kind = metric.WhichOneof("data")
                if kind is None:
                    continue
                data = getattr(metric, kind)
                described = (*shared, metric.name, metric.description, metric.unit)
                for point in data.data_points:
                    common = (
                        *described,
                        attributes(point.attributes),
                        time(point.start_time_unix_nano),
                        time(point.time_unix_nano),
                        point.flags,
                    )
                    yield kind, (*common, *_OF_KIND[kind](data, point))


def _gauge(gauge: Any, point: Any) -> Row:
    return (_value(point), *_exemplars(point))


def _sum(sum_: Any, point: Any) -> Row:
    return (_value(point), sum_.aggregation_temporality, sum_.is_monotonic, *_exemplars(point))


def _histogram(histogram: Any, point: Any) -> Row:
    return (
        point.count,
        point.sum,
        point.bucket_counts,
        point.explicit_bounds,
        point.min,
        point.max,
        histogram.aggregation_temporality,
        *_exemplars(point),
    )


def _exponential_histogram(histogram: Any, point: Any) -> Row:
    return (
        point.count,
        point.sum,
        point.scale,
        point.zero_count,
        point.positive.offset,
        point.positive.bucket_counts,
        point.negative.offset,
        point.negative.bucket_counts,
        point.min,
        point.max,
        histogram.aggregation_temporality,
        *_exemplars(point),
    )


def _summary(summary: Any, point: Any) -> Row:
    quantiles = point.quantile_values
    return (point.count, point.sum, [one.quantile for one in quantiles], [one.value for one in quantiles])


_OF_KIND: Final = {
    "gauge": _gauge,
    "sum": _sum,
    "histogram": _histogram,
    "exponential_histogram": _exponential_histogram,
    "summary": _summary,
}


def _value(point: Any) -> float:
    """Of a data point or an exemplar, as a double: the tables have no whole numbers."""
    return float(point.as_int) if point.WhichOneof("value") == "as_int" else point.as_double


def _exemplars(point: Any) -> Row:
    exemplars = point.exemplars
    if not exemplars:
        return _NO_EXEMPLARS
    return (
        [attributes(one.filtered_attributes) for one in exemplars],
        [time(one.time_unix_nano) for one in exemplars],
        [_value(one) for one in exemplars],
        [identity(one.span_id) for one in exemplars],
        [identity(one.trace_id) for one in exemplars],
    )
