"""Rules for metric data points that hold for both encodings."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from spanledger.model.span import MetricPoint
from spanledger.receiver.wire.refusal import Refused

KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
"""Names of the members of `Metric.data`, and of `MetricPoint.kind`."""


def set_buckets(point: MetricPoint, bounds: Sequence[float], counts: Sequence[int]) -> None:
    """Explicit buckets: none, or one more than there are bounds, which must grow (HistogramDataPoint)."""
    if counts and len(counts) != len(bounds) + 1:
        raise Refused(f"{len(counts)} buckets do not fit {len(bounds)} bounds")
    if any(not low < high for low, high in itertools.pairwise(bounds)):
        raise Refused("the bounds of its buckets do not grow")
    point.bounds = list(bounds)
    point.buckets = list(counts)


def set_exponential_buckets(
    point: MetricPoint,
    scale: int,
    zero_count: int,
    positive: tuple[int, Sequence[int]],
    negative: tuple[int, Sequence[int]],
) -> None:
    """Exponential buckets, written out as explicit bounds: bucket i of a scale holds the values in
    (base^i, base^(i+1)] with base = 2^(2^-scale). `positive` and `negative` are (offset, counts)."""
    bounds: list[float] = []
    buckets: list[int] = [0]
    if negative[1]:
        offset, counts = negative
        bounds += [-_power(offset + i, scale) for i in range(len(counts), -1, -1)]
        buckets += reversed(counts)
        buckets.append(0)
    if positive[1]:
        offset, counts = positive
        bounds += [_power(offset + i, scale) for i in range(len(counts) + 1)]
        buckets += counts
        buckets.append(0)
    zero_bucket = len(negative[1]) + 1 if negative[1] else 0
    buckets[zero_bucket] += zero_count
    set_buckets(point, bounds, buckets)


def _power(index: int, scale: int) -> float:
    try:
        power = math.exp2(math.ldexp(index, -scale))
    except OverflowError:
        power = math.inf
    if not math.isfinite(power):
        raise Refused(f"its exponential buckets (index {index}, scale {scale}) reach beyond all numbers")
    return power
