"""A running process, built from a configuration: what starts when, what is told to the user, how it ends.

Start: health check, then exporters and log (the pipeline), then receivers; nobody is listened to before what they send
has somewhere to go. Stop: not ready, receivers, pipeline, API, health check.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any, Final, TypeVar

from spanledger._version import __version__
from spanledger.access.authenticator import Authenticator
from spanledger.api.writers import Writers
from spanledger.config import ComponentId, Config, InvalidConfiguration, Kind, Problem
from spanledger.config.components import Registry
from spanledger.config.pipeline import delivery_settings, in_flight_bytes, pipeline_settings, signals_of_exporter
from spanledger.config.registry import COMPONENTS
from spanledger.config.rules import (
    API,
    HEALTH_CHECK,
    MAINTENANCE,
    authenticating,
    chain_of,
    default_authenticator,
    listeners,
    on_records,
    readable_exporters,
    store_of_api,
    used,
)
from spanledger.errors import ConfigError, SpanledgerError, StoreUnavailable
from spanledger.exporters.base import Exporter
from spanledger.exporters.rewrite import Rewrite
from spanledger.exporters.select import Select
from spanledger.exporters.store import RunStore
from spanledger.maintenance import Kept, Maintenance
from spanledger.mapping import KEYS, Mapper
from spanledger.mapping.cost import PriceList
from spanledger.model.received import Decoded, Encoding, Signal
from spanledger.pipeline import Pipeline, create_log
from spanledger.pipeline.raw import RawRoute, routes_of
from spanledger.pipeline.settings import Durability, PipelineSettings, WhenFull
from spanledger.processors.base import Processor
from spanledger.processors.chain import Chain
from spanledger.processors.intake import ProcessingIntake
from spanledger.processors.messages import parse
from spanledger.processors.python import load_function
from spanledger.receiver.client_events import ClientEvents
from spanledger.receiver.listen import UNIX
from spanledger.receiver.wire import COMPILED, decode
from spanledger.settings import split_endpoint
from spanledger.telemetry.metrics import collect, declarations
from spanledger.telemetry.metrics.readers import MetricsReaders
from spanledger.telemetry.metrics.samples import Samples
from spanledger.workers.link import Report, WorkerEnd
from spanledger.workers.take_over import TakeOver, folder_of

logger = logging.getLogger(__name__)

_Made = TypeVar("_Made")

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


class Service:
    """Everything that a configuration asks for, in one process."""

    def __init__(self, config: Config, registry: Registry = COMPONENTS, *, worker: int | None = None) -> None:
        """`worker`: the number of this process among those that share the ports, from 1. Raises `LogError`."""
        self._config = config
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
        self._authenticators: dict[str, Authenticator] = {}
        self._stores: list[RunStore] = []
        self._maintenance: Maintenance | None = None
        self._waiting: set[asyncio.Task[None]] = set()
        self._take_over: asyncio.Task[None] | None = None
        self._intake: ProcessingIntake | None = None
        self._client_events: ClientEvents | None = None
        self._chains: dict[Signal, Chain | None] = {}
        self._readers: MetricsReaders | None = None
        self._has_pipeline = False
        self._not_ready: str | None = "starting"

    # What is built of what.

    def _new_pipeline(self, settings: PipelineSettings) -> Pipeline:
        config = self._config
        exporters = used(config, Kind.EXPORTERS)
        delivery = {str(id_): given for id_, given in delivery_settings(config).items()}
        raw: dict[str, RawRoute] = {}
        for id_, given in exporters.items():
            if self._is_raw(id_):
                routes = self._routes(id_, given)
                delivery |= dict.fromkeys(routes, delivery[str(id_)])
                raw |= routes
        return Pipeline(
            create_log(settings),
            decode_body,
            partial(Mapper, config.mapping.price_list(), config.mapping.limits(), config.mapping.capture()),
            {str(id_): self._exporter(id_, given) for id_, given in exporters.items() if not self._is_raw(id_)},
            settings,
            delivery=delivery,
            raw=raw,
            to_protobuf=to_protobuf,
        )

    def _is_raw(self, exporter: ComponentId) -> bool:
        return self._registry[Kind.EXPORTERS][exporter.type].raw

    def _routes(self, id_: ComponentId, settings: Any) -> dict[str, RawRoute]:
        factory = self._factory(Kind.EXPORTERS, id_)
        try:
            return routes_of(str(id_), partial(factory, settings), sorted(signals_of_exporter(self._config, id_)))
        except ConfigError as error:
            path = (Kind.EXPORTERS, str(id_))
            raise InvalidConfiguration([Problem(path, str(error), self._config.origin(*path))]) from error

    def _factory(self, kind: Kind, id_: ComponentId) -> Any:
        return self._registry[kind][id_.type].factory

    def _exporter(self, id_: ComponentId, settings: Any) -> Exporter:
        exporter: Exporter = self._factory(Kind.EXPORTERS, id_)(settings)
        if functions := self._record_functions(id_):
            exporter = Rewrite(exporter, functions)
        signals = signals_of_exporter(self._config, id_)
        if Signal.METRICS not in signals:
            return Select(exporter, _RUN_KINDS)
        return exporter if len(signals) > 1 else Select(exporter, frozenset({"metric"}))

    def _record_functions(self, exporter: ComponentId) -> list[Callable[..., object]]:
        """Functions of users for the records of an exporter: those of its pipelines, each once."""
        named = {
            id_: None
            for pipeline in self._config.pipelines.values()
            if exporter in pipeline.exporters
            for id_ in pipeline.processors
            if on_records(self._config, id_)
        }
        return [self._of_processor(id_, load_function) for id_ in named]

    def _of_processor(self, id_: ComponentId, make: Callable[[Any], _Made]) -> _Made:
        """What is made of a processor's settings; a mistake is told with its place."""
        try:
            return make(self._config.components[Kind.PROCESSORS][id_])
        except ConfigError as error:
            path = (Kind.PROCESSORS, str(id_))
            raise InvalidConfiguration([Problem(path, str(error), self._config.origin(*path))]) from error

    def _chain(self, signal: Signal) -> Chain | None:
        """The processors of a signal's pipelines, None without any."""
        chain = chain_of(self._config, self._registry, signal)
        made: list[Processor] = [self._of_processor(id_, self._factory(Kind.PROCESSORS, id_)) for id_ in chain]
        return Chain(made, list(map(str, chain))) if made else None

    # Start and stop.

    async def start(self) -> None:
        """Start everything in order. Raises `SpanledgerError`, naming the key where one is at fault; everything is
        stopped again then."""
        try:
            extensions = used(self._config, Kind.EXTENSIONS)
            for id_ in self._config.extensions:
                if id_.type == HEALTH_CHECK and self._worker is None:  # else the supervisor has it
                    health = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], self.not_ready, self.status)
                    await self._started(Kind.EXTENSIONS, id_, health.start())
                    self._extensions[id_] = health
            for id_ in authenticating(self._config, self._registry):
                authenticator = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], str(id_))
                await authenticator.start()
                self._extensions[id_] = self._authenticators[str(id_)] = authenticator
            if (default := default_authenticator(self._config)) is not None:
                self._authenticators[""] = self._authenticators[str(default)]
            await self.pipeline.start()
            self._has_pipeline = True
            self._chains = chains = {signal: self._chain(signal) for signal in Signal}
            self._intake = ProcessingIntake(
                self.pipeline.intake, {signal: chain for signal, chain in chains.items() if chain}, decode_body
            )
            if self._settings.durability is Durability.DURABLE:
                self._take_over = asyncio.create_task(self._new_take_over().run())
            for id_ in self._config.extensions:
                if id_.type == API:
                    await self._start_api(id_, extensions[id_])
                if id_.type == MAINTENANCE and self._worker in (None, 0):
                    self._maintenance = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], *self._kept_stores())
                    await self._maintenance.start()
            for id_, settings in used(self._config, Kind.RECEIVERS).items():
                signals = self._config.signals_of(id_)
                receiver = self._factory(Kind.RECEIVERS, id_)(
                    settings,
                    KEYS,
                    self._intake,
                    self._authenticators,
                    signals=signals,
                    reuse_port=self._worker is not None,
                    in_flight_bytes=in_flight_bytes(self._config),
                    drain_rate=self.pipeline.drain_rate,
                )
                await self._started(Kind.RECEIVERS, id_, receiver.start())
                self._receivers[id_] = receiver
            if self._worker is None:  # else the supervisor has them
                self._readers = MetricsReaders(self._config.telemetry, self.samples)
                await self._readers.start()
        except BaseException:
            await self.stop(0)
            raise
        self._not_ready = None

    async def stop(self, grace_seconds: float) -> bool:
        """Stop everything in order; whether all that was accepted is delivered. What is not stays in the durable log
        for the next start."""
        self._not_ready = "stopping"
        deadline = time.monotonic() + grace_seconds
        await asyncio.gather(*(receiver.stop(grace_seconds) for receiver in self._receivers.values()))
        if self._take_over is not None:
            self._take_over.cancel()
            await asyncio.gather(self._take_over, return_exceptions=True)
        drained = await self.pipeline.stop(max(deadline - time.monotonic(), 0)) if self._has_pipeline else True
        if self._client_events is not None:
            self._client_events.close()
        if self._intake is not None:
            self._intake.close()
        if self._maintenance is not None:
            await self._maintenance.stop()
        if self._readers is not None:
            await self._readers.stop()
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        for extension in reversed(self._extensions.values()):
            await extension.stop()
        for store in self._stores:
            await store.close()
        return drained

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

    def not_ready(self) -> str | None:
        """Why nothing can be accepted now, None when it can."""
        if self._not_ready is not None:
            return self._not_ready
        if self.pipeline.failure is not None and self.pipeline.failure.done():
            return "the pipeline broke"
        log = self.pipeline.status().log
        full = self._settings.log.when_full if self._settings.durability is Durability.DURABLE else WhenFull.REFUSE
        if log.bytes >= log.max_bytes and full is WhenFull.REFUSE:
            return "the log is full"
        return None

    def status(self) -> dict[str, Any]:
        """Counts of the pipeline, as plain values."""
        if not self._has_pipeline:
            return {}
        return {"pipeline": self.pipeline.status().counts()}

    def report(self) -> Report:
        """For the supervisor."""
        return Report(self.not_ready(), self.endpoints(), self.status(), self.samples().to_plain())

    def samples(self) -> Samples:
        """Values of all metrics."""
        samples = Samples()
        collect.add_process(samples)
        samples.add(declarations.READY, int(self.not_ready() is None))
        for id_, receiver in self._receivers.items():
            for transport, (traffic, admission) in receiver.listeners.items():
                collect.add_listener(samples, str(id_), transport, traffic, admission)
        for signal, chain in self._chains.items():
            if chain is not None:
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
                else:
                    collect.add_exporter(samples, str(id_), signals, status, str(id_))
        return samples

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


async def serve(
    config: Config,
    grace_seconds: float,
    ready: Callable[[Mapping[str, str]], None],
    *,
    worker: int | None = None,
    supervisor: WorkerEnd | None = None,
) -> bool:
    """Run until SIGTERM or SIGINT, then stop within the grace; a second signal cuts it short. `ready` is called with
    what listens where once everything does. Whether all that was accepted is delivered. Raises `SpanledgerError` when
    it cannot start, and whatever broke the pipeline.

    A worker has a number and a supervisor, whose end is as good as a signal."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    at_once = asyncio.Event()

    def ask() -> None:
        (at_once if asked.is_set() else asked).set()

    for number in (SIGTERM, SIGINT):
        loop.add_signal_handler(number, ask)
    service = Service(config, worker=worker)
    if supervisor is not None:
        reporting = asyncio.create_task(supervisor.run(service.report))
        reporting.add_done_callback(lambda _: None if asked.is_set() else ask())
    starting = asyncio.create_task(service.start())
    stopping = asyncio.create_task(asked.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return True
    await starting
    calm_collector()
    ready(service.endpoints())
    if not COMPILED:
        logger.warning("spanledger was installed without a C compiler: spans are decoded the slow way")
    failure = service.pipeline.failure
    assert failure is not None  # noqa: S101  # set by start
    ends: list[asyncio.Future[Any]] = [stopping, failure]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not asked.is_set():
        logger.critical("stopping: a part of the pipeline broke")
    else:
        logger.info("stopping", extra={"grace": f"{grace_seconds:g}s"})
    drained = await _stop(service, grace_seconds, at_once)
    if supervisor is not None:
        await supervisor.tell(service.report())  # the last counts
    if failure.done() and not failure.cancelled():
        failure.result()
    return drained


def calm_collector() -> None:
    """Let the garbage collector disturb no request. What the start made stays for the life of the process and is not
    looked at again; a request makes thousands of objects without a cycle among them, and looking at these time and
    again (every 700, by default) costs a quarter of decoding."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, *gc.get_threshold()[1:])


async def _stop(service: Service, grace_seconds: float, at_once: asyncio.Event) -> bool:
    stop = asyncio.create_task(service.stop(grace_seconds))
    cut = asyncio.create_task(at_once.wait())
    await asyncio.wait([stop, cut], return_when=asyncio.FIRST_COMPLETED)
    cut.cancel()
    if not stop.done():
        logger.warning("stopping at once")
        stop.cancel()
    try:
        return await stop
    except asyncio.CancelledError:
        return False
