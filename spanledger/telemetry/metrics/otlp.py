"""Own metrics sent over OTLP, as OpenTelemetry's periodic reader does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from spanledger._version import __version__
from spanledger.model.distribution import Distribution
from spanledger.model.received import Signal
from spanledger.telemetry.metrics.declarations import Kind, Metric
from spanledger.telemetry.metrics.prometheus import visible
from spanledger.telemetry.metrics.samples import Samples, Value
from spanledger.telemetry.metrics.settings import PeriodicSettings
from spanledger.telemetry.otlp import OtlpClient, SendError

logger = logging.getLogger(__name__)

_STARTED_NS: Final = time.time_ns()


def request_of(samples: Samples, level: str, attributes: Mapping[str, str], now_ns: int) -> ExportMetricsServiceRequest:
    """The metrics that a level shows, as one request. Sums run from the start of the process."""
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    for name, value in attributes.items():
        attribute = group.resource.attributes.add(key=name)
        attribute.value.string_value = value
    scope = group.scope_metrics.add()
    scope.scope.name, scope.scope.version = "spanledger", __version__
    for metric, values in samples.metrics():
        if visible(metric, level):
            message = scope.metrics.add(name=metric.name, description=metric.meaning, unit=metric.unit)
            _add(message, metric, values, now_ns)
    return request


def _add(message: metrics_pb2.Metric, metric: Metric, values: Mapping[tuple[str, ...], Value], now_ns: int) -> None:
    cumulative = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
    if metric.kind is Kind.HISTOGRAM:
        message.histogram.aggregation_temporality = cumulative
    elif metric.kind is Kind.COUNTER:
        message.sum.aggregation_temporality = cumulative
        message.sum.is_monotonic = True
    for labels, value in values.items():
        point: metrics_pb2.NumberDataPoint | metrics_pb2.HistogramDataPoint
        if isinstance(value, Distribution):
            point = message.histogram.data_points.add(
                count=value.count, sum=value.sum, explicit_bounds=value.bounds, bucket_counts=value.counts
            )
        else:
            points = message.sum.data_points if metric.kind is Kind.COUNTER else message.gauge.data_points
            point = points.add()
            if isinstance(value, int):
                point.as_int = value
            else:
                point.as_double = value
        if metric.kind is not Kind.GAUGE:
            point.start_time_unix_nano = _STARTED_NS
        point.time_unix_nano = now_ns
        for name, text in zip(metric.labels, labels, strict=True):
            attribute = point.attributes.add(key=name)
            attribute.value.string_value = text


class OtlpPusher:
    """Sends all metrics again and again. What cannot be sent is not repeated: the next time says it all."""

    def __init__(
        self,
        settings: PeriodicSettings,
        level: str,
        attributes: Mapping[str, str],
        read: Callable[[], Samples],
    ) -> None:
        self._settings = settings
        self._client = OtlpClient(settings.exporter.otlp, Signal.METRICS)
        self._level = level
        self._attributes = attributes
        self._read = read
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    async def start(self) -> None:
        """Begin to send, first after one interval. Raises `ConfigError` when a certificate cannot be used."""
        await self._client.start()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Send once more and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            await self._push()
            await self._client.close()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.interval / 1000)
            await self._push()

    async def _push(self) -> None:
        otlp = self._settings.exporter.otlp
        body = request_of(self._read(), self._level, self._attributes, time.time_ns()).SerializeToString()
        try:
            await self._client.send(body)
        except SendError as error:
            if not self._failing:
                logger.warning("own metrics cannot be sent", extra={"endpoint": otlp.endpoint, "reason": str(error)})
            self._failing = True
        else:
            if self._failing:
                logger.info("own metrics are sent again", extra={"endpoint": otlp.endpoint})
            self._failing = False
