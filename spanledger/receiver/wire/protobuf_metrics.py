"""OTLP/protobuf metrics to data points. Exemplars, and the quantiles of a summary between its ends, are not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spanledger.model.span import MetricPoint, Value
from spanledger.receiver.wire.checks import nanoseconds
from spanledger.receiver.wire.group import Group
from spanledger.receiver.wire.metric_point import set_buckets, set_exponential_buckets
from spanledger.receiver.wire.refusal import Refused

Attributes = Callable[[Iterable[Any]], dict[str, Value]]


def metric_points(metric: Any, group: Group, attributes: Attributes) -> Iterator[MetricPoint | Refused]:
    """The points of a metric in order; a bad one is answered by the reason why it is refused."""
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    for message in data.data_points:
        point = MetricPoint()
        point.name = metric.name
        point.unit = metric.unit
        point.description = metric.description
        point.kind = kind
        point.temporality = getattr(data, "aggregation_temporality", 0)
        point.start_ns = nanoseconds(message.start_time_unix_nano)
        point.time_ns = nanoseconds(message.time_unix_nano)
        point.resource = group.resource
        point.scope = group.scope
        try:
            point.attributes = attributes(message.attributes)
            _READERS[kind](point, message)
        except Refused as reason:
            yield reason
        else:
            yield point


def _number(point: MetricPoint, message: Any) -> None:
    which = message.WhichOneof("value")
    if which is not None:
        point.value = getattr(message, which)


def _histogram(point: MetricPoint, message: Any) -> None:
    _distribution(point, message)
    set_buckets(point, message.explicit_bounds, message.bucket_counts)


def _exponential_histogram(point: MetricPoint, message: Any) -> None:
    _distribution(point, message)
    positive, negative = message.positive, message.negative
    set_exponential_buckets(
        point,
        message.scale,
        message.zero_count,
        (positive.offset, positive.bucket_counts),
        (negative.offset, negative.bucket_counts),
    )


def _distribution(point: MetricPoint, message: Any) -> None:
    point.count = message.count
    point.total = message.sum if message.HasField("sum") else None
    point.minimum = message.min if message.HasField("min") else None
    point.maximum = message.max if message.HasField("max") else None


def _summary(point: MetricPoint, message: Any) -> None:
    point.count = message.count
    point.total = message.sum
    for quantile in message.quantile_values:
        if quantile.quantile == 0.0:
            point.minimum = quantile.value
        elif quantile.quantile == 1.0:
            point.maximum = quantile.value


_READERS: dict[str, Callable[[MetricPoint, Any], None]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential_histogram": _exponential_histogram,
    "summary": _summary,
}
