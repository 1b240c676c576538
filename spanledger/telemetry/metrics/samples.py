"""Values of all metrics at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from spanledger.model.distribution import Distribution
from spanledger.telemetry.metrics.declarations import METRICS, Across, Kind, Metric

Labels: TypeAlias = tuple[str, ...]
"""Values of a metric's labels, in the order of its declaration."""
Value: TypeAlias = float | Distribution


class Samples:
    """A value per metric and label values."""

    def __init__(self) -> None:
        self._values: dict[Metric, dict[Labels, Value]] = {}

    def add(self, metric: Metric, value: Value, *labels: str) -> None:
        """A value; several with the same labels are taken together, as those of several workers."""
        assert len(labels) == len(metric.labels)  # noqa: S101 - the declaration says how many
        values = self._values.setdefault(metric, {})
        before = values.get(labels)
        values[labels] = value if before is None else _together(metric, before, value)

    def update(self, other: Samples) -> None:
        """Take over all values of another one."""
        for metric, labels, value in other:
            self.add(metric, value, *labels)

    def counters(self) -> Samples:
        """What must never shrink: without the gauges."""
        kept = Samples()
        for metric, labels, value in self:
            if metric.kind is not Kind.GAUGE:
                kept.add(metric, value, *labels)
        return kept

    def get(self, metric: Metric, *labels: str) -> Value | None:
        """A value; None where there is none."""
        return self._values.get(metric, {}).get(labels)

    def metrics(self) -> Iterator[tuple[Metric, dict[Labels, Value]]]:
        """By metric, in the order of the declarations."""
        return ((metric, self._values[metric]) for metric in METRICS.values() if metric in self._values)

    def __iter__(self) -> Iterator[tuple[Metric, Labels, Value]]:
        for metric, values in self._values.items():
            for labels, value in values.items():
                yield metric, labels, value

    def to_plain(self) -> dict[str, Any]:
        """For JSON: name → list of [labels, value], a distribution as {bounds, counts, sum}."""
        return {
            metric.name: [[list(labels), _plain(value)] for labels, value in values.items()]
            for metric, values in self._values.items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Samples:
        """Of `to_plain`. Metrics that are not declared here are left out: a worker may be of a newer version."""
        samples = cls()
        for name, values in plain.items():
            if (metric := METRICS.get(name)) is not None:
                for labels, value in values:
                    samples.add(metric, _value(value), *labels)
        return samples


def _together(metric: Metric, one: Value, other: Value) -> Value:
    if isinstance(one, Distribution) and isinstance(other, Distribution):
        return one + other
    assert not isinstance(one, Distribution)  # noqa: S101 - a metric has values of one kind
    assert not isinstance(other, Distribution)  # noqa: S101
    return max(one, other) if metric.across is Across.MAX else one + other


def _plain(value: Value) -> Any:
    if isinstance(value, Distribution):
        return {"bounds": value.bounds, "counts": value.counts, "sum": value.sum}
    return value


def _value(plain: Any) -> Value:
    if isinstance(plain, dict):
        return Distribution(plain["bounds"], plain["counts"], plain["sum"])
    return float(plain)
