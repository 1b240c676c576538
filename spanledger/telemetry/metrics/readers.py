"""All who read the metrics of a process, as `service::telemetry::metrics` names them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from spanledger.errors import ConfigError
from spanledger.telemetry.metrics.otlp import OtlpPusher
from spanledger.telemetry.metrics.prometheus import PrometheusServer
from spanledger.telemetry.metrics.samples import Samples
from spanledger.telemetry.resource import resource_attributes
from spanledger.telemetry.settings import TelemetrySettings

logger = logging.getLogger(__name__)


class MetricsReaders:
    """Started last and stopped first, so that what they read is there."""

    def __init__(self, settings: TelemetrySettings, read: Callable[[], Samples]) -> None:
        """`read` gives all samples of now."""
        metrics = settings.metrics
        about = (metrics.level, resource_attributes(settings.resource), read)
        self._asked_for = metrics.asked_for
        self._servers = [PrometheusServer(pull, *about) for pull in metrics.pulls()]
        self._pushers = [OtlpPusher(push, *about) for push in metrics.pushes()]

    def endpoints(self) -> dict[str, str]:
        """Name → where Prometheus reads."""
        urls = [f"http://{server.address}/metrics" for server in self._servers]
        return {"metrics" if number == 1 else f"metrics {number}": url for number, url in enumerate(urls, 1)}

    async def start(self) -> None:
        """Raises `ConfigError` when an address that the configuration names cannot be had."""
        for server in list(self._servers):
            try:
                await server.start()
            except ConfigError as error:
                if self._asked_for:
                    raise ConfigError(f"service::telemetry::metrics: {error}") from None
                # Another spanledger, or a Collector, has the default port, which nobody asked for here.
                logger.info("%s; own metrics are not served, set service::telemetry::metrics::address", error)
                self._servers.remove(server)
        for pusher in self._pushers:
            await pusher.start()

    async def stop(self) -> None:
        """Send once more what is sent, and stop listening."""
        for pusher in self._pushers:
            await pusher.stop()
        for server in self._servers:
            await server.stop()
