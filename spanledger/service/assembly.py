"""A pipeline and its exporters, as a configuration asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from spanledger.clients.auth import Borrowed, ClientAuthSettings
from spanledger.config import ComponentId, Config, InvalidConfiguration, Kind, Problem
from spanledger.config.components import Registry
from spanledger.config.pipeline import delivery_settings, signals_of_exporter, tables_delivery
from spanledger.config.rules import used
from spanledger.config.ways import roads_of
from spanledger.errors import ConfigError
from spanledger.exporters.base import Exporter
from spanledger.exporters.raw import RawExporter
from spanledger.exporters.rewrite import Rewrite
from spanledger.exporters.select import Select
from spanledger.forks import record_functions
from spanledger.joining import Joining
from spanledger.mapping import Mapper
from spanledger.model.received import Signal
from spanledger.pipeline import Log, Pipeline
from spanledger.pipeline.raw import RawRoute, routes_of
from spanledger.pipeline.roads import Roads
from spanledger.pipeline.settings import PipelineSettings
from spanledger.service.bodies import decode_body, parse_protobuf, to_protobuf
from spanledger.tracing import Tracer

_RUN_KINDS: Final = frozenset({"run", "score", "thread"})


class Assembly:
    """Builds pipelines of one configuration: that of the process, and one for each log without an owner."""

    def __init__(self, config: Config, registry: Registry, authenticators: Mapping[str, Any], tracer: Tracer) -> None:
        """`authenticators`: extensions by id, there when the pipeline starts."""
        self._config = config
        self._registry = registry
        self._authenticators = authenticators
        self._tracer = tracer

    def pipeline(self, settings: PipelineSettings, log: Callable[[], Log]) -> Pipeline:
        """A pipeline with exporters of its own, on a log that is asked for once all else can be. Raises
        `InvalidConfiguration`."""
        config = self._config
        exporters = used(config, Kind.EXPORTERS)
        delivery = {str(id_): given for id_, given in delivery_settings(config).items()}
        raw: dict[str, RawRoute] = {}
        roads = roads_of(config, self._registry)
        for id_, given in exporters.items():
            if self.is_raw(id_):
                routes = self._routes(id_, given, roads[id_])
                delivery |= dict.fromkeys(routes, delivery[str(id_)])
                raw |= routes
            elif (also := self._registry[Kind.EXPORTERS][id_.type].also_raw(given)) is not None:
                make = partial(also, given, parse_protobuf)
                routes = routes_of(str(id_), make, sorted(signals_of_exporter(config, id_)), roads[id_])
                delivery |= dict.fromkeys(routes, tables_delivery(config, id_))
                raw |= routes
        return Pipeline(
            log(),
            decode_body,
            partial(Mapper, config.mapping.price_list(), config.mapping.limits(), config.mapping.capture()),
            {str(id_): self._exporter(id_, given) for id_, given in exporters.items() if not self.is_raw(id_)},
            settings,
            delivery=delivery,
            raw=raw,
            to_protobuf=to_protobuf,
            roads={str(id_): of for id_, of in roads.items()},
            tracer=self._tracer,
        )

    def is_raw(self, exporter: ComponentId) -> bool:
        """Whether an exporter passes telemetry on as it came."""
        settings = self._config.components[Kind.EXPORTERS][exporter]
        return self._registry[Kind.EXPORTERS][exporter.type].passes_on(settings)

    def _routes(self, id_: ComponentId, settings: Any, roads: Roads) -> dict[str, RawRoute]:
        make = self._registry[Kind.EXPORTERS][id_.type].raw_factory(settings)
        try:
            signals = sorted(signals_of_exporter(self._config, id_))
            return routes_of(str(id_), partial(self._raw_exporter, make, settings), signals, roads)
        except ConfigError as error:
            path = (Kind.EXPORTERS, str(id_))
            raise InvalidConfiguration([Problem(path, str(error), self._config.origin(*path))]) from error

    def _raw_exporter(self, make: Callable[[Signal], RawExporter], settings: Any, signal: Signal) -> RawExporter:
        exporter = make(signal)
        auth = getattr(settings, "auth", None)
        if isinstance(auth, ClientAuthSettings):  # the extension starts before the exporter
            exporter.credentials = Borrowed(lambda: self._authenticators[auth.authenticator])
        return exporter

    def _factory(self, kind: Kind, id_: ComponentId) -> Any:
        return self._registry[kind][id_.type].factory

    def _exporter(self, id_: ComponentId, settings: Any) -> Exporter:
        exporter: Exporter = self._factory(Kind.EXPORTERS, id_)(settings)
        component = self._registry[Kind.EXPORTERS][id_.type]
        if component.admin_at:
            exporter = Joining(exporter, partial(component.store, settings), self._config.mapping.price_list())
        if functions := record_functions(self._config, id_):
            exporter = Rewrite(exporter, functions)
        signals = signals_of_exporter(self._config, id_)
        if Signal.METRICS not in signals:
            return Select(exporter, _RUN_KINDS)
        return exporter if len(signals) > 1 else Select(exporter, frozenset({"metric"}))
