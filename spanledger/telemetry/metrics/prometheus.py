"""`/metrics`: the text format of Prometheus, or OpenMetrics where the reader asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import InfoMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from spanledger.model.distribution import Distribution
from spanledger.telemetry.metrics.declarations import Kind, Level, Metric
from spanledger.telemetry.metrics.samples import Samples, Value
from spanledger.telemetry.metrics.settings import PrometheusSettings
from spanledger.telemetry.page_server import PageServer

_UNITS: Final = {"s": "seconds", "By": "bytes", "By/s": "bytes_per_second", "1": "ratio"}
_LEVELS: Final = list(Level)


def visible(metric: Metric, level: str) -> bool:
    """Whether a metric is shown at a level of the settings."""
    return level != "none" and _LEVELS.index(metric.level) <= _LEVELS.index(Level(level))


class Families(Collector):
    """Samples as prometheus_client takes them."""

    def __init__(
        self, samples: Samples, level: str, settings: PrometheusSettings, attributes: Mapping[str, str]
    ) -> None:
        self._samples = samples
        self._level = level
        self._settings = settings
        self._attributes = {re.sub(r"\W", "_", name): value for name, value in attributes.items()}
        wanted = settings.with_resource_constant_labels
        self._constant = {
            re.sub(r"\W", "_", name): value
            for name, value in attributes.items()
            if any(fnmatchcase(name, pattern) for pattern in wanted.included)
            and not any(fnmatchcase(name, pattern) for pattern in wanted.excluded)
        }

    def collect(self) -> Iterator[Family]:
        """One family per metric that the level shows."""
        yield InfoMetricFamily("target", "Attributes of the resource.", self._attributes)
        for metric, values in self._samples.metrics():
            if visible(metric, self._level):
                yield self._family(metric, values)

    def _family(self, metric: Metric, values: Mapping[tuple[str, ...], Value]) -> Family:
        name = metric.name if self._settings.without_units else _with_unit(metric)
        plain = metric.kind is Kind.COUNTER and self._settings.without_type_suffix
        # The format knows no counter without the suffix.
        family = Family(name, metric.meaning, "unknown" if plain else metric.kind.value)
        for labels, value in values.items():
            named = {**self._constant, **dict(zip(metric.labels, labels, strict=True))}
            if isinstance(value, Distribution):
                _add_buckets(family, name, named, value)
            else:
                suffix = "_total" if metric.kind is Kind.COUNTER and not plain else ""
                family.add_sample(f"{name}{suffix}", named, value)
        return family


def _add_buckets(family: Family, name: str, labels: dict[str, str], value: Distribution) -> None:
    bounds = [*(repr(float(bound)) for bound in value.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(value.counts), strict=True):
        family.add_sample(f"{name}_bucket", {**labels, "le": bound}, count)
    family.add_sample(f"{name}_sum", labels, value.sum)
    family.add_sample(f"{name}_count", labels, value.count)


def _with_unit(metric: Metric) -> str:
    """As the Collector's exporter names it where units are asked for; what is counted, in braces, is no unit."""
    unit = _UNITS.get(metric.unit)
    if unit is None or metric.name.endswith(unit) or metric.unit == "1":
        return metric.name
    return f"{metric.name}_{unit}"


class PrometheusServer(PageServer):
    """Answers GET /metrics."""

    def __init__(
        self,
        settings: PrometheusSettings,
        level: str,
        attributes: Mapping[str, str],
        read: Callable[[], Samples],
    ) -> None:
        """`attributes`: of the resource. `read` is asked at each scrape."""
        super().__init__(settings.endpoint, f"cannot listen on {settings.endpoint} for metrics")
        self._settings = settings
        self._level = level
        self._attributes = attributes
        self._read = read

    async def start(self) -> None:
        """Begin to listen. Raises `ConfigError` when the address cannot be had."""
        await self.listen({"/metrics": self._answer})

    async def _answer(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Families(self._read(), self._level, self._settings, self._attributes))
        response = web.Response(body=encode(registry), headers={"Content-Type": content_type})
        response.enable_compression()
        return response
