"""Metric data points, from both encodings."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
    Summary,
    SummaryDataPoint,
)

from spanledger.model.received import Signal
from spanledger.model.span import MetricPoint
from tests.receiver.bodies import END, START, metrics, pairs
from tests.receiver.decoding import decode_json, decode_protobuf, points_of

TIMES: dict[str, Any] = {"start_time_unix_nano": START, "time_unix_nano": END}
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA


def histogram(name: str, **fields: Any) -> Metric:
    point = HistogramDataPoint(
        **(
            {
                **TIMES,
                "attributes": pairs({"gen_ai.token.type": "input"}),
                "count": 3,
                "sum": 12.5,
                "min": 0.25,
                "max": 9.0,
                "explicit_bounds": [0.5, 10.0],
                "bucket_counts": [1, 2, 0],
            }
            | fields
        )
    )
    data = Histogram(aggregation_temporality=DELTA, data_points=[point])
    return Metric(name=name, unit="{token}", description="how many", histogram=data)


def exponential(
    scale: int, zero_count: int, positive: tuple[int, list[int]], negative: tuple[int, list[int]]
) -> Metric:
    buckets = ExponentialHistogramDataPoint.Buckets
    point = ExponentialHistogramDataPoint(
        **TIMES,
        count=zero_count + sum(positive[1]) + sum(negative[1]),
        scale=scale,
        zero_count=zero_count,
        positive=buckets(offset=positive[0], bucket_counts=positive[1]),
        negative=buckets(offset=negative[0], bucket_counts=negative[1]),
    )
    return Metric(name="m", exponential_histogram=ExponentialHistogram(data_points=[point]))


@pytest.fixture(params=["protobuf", "json"])
def decoded_points(request: pytest.FixtureRequest) -> Any:
    """Decodes metrics from one encoding: (points, rejected)."""

    def decoded(*found: Metric) -> tuple[list[MetricPoint], list[str]]:
        body = metrics(*found)
        if request.param == "protobuf":
            answer = decode_protobuf(body, Signal.METRICS)
        else:
            answer = decode_json(json_format.MessageToDict(MetricsData.FromString(body)), Signal.METRICS)
        return points_of(answer), answer.rejected

    return decoded


def test_gauges_and_sums_have_a_value(decoded_points: Any) -> None:
    gauge = Metric(name="g", gauge=Gauge(data_points=[NumberDataPoint(**TIMES, as_double=0.5)]))
    total = Metric(
        name="s",
        sum=Sum(aggregation_temporality=DELTA, data_points=[NumberDataPoint(**TIMES, as_int=-7), NumberDataPoint()]),
    )
    points, rejected = decoded_points(gauge, total)
    assert [(point.name, point.kind, point.temporality, point.value) for point in points] == [
        ("g", "gauge", 0, 0.5),
        ("s", "sum", 1, -7),
        ("s", "sum", 1, None),
    ]
    assert (points[0].start_ns, points[0].time_ns) == (START, END)
    assert rejected == []


def test_histograms_have_buckets(decoded_points: Any) -> None:
    (point,), rejected = decoded_points(histogram("gen_ai.client.token.usage"))
    assert (point.name, point.kind, point.unit, point.description) == (
        "gen_ai.client.token.usage",
        "histogram",
        "{token}",
        "how many",
    )
    assert point.attributes == {"gen_ai.token.type": "input"}
    assert (point.count, point.total, point.minimum, point.maximum) == (3, 12.5, 0.25, 9.0)
    assert (point.bounds, point.buckets) == ([0.5, 10.0], [1, 2, 0])
    assert rejected == []


def test_a_histogram_may_do_without_sum_and_ends(decoded_points: Any) -> None:
    (point,), _ = decoded_points(
        Metric(name="h", histogram=Histogram(data_points=[HistogramDataPoint(**TIMES, count=2)]))
    )
    assert (point.count, point.total, point.minimum, point.maximum, point.buckets) == (2, None, None, None, [])


@pytest.mark.parametrize(
    ("metric", "bounds", "buckets"),
    [
        (exponential(0, 4, (1, [5, 6]), (0, [])), [2.0, 4.0, 8.0], [4, 5, 6, 0]),
        (exponential(1, 0, (2, [1]), (0, [])), [2.0, 2.0**1.5], [0, 1, 0]),
        (exponential(0, 4, (0, []), (1, [5, 6])), [-8.0, -4.0, -2.0], [0, 6, 5, 4]),
        (exponential(-1, 2, (0, [3]), (0, [1])), [-4.0, -1.0, 1.0, 4.0], [0, 1, 2, 3, 0]),
        (exponential(3, 9, (0, []), (0, [])), [], [9]),
    ],
    ids=["positive", "scale 1", "negative", "both", "only zeros"],
)
def test_exponential_buckets_become_explicit_ones(
    decoded_points: Any, metric: Metric, bounds: list[float], buckets: list[int]
) -> None:
    (point,), rejected = decoded_points(metric)
    assert rejected == []
    assert point.kind == "exponential_histogram"
    assert point.bounds == pytest.approx(bounds)
    assert point.buckets == buckets


def test_a_summary_gives_its_ends(decoded_points: Any) -> None:
    quantiles = [(0.0, 1.5), (0.5, 3.0), (1.0, 8.0)]
    point = SummaryDataPoint(**TIMES, count=4, sum=12.0)
    for quantile, value in quantiles:
        point.quantile_values.add(quantile=quantile, value=value)
    (received,), _ = decoded_points(Metric(name="s", summary=Summary(data_points=[point])))
    assert (received.kind, received.count, received.total) == ("summary", 4, 12.0)
    assert (received.minimum, received.maximum) == (1.5, 8.0)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (histogram("bad", bucket_counts=[1, 2]), "2 buckets do not fit 2 bounds"),
        (histogram("bad", explicit_bounds=[10.0, 0.5]), "the bounds of its buckets do not grow"),
    ],
)
def test_a_bad_point_is_refused_alone_and_named(decoded_points: Any, metric: Metric, reason: str) -> None:
    points, rejected = decoded_points(metric, histogram("good"))
    assert [point.name for point in points] == ["good"]
    assert rejected == [f'data point of metric "bad": {reason}']


def test_exponential_buckets_beyond_all_numbers_are_refused(decoded_points: Any) -> None:
    points, rejected = decoded_points(exponential(-10, 0, (1 << 30, [1]), (0, [])))
    assert points == []
    assert rejected == [
        'data point of metric "m": its exponential buckets (index 1073741824, scale -10) reach beyond all numbers'
    ]


def test_a_metric_without_data_is_nothing(decoded_points: Any) -> None:
    assert decoded_points(Metric(name="empty")) == ([], [])
