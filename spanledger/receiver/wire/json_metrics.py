"""OTLP/JSON metrics to data points. Keeps what `protobuf_metrics` keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry.proto.metrics.v1 import metrics_pb2

from spanledger.model.span import MetricPoint
from spanledger.receiver.wire.checks import nanoseconds
from spanledger.receiver.wire.group import Group
from spanledger.receiver.wire.json_values import (
    Members,
    Values,
    double,
    elements,
    enumeration,
    enumeration_names,
    field,
    integer,
    members,
    text,
    time,
    unsigned,
)
from spanledger.receiver.wire.metric_point import set_buckets, set_exponential_buckets
from spanledger.receiver.wire.refusal import Refused

_TEMPORALITIES: Final = enumeration_names(metrics_pb2.AggregationTemporality.items(), prefix="AGGREGATION_TEMPORALITY_")
_KINDS: Final = (
    ("gauge", "gauge"),
    ("sum", "sum"),
    ("histogram", "histogram"),
    ("exponentialHistogram", "exponential_histogram"),
    ("summary", "summary"),
)


def metric_points(metric: Members, group: Group, values: Values) -> Iterator[MetricPoint | Refused]:
    """The points of a metric in order; a bad one is answered by the reason why it is refused. Raises `Refused` when
    the metric itself cannot be read."""
    name, unit = text(metric.get("name"), "name"), text(metric.get("unit"), "unit")
    description = text(metric.get("description"), "description")
    for camel, kind in _KINDS:
        content = field(metric, camel, kind)
        if content is None:
            continue
        data = members(content, camel)
        temporality = field(data, "aggregationTemporality", "aggregation_temporality")
        number = enumeration(temporality, "aggregationTemporality", _TEMPORALITIES)
        for message in elements(field(data, "dataPoints", "data_points"), "dataPoints"):
            point = MetricPoint()
            point.name, point.unit, point.description = name, unit, description
            point.kind, point.temporality = kind, number
            point.resource, point.scope = group.resource, group.scope
            try:
                _read(point, members(message, "data point"), values)
            except Refused as reason:
                yield reason
            else:
                yield point


def _read(point: MetricPoint, message: Members, values: Values) -> None:
    point.start_ns = nanoseconds(time(field(message, "startTimeUnixNano", "start_time_unix_nano"), "startTimeUnixNano"))
    point.time_ns = nanoseconds(time(field(message, "timeUnixNano", "time_unix_nano"), "timeUnixNano"))
    point.attributes = dict(values.pairs(message.get("attributes")))
    _READERS[point.kind](point, message)


def _number(point: MetricPoint, message: Members) -> None:
    as_int, as_double = field(message, "asInt", "as_int"), field(message, "asDouble", "as_double")
    if as_int is not None:
        point.value = integer(as_int, "asInt")
    elif as_double is not None:
        point.value = double(as_double, "asDouble")


def _histogram(point: MetricPoint, message: Members) -> None:
    _distribution(point, message)
    bounds = elements(field(message, "explicitBounds", "explicit_bounds"), "explicitBounds")
    set_buckets(point, [double(bound, "explicitBounds") for bound in bounds], _counts(message))


def _exponential_histogram(point: MetricPoint, message: Members) -> None:
    _distribution(point, message)
    zero_count = unsigned(field(message, "zeroCount", "zero_count"), "zeroCount")
    scale = _int32(message.get("scale"), "scale")
    set_exponential_buckets(point, scale, zero_count, _side(message, "positive"), _side(message, "negative"))


def _side(message: Members, name: str) -> tuple[int, list[int]]:
    buckets = members(message.get(name), name)
    return _int32(buckets.get("offset"), "offset"), _counts(buckets)


def _counts(message: Members) -> list[int]:
    counts = elements(field(message, "bucketCounts", "bucket_counts"), "bucketCounts")
    return [unsigned(count, "bucketCounts") for count in counts]


def _distribution(point: MetricPoint, message: Members) -> None:
    point.count = unsigned(message.get("count"), "count")
    point.total = _optional(message.get("sum"), "sum")
    point.minimum = _optional(message.get("min"), "min")
    point.maximum = _optional(message.get("max"), "max")


def _summary(point: MetricPoint, message: Members) -> None:
    point.count = unsigned(message.get("count"), "count")
    point.total = _optional(message.get("sum"), "sum") or 0.0
    for element in elements(field(message, "quantileValues", "quantile_values"), "quantileValues"):
        quantile = members(element, "quantileValues")
        at, value = (_optional(quantile.get(name), name) or 0.0 for name in ("quantile", "value"))
        if at == 0.0:
            point.minimum = value
        elif at == 1.0:
            point.maximum = value


def _optional(value: Any, name: str) -> float | None:
    return None if value is None else double(value, name)


def _int32(value: Any, name: str) -> int:
    return integer(value, name, -(1 << 31), (1 << 31) - 1)


_READERS: Final[dict[str, Callable[[MetricPoint, Members], None]]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential_histogram,
    "summary": _summary,
}
