"""A running process, built from a configuration: what starts when, what is told to the user, how it ends.

Start: health check, then exporters and log (the pipeline), then receivers; nobody is listened to before what they send
has somewhere to go. Stop: not ready, receivers, pipeline, API, health check.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from spanledger._version import __version__
from spanledger.access.projects import Projects
from spanledger.access.tally import Tally
from spanledger.api.writers import Writers
from spanledger.clients.auth import ClientAuthSettings
from spanledger.components import components_of, layout_of
from spanledger.config import ComponentId, Config, InvalidConfiguration, Kind, Problem
from spanledger.config.components import Registry
from spanledger.config.ids import parse_id
from spanledger.config.pipeline import (
    delivery_settings,
    in_flight_bytes,
    memory_limit,
    pipeline_settings,
    signals_of_exporter,
    tables_delivery,
)
from spanledger.config.registry import COMPONENTS
from spanledger.config.rules import (
    API,
    HEALTH_CHECK,
    MAINTENANCE,
    ZPAGES,
    authenticating,
    default_authenticator,
    listeners,
    readable_exporters,
    store_of_api,
    used,
)
from spanledger.config.ways import roads_of
from spanledger.errors import ConfigError, SpanledgerError, StoreUnavailable
from spanledger.exporters.base import Exporter
from spanledger.exporters.keys import StoredKey
from spanledger.exporters.raw import RawExporter
from spanledger.exporters.rewrite import Rewrite
from spanledger.exporters.select import Select
from spanledger.exporters.store import RunStore, StoreAdmin
from spanledger.forks import forks_of, record_functions
from spanledger.joining import Joining
from spanledger.maintenance import Kept, Maintenance
from spanledger.mapping import KEYS, Mapper
from spanledger.mapping.cost import PriceList
from spanledger.model.received import Decoded, Encoding, Signal
from spanledger.pipeline import Log, MemoryLog, Pipeline, create_log
from spanledger.pipeline.gate import Gate
from spanledger.pipeline.raw import RawRoute, routes_of
from spanledger.pipeline.roads import Roads
from spanledger.pipeline.settings import Durability, PipelineSettings, WhenFull
from spanledger.processors.fork import Fork
from spanledger.processors.intake import ProcessingIntake
from spanledger.processors.messages import parse
from spanledger.receiver.client_events import ClientEvents
from spanledger.receiver.listen import UNIX
from spanledger.receiver.wire import decode
from spanledger.settings import split_endpoint
from spanledger.telemetry.metrics import collect, declarations
from spanledger.telemetry.metrics.readers import MetricsReaders
from spanledger.telemetry.metrics.samples import Samples
from spanledger.telemetry.traces.own import OwnTraces
from spanledger.tracing import Tracer
from spanledger.workers.link import Report
from spanledger.workers.take_over import TakeOver, folder_of

logger = logging.getLogger(__name__)


_RUN_KINDS: Final = frozenset({"run", "score", "thread"})
_DEFAULT_API: Final = "http://127.0.0.1:3333"
"""Where `spanledger runs` looks when it is not told."""
_STORE_RETRY: Final = 2.0
"""Seconds between two attempts to reach the store that the API reads."""


def decode_body(signal: Signal, encoding: Encoding, body: bytes) -> Decoded:
    """`spanledger.model.received.Decode` with the mapping's key table."""
    return decode(signal, encoding, body, KEYS)


def to_protobuf(signal: Signal, encoding: Encoding, body: bytes) -> bytes:
    """`spanledger.pipeline.raw.ToProtobuf`."""
    return bytes(parse(signal, encoding, body).SerializeToString())


def parse_protobuf(signal: Signal, body: bytes) -> Any:
    """`spanledger.exporters.clickhouse.otel.exporter.Parse`."""
    return parse(signal, Encoding.PROTOBUF, body)


class Service:
    """Everything that a configuration asks for, in one process."""

    def __init__(
        self,
        config: Config,
        registry: Registry = COMPONENTS,
        *,
        worker: int | None = None,
        predecessor: Service | None = None,
    ) -> None:
        """`worker`: the number of this process among those that share the ports, from 1. `predecessor`: who ran so
        far in this process, with another configuration; see `start`. Raises `LogError`."""
        self.config = self._config = config
        self._predecessor = predecessor
        self._gate: Gate = predecessor._gate if predecessor is not None else Gate()
        self.tracer: Tracer = predecessor.tracer if predecessor is not None else Tracer()
        self._traces: OwnTraces | None = None
        self.reloads: dict[str, int] = predecessor.reloads if predecessor is not None else {"success": 0, "failure": 0}
        """How many configurations were taken over, and kept out."""
        self._counted = Samples()
        """Counters of what ran before in this process."""
        self._registry = registry
        self._settings = settings = pipeline_settings(config)
        self._worker = worker
        self._logs = settings.log.directory
        """What is below it belongs to this process, to other workers or to nobody."""
        if worker is not None and settings.durability is Durability.DURABLE:
            self._settings = _with_log_in(settings, folder_of(self._logs, worker, config.workers))
        self.pipeline = self._new_pipeline(self._settings)
        self._receivers: dict[ComponentId, Any] = {}
        self._extensions: dict[ComponentId, Any] = {}
        self._authenticators: dict[str, Any] = {}
        self._stores: list[RunStore] = []
        self._maintenance: Maintenance | None = None
        self._waiting: set[asyncio.Task[None]] = set()
        self._take_over: asyncio.Task[None] | None = None
        self._shedding: asyncio.Task[None] | None = None
        self._intake: ProcessingIntake | None = None
        self._client_events: ClientEvents | None = None
        self._forks: dict[tuple[str, Signal], Fork] = {}
        self._readers: MetricsReaders | None = None
        self._has_pipeline = False
        self._not_ready: str | None = "starting"

    # What is built of what.

    def _new_pipeline(self, settings: PipelineSettings) -> Pipeline:
        config = self._config
        exporters = used(config, Kind.EXPORTERS)
        delivery = {str(id_): given for id_, given in delivery_settings(config).items()}
        raw: dict[str, RawRoute] = {}
        roads = roads_of(config, self._registry)
        for id_, given in exporters.items():
            if self._is_raw(id_):
                routes = self._routes(id_, given, roads[id_])
                delivery |= dict.fromkeys(routes, delivery[str(id_)])
                raw |= routes
            elif (also := self._registry[Kind.EXPORTERS][id_.type].also_raw(given)) is not None:
                make = partial(also, given, parse_protobuf)
                routes = routes_of(str(id_), make, sorted(signals_of_exporter(config, id_)), roads[id_])
                delivery |= dict.fromkeys(routes, tables_delivery(config, id_))
                raw |= routes
        return Pipeline(
            self._log(settings),
            decode_body,
            partial(Mapper, config.mapping.price_list(), config.mapping.limits(), config.mapping.capture()),
            {str(id_): self._exporter(id_, given) for id_, given in exporters.items() if not self._is_raw(id_)},
            settings,
            delivery=delivery,
            raw=raw,
            to_protobuf=to_protobuf,
            roads={str(id_): of for id_, of in roads.items()},
            tracer=self.tracer,
        )

    def _fetches(self, receiver: ComponentId) -> bool:
        return self._registry[Kind.RECEIVERS][receiver.type].fetches

    def _is_raw(self, exporter: ComponentId) -> bool:
        return self._registry[Kind.EXPORTERS][exporter.type].raw

    def _routes(self, id_: ComponentId, settings: Any, roads: Roads) -> dict[str, RawRoute]:
        factory = partial(self._raw_exporter, id_)
        try:
            signals = sorted(signals_of_exporter(self._config, id_))
            return routes_of(str(id_), partial(factory, settings), signals, roads)
        except ConfigError as error:
            path = (Kind.EXPORTERS, str(id_))
            raise InvalidConfiguration([Problem(path, str(error), self._config.origin(*path))]) from error

    def _raw_exporter(self, id_: ComponentId, settings: Any, signal: Signal) -> RawExporter:
        exporter: RawExporter = self._factory(Kind.EXPORTERS, id_)(settings, signal)
        auth = getattr(settings, "auth", None)
        if isinstance(auth, ClientAuthSettings):  # the extension starts before the exporter
            exporter.credentials = lambda: self._authenticators[auth.authenticator].lend()
        return exporter

    def _log(self, settings: PipelineSettings) -> Log:
        """A new log, or the predecessor's where that is in memory: what it holds is nowhere else."""
        before = self._predecessor
        if settings.durability is Durability.MEMORY and before is not None:
            log = before.pipeline.log
            if isinstance(log, MemoryLog):
                log.use(settings.memory)
                return log
        return create_log(settings)

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

    # Start and stop.

    async def start(self, grace_seconds: float = 0.0) -> None:
        """Start everything in order. Raises `SpanledgerError`, naming the key where one is at fault; everything is
        stopped again then.

        A predecessor must have been asked to `make_way`. Receivers of its that would be the same again go on as they
        are, and no connection notices; the others are stopped just before their successors listen."""
        before, self._predecessor = self._predecessor, None
        same_keys = before is not None and self._keys() == before._keys()
        try:
            extensions = used(self._config, Kind.EXTENSIONS)
            for id_ in self._config.extensions:
                if id_.type == HEALTH_CHECK and self._worker is None:  # else the supervisor has it
                    health = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], self.not_ready, self.status)
                    await self._started(Kind.EXTENSIONS, id_, health.start())
                    self._extensions[id_] = health
                if id_.type == ZPAGES and self._worker is None:
                    layout = layout_of(self._config)
                    pages = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], layout, self.not_ready, self.status)
                    await self._started(Kind.EXTENSIONS, id_, pages.start())
                    self._extensions[id_] = pages
            for id_ in authenticating(self._config, self._registry):
                if before is not None and same_keys:
                    self._authenticators[str(id_)] = before._authenticators[str(id_)]
                    continue
                authenticator = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], str(id_))
                if store := getattr(extensions[id_], "store", None):
                    authenticator.read_from(self._keys_of(parse_id(store)))
                if isinstance(authenticator, Projects) and (tally := self._tally(str(id_))) is not None:
                    authenticator.share(tally)
                await authenticator.start()
                self._extensions[id_] = self._authenticators[str(id_)] = authenticator
            if (default := default_authenticator(self._config)) is not None:
                self._authenticators[""] = self._authenticators[str(default)]
            self._traces = OwnTraces(self._config.telemetry, self.tracer)
            await self._traces.start()
            await self.pipeline.start()
            self._has_pipeline = True
            self._forks = forks_of(self._config, self._registry)
            self._intake = ProcessingIntake(
                self.pipeline.intake,
                self._forks,
                decode_body,
                self.pipeline.drain_rate,
            )
            if self._settings.durability is Durability.DURABLE:
                self._take_over = asyncio.create_task(self._new_take_over().run())
                self._shedding = asyncio.create_task(self.pipeline.shedding().run())
            for id_ in self._config.extensions:
                if id_.type == API:
                    await self._start_api(id_, extensions[id_])
                if id_.type == MAINTENANCE and self._worker in (None, 0):
                    self._maintenance = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], *self._kept_stores())
                    await self._maintenance.start()
            self._gate.lead_to(self._intake)
            kept = self._kept_receivers(before, same_keys)
            if before is not None:
                await before.stop_receivers(before._receivers.keys() - kept, grace_seconds)
            for id_, settings in used(self._config, Kind.RECEIVERS).items():
                if id_ in kept:
                    continue
                signals = self._config.signals_of(id_)
                receiver = self._factory(Kind.RECEIVERS, id_)(
                    settings,
                    KEYS,
                    self._gate.door(str(id_)),
                    self._authenticators,
                    signals=signals,
                    reuse_port=self._worker is not None,
                    in_flight_bytes=in_flight_bytes(self._config),
                    memory_limit=memory_limit(self._config),
                    drain_rate=self._gate.drain_rate,
                    name=str(id_),
                    **({"backlog": self.pipeline} if self._fetches(id_) else {"tracer": self.tracer}),
                )
                await self._started(Kind.RECEIVERS, id_, receiver.start())
                self._receivers[id_] = receiver
            if self._worker is None:  # else the supervisor has them
                self._readers = MetricsReaders(self._config.telemetry, self.samples)
                await self._readers.start()
        except BaseException:
            if before is not None:
                await self._gate.close(0)
            await self.stop(0)
            raise
        if before is not None:
            self._take_from(before, kept, same_keys)
        self._not_ready = None

    async def make_way(self, grace_seconds: float) -> None:
        """Stop all but the receivers, for a successor. What they accept waits for it; what was accepted is delivered
        within the grace, or stays in the log."""
        self._not_ready = "taking over a new configuration"
        # Those that fetch know how far this pipeline has delivered; the successor's begin at the committed offsets.
        await self.stop_receivers([id_ for id_ in self._receivers if self._fetches(id_)], grace_seconds)
        keys = authenticating(self._config, self._registry)
        await self._stop_extensions(list(self._extensions.keys() - set(keys)))
        await self._gate.close(grace_seconds)
        before = self._of_the_road().counters()
        await self._stop_inside(grace_seconds, log_stays=True)
        self._counted.update(before)
        self._has_pipeline = False
        self._forks = {}

    async def stop_receivers(self, which: Iterable[ComponentId], grace_seconds: float) -> None:
        """Stop receivers, as in `stop`; what they counted is not forgotten."""
        stopped = {id_: self._receivers[id_] for id_ in which}
        await asyncio.gather(*(receiver.stop(grace_seconds) for receiver in stopped.values()))
        for id_, receiver in stopped.items():
            counted = Samples()
            _add_receiver(counted, id_, receiver)
            self._counted.update(counted.counters())
            del self._receivers[id_]

    def _take_from(self, before: Service, kept: Collection[ComponentId], same_keys: bool) -> None:
        self._receivers |= {id_: before._receivers.pop(id_) for id_ in kept}
        if same_keys:
            for id_ in authenticating(self._config, self._registry):
                self._extensions[id_] = before._extensions.pop(id_)
        self._counted = before._counted

    def _kept_receivers(self, before: Service | None, same_keys: bool) -> set[ComponentId]:
        """Receivers of the predecessor that would be made in the same way again."""
        if before is None or not same_keys or _memory(self._config) != _memory(before._config):
            return set()
        were = used(before._config, Kind.RECEIVERS)
        return {
            id_
            for id_, settings in used(self._config, Kind.RECEIVERS).items()
            if id_ in before._receivers
            and not self._fetches(id_)
            and settings == were[id_]
            and self._config.signals_of(id_) == before._config.signals_of(id_)
        }

    def _keys(self) -> object:
        """What decides who may send."""
        extensions = used(self._config, Kind.EXTENSIONS)
        known = {id_: extensions[id_] for id_ in authenticating(self._config, self._registry)}
        return known, default_authenticator(self._config)

    async def stop(self, grace_seconds: float) -> bool:
        """Stop everything in order; whether all that was accepted is delivered. What is not stays in the durable log
        for the next start."""
        self._not_ready = "stopping"
        deadline = time.monotonic() + grace_seconds
        await asyncio.gather(*(receiver.stop(grace_seconds) for receiver in self._receivers.values()))
        drained = await self._stop_inside(max(deadline - time.monotonic(), 0))
        await self._stop_extensions(list(self._extensions))
        return drained

    async def _stop_inside(self, grace_seconds: float, *, log_stays: bool = False) -> bool:
        """Everything between the receivers and the extensions; whether all that was accepted is delivered."""
        beside = [task for task in (self._take_over, self._shedding) if task is not None]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        drained = await self.pipeline.stop(grace_seconds, log_stays=log_stays) if self._has_pipeline else True
        if self._client_events is not None:
            self._client_events.close()
        if self._intake is not None:
            self._intake.close()
        if self._maintenance is not None:
            await self._maintenance.stop()
        if self._readers is not None:
            await self._readers.stop()
        if self._traces is not None:
            await self._traces.stop()
        self._intake = self._client_events = self._maintenance = self._readers = self._traces = None
        self._take_over = self._shedding = None
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        return drained

    async def _stop_extensions(self, which: list[ComponentId]) -> None:
        for id_ in reversed(which):
            await self._extensions.pop(id_).stop()
        for store in self._stores:
            await store.close()
        self._stores = []

    def _tally(self, name: str) -> Tally | None:
        """Where the processes of this machine count together what projects send: beside the log, where there is one."""
        if self._settings.durability is Durability.DURABLE:
            folder = self._logs
        elif self._worker is not None:
            folder = Path(tempfile.gettempdir()) / f"spanledger-{os.getuid()}-{os.getppid()}"
        else:
            return None
        try:
            return Tally(folder / f"{name.replace('/', '_')}.tally")
        except OSError as error:
            logger.warning("limits of projects are counted by this process alone", extra={"reason": str(error)})
            return None

    def _keys_of(self, exporter: ComponentId) -> Callable[[], Awaitable[Sequence[StoredKey]]]:
        """What reads the keys of projects from the store of an exporter."""
        make = partial(
            self._registry[Kind.EXPORTERS][exporter.type].admin, self._config.components[Kind.EXPORTERS][exporter]
        )

        async def fetch() -> Sequence[StoredKey]:
            admin: StoreAdmin = make()
            try:
                await admin.start()
                return await admin.keys()
            finally:
                await admin.close()

        return fetch

    def _kept_stores(self) -> tuple[list[Kept], PriceList, int]:
        """What `Maintenance` needs to know."""
        exporters = used(self._config, Kind.EXPORTERS)
        stores = []
        for id_ in readable_exporters(self._config, self._registry):
            component, settings = self._registry[Kind.EXPORTERS][id_.type], exporters[id_]
            make = (component.store, component.factory, component.admin)
            if component.admin_at:
                stores.append(Kept(str(id_), *(partial(made, settings) for made in make)))
        mapping = self._config.mapping
        return stores, mapping.price_list(), mapping.limits().max_age_ns

    async def _start_api(self, id_: ComponentId, settings: Any) -> None:
        """Reads from its store with connections of its own, and listens once the store has answered."""
        source = store_of_api(self._config, self._registry, settings)
        component = self._registry[Kind.EXPORTERS][source.type]
        store: RunStore = component.store(self._config.components[Kind.EXPORTERS][source])
        known = self._authenticators.get(settings.auth.authenticator if settings.auth else "")
        assert self._intake is not None  # noqa: S101 - set by start
        writers = None
        if component.admin_at:
            of_exporter = self._config.components[Kind.EXPORTERS][source]
            writers = Writers(partial(component.factory, of_exporter), partial(component.admin, of_exporter))
        events = self._client_events = ClientEvents(self._intake)
        server = self._factory(Kind.EXTENSIONS, id_)(settings, store, known, events, writers)
        try:
            await store.start()
        except StoreUnavailable as error:
            logger.warning("the API waits for its store", extra={"exporter": str(source), "reason": str(error)})
            task = asyncio.create_task(self._start_api_later(id_, server, store))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
            return
        self._stores.append(store)
        await self._started(Kind.EXTENSIONS, id_, self._listen(server))
        self._extensions[id_] = server

    async def _start_api_later(self, id_: ComponentId, server: Any, store: RunStore) -> None:
        while True:
            await asyncio.sleep(_STORE_RETRY)
            try:
                await store.start()
                self._stores.append(store)
                await self._started(Kind.EXTENSIONS, id_, self._listen(server))
            except StoreUnavailable:
                continue
            except SpanledgerError as error:
                logger.error("the API cannot start", extra={"reason": str(error)})
                return
            self._extensions[id_] = server
            logger.info("the API listens", extra={"address": server.address})
            return

    async def _listen(self, server: Any) -> None:
        """Every worker serves the API: it reads the store, which is the same for all."""
        await server.start(reuse_port=self._worker is not None)

    def _new_take_over(self) -> TakeOver:
        settings = self._settings
        return TakeOver(
            self._logs, settings.log.directory, lambda folder: self._new_pipeline(_with_log_in(settings, folder))
        )

    async def _started(self, kind: Kind, id_: ComponentId, start: Awaitable[None]) -> None:
        """Await a start; a `ConfigError` about an address is told with the key where it stands."""
        try:
            await start
        except InvalidConfiguration:
            raise
        except ConfigError as error:
            text = str(error)
            for path, address in listeners(self._config):
                spellings = [address]
                if not address.startswith(UNIX):
                    host, port = split_endpoint(address)
                    spellings.append(f"[{host}]:{port}")
                if path[:2] == (kind, str(id_)) and any(shown in text for shown in spellings):
                    message = text[text.index("cannot listen") :] if "cannot listen" in text else text
                    expected = "an address of this machine that no other process listens on"
                    problem = Problem(path, message, self._config.origin(*path), address, expected)
                    raise InvalidConfiguration([problem]) from error
            raise

    # What is known of it.

    @property
    def durable(self) -> bool:
        """Whether the log outlives the process."""
        return self._settings.durability is Durability.DURABLE

    def not_ready(self) -> str | None:
        """Why nothing can be accepted now, None when it can."""
        if self._not_ready is not None:
            return self._not_ready
        if self.pipeline.failure.done():
            return "the pipeline broke"
        log = self.pipeline.status().log
        if log.failure is not None:
            return f"the log cannot be written: {log.failure}"
        full = self._settings.log.when_full if self._settings.durability is Durability.DURABLE else WhenFull.REFUSE
        if log.bytes >= log.max_bytes and full is WhenFull.REFUSE:
            return "the log is full"
        return None

    def status(self) -> dict[str, Any]:
        """Counts of the pipeline, as plain values."""
        if not self._has_pipeline:
            return {}
        status = self.pipeline.status()
        return {"pipeline": status.counts(), "components": components_of(self._config, self._receivers.keys(), status)}

    def report(self) -> Report:
        """For the supervisor."""
        return Report(self.not_ready(), self.endpoints(), self.status(), self.samples().to_plain())

    def samples(self) -> Samples:
        """Values of all metrics."""
        samples = Samples()
        collect.add_process(samples)
        samples.add(declarations.READY, int(self.not_ready() is None))
        for outcome, count in self.reloads.items():
            samples.add(declarations.RELOADS, count, outcome)
        for id_, receiver in self._receivers.items():
            _add_receiver(samples, id_, receiver)
        samples.update(self._of_the_road())
        samples.update(self._counted)
        return samples

    def _of_the_road(self) -> Samples:
        """Values of what ends when the configuration becomes another."""
        samples = Samples()
        told: set[int] = set()
        for (_, signal), fork in self._forks.items():
            if id(fork) not in told:  # receivers may share it
                told.add(id(fork))
                for chain in fork.chains():
                    collect.add_processors(samples, signal, chain.counts)
        for name, authenticator in self._authenticators.items():
            if name:
                samples.add(declarations.AUTH_REFUSED, getattr(authenticator, "refused", 0), name)
        if self._has_pipeline:
            status = self.pipeline.status()
            collect.add_pipeline(samples, status)
            for id_ in used(self._config, Kind.EXPORTERS):
                signals = signals_of_exporter(self._config, id_)
                if self._is_raw(id_):
                    for signal in signals:
                        collect.add_exporter(samples, str(id_), {signal}, status, f"{id_}:{signal}")
                    continue
                collect.add_exporter(samples, str(id_), signals, status, str(id_))
                for signal in signals:  # of the tables beside the records, where there are such
                    collect.add_exporter(samples, f"{id_}:{signal}", {signal}, status, f"{id_}:{signal}")
        return samples

    def authenticator(self, name: str) -> Any:
        """An extension that knows callers, by its id."""
        return self._authenticators[name]

    def endpoints(self) -> dict[str, str]:
        """Name → where it listens, of everything that listens."""
        found: dict[str, str] = {}
        for id_, receiver in self._receivers.items():
            if receiver.grpc_address:
                found[f"{id_} over gRPC"] = receiver.grpc_address
            if receiver.http_url:
                found[f"{id_} over HTTP"] = receiver.http_url
        for id_, extension in self._extensions.items():
            if extension.address is not None:
                found[str(id_)] = f"http://{extension.address}"
        return found | (self._readers.endpoints() if self._readers is not None else {})


def _add_receiver(samples: Samples, id_: ComponentId, receiver: Any) -> None:
    for transport, (traffic, admission) in getattr(receiver, "listeners", {}).items():
        collect.add_listener(samples, str(id_), transport, traffic, admission)


def _with_log_in(settings: PipelineSettings, folder: Path) -> PipelineSettings:
    return settings.model_copy(update={"log": settings.log.model_copy(update={"directory": folder})})


def banner(config: Config, shown: Mapping[str, str], seconds: float) -> str:
    """What a person at a terminal needs once everything runs. `shown`: name → where it listens."""
    width = max(map(len, shown), default=0)
    workers = f" with {config.workers} workers" if config.workers > 1 else ""
    lines = [f"spanledger {__version__} is ready{workers} after {seconds:.1f} s"]
    lines += [f"  {name:<{width}}  {address}" for name, address in shown.items()]
    for exporter in used(config, Kind.EXPORTERS).values():
        endpoint = getattr(exporter, "endpoint", None)
        if endpoint is not None:
            what = "passed on" if hasattr(exporter, "batch_bytes") else "ledger"
            lines.append(f"  {what:<{width}}  {endpoint}")
    http = next((address for name, address in shown.items() if name.endswith("HTTP")), None)
    if http is not None and "://" in http:
        here = http.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//127.0.0.1:")
        lines.append(f"Send to it:    export OTEL_EXPORTER_OTLP_ENDPOINT={here}")
    api = next((address for name, address in shown.items() if name.partition("/")[0] == API), None)
    if api is not None:
        here = api.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//127.0.0.1:")
        lines.append(f"Look at runs:  {_program()} runs{'' if here == _DEFAULT_API else f' --api {here}'}")
    return "\n".join(lines)


def _program() -> str:
    """How to call this program again from the same terminal."""
    called = sys.argv[0]
    if Path(called).name != "spanledger":
        return "python -m spanledger"
    found = shutil.which("spanledger")
    return "spanledger" if found and Path(found).samefile(called) else called


def event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop: uvloop where it is installed, which it is not on every platform."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _memory(config: Config) -> tuple[int, int | None]:
    """What receivers are told of the memory."""
    return in_flight_bytes(config), memory_limit(config)


def calm_allocator() -> None:
    """Let glibc give back what requests took. By default each thread that decodes or maps a large body has a heap of
    its own, and after the first body of some megabytes all further ones come out of these heaps, where what the
    mapping remembers stands between them: a seventh of resident memory after 100,000 spans."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)  # one is enough where one thread at a time runs Python
        libc.mallopt(_M_MMAP_THRESHOLD, 256 * 1024)


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Of glibc's malloc.h."""


def calm_collector() -> None:
    """Let the garbage collector disturb no request. What the start made stays for the life of the process and is not
    looked at again; a request makes thousands of objects without a cycle among them, and looking at these time and
    again (every 700, by default) costs a quarter of decoding."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, *gc.get_threshold()[1:])
