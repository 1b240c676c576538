"""A running process, built from a configuration: what starts when, what is told to the user, how it ends.

Start: health check, then exporters and log (the pipeline), then receivers; nobody is listened to before what they send
has somewhere to go. Stop: not ready, receivers, pipeline, API, health check.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from spanledger.access.projects import Projects
from spanledger.clients.auth import Borrowed
from spanledger.components import components_of, layout_of
from spanledger.config import ComponentId, Config, Kind
from spanledger.config.components import Registry
from spanledger.config.contexts import contexts_used
from spanledger.config.ids import parse_id
from spanledger.config.pipeline import in_flight_bytes, memory_limit, pipeline_settings
from spanledger.config.registry import COMPONENTS
from spanledger.config.rules import (
    API,
    HEALTH_CHECK,
    MAINTENANCE,
    ZPAGES,
    additional_auth,
    authenticating,
    default_authenticator,
    used,
)
from spanledger.forks import forks_of
from spanledger.maintenance import Maintenance
from spanledger.mapping import KEYS
from spanledger.model.received import Signal
from spanledger.pipeline import Log, MemoryLog, Pipeline, create_log
from spanledger.pipeline.gate import Gate
from spanledger.pipeline.settings import Durability, PipelineSettings, WhenFull
from spanledger.processors.fork import Fork
from spanledger.processors.intake import ProcessingIntake
from spanledger.service.apis import ApiServers
from spanledger.service.assembly import Assembly
from spanledger.service.bodies import decode_body
from spanledger.service.counts import add_authenticators, add_exporters, add_processors, add_receiver
from spanledger.service.extensions import kept_stores, keys_of, started, tally
from spanledger.service.handover import same_keys, same_receivers
from spanledger.telemetry.metrics import collect, declarations
from spanledger.telemetry.metrics.readers import MetricsReaders
from spanledger.telemetry.metrics.samples import Samples
from spanledger.telemetry.traces.own import OwnTraces
from spanledger.tracing import Tracer
from spanledger.workers.link import Report
from spanledger.workers.take_over import TakeOver, folder_of

logger = logging.getLogger(__name__)


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
        self._receivers: dict[ComponentId, Any] = {}
        self._extensions: dict[ComponentId, Any] = {}
        self._authenticators: dict[str, Any] = {}
        self._assembly = Assembly(config, registry, self._authenticators, self.tracer)
        self.pipeline = self._assembly.pipeline(self._settings, lambda: self._log(self._settings))
        self._apis = ApiServers(config, registry, self._extensions.__setitem__, reuse_port=worker is not None)
        self._maintenance: Maintenance | None = None
        self._take_over: asyncio.Task[None] | None = None
        self._shedding: asyncio.Task[None] | None = None
        self._intake: ProcessingIntake | None = None
        self._forks: dict[tuple[str, Signal], Fork] = {}
        self._readers: MetricsReaders | None = None
        self._has_pipeline = False
        self._not_ready: str | None = "starting"

    # What is built of what.

    def _fetches(self, receiver: ComponentId) -> bool:
        return self._registry[Kind.RECEIVERS][receiver.type].fetches

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

    # Start and stop.

    async def start(self, grace_seconds: float = 0.0) -> None:
        """Start everything in order. Raises `SpanledgerError`, naming the key where one is at fault; everything is
        stopped again then.

        A predecessor must have been asked to `make_way`. Receivers of its that would be the same again go on as they
        are, and no connection notices; the others are stopped just before their successors listen."""
        before, self._predecessor = self._predecessor, None
        keys_stay = before is not None and same_keys(self._config, before._config, self._registry)
        kept: set[ComponentId] = set()
        try:
            await self._start_pages()
            await self._start_authenticators(before if keys_stay else None)
            self._traces = OwnTraces(self._config.telemetry, self.tracer)
            await self._traces.start()
            await self._start_pipeline()
            await self._start_readers_of_stores()
            if before is not None:
                if keys_stay:
                    kept = same_receivers(self._config, before._config, self._registry, before._receivers)
                await before.stop_receivers(before._receivers.keys() - kept, grace_seconds)
            await self._start_receivers(kept)
            if self._worker is None:  # else the supervisor has them
                self._readers = MetricsReaders(self._config.telemetry, self.samples)
                await self._readers.start()
        except BaseException:
            if before is not None:
                await self._gate.close(0)
            await self.stop(0)
            raise
        if before is not None:
            self._take_from(before, kept, keys_stay)
        self._not_ready = None

    async def _start_pages(self) -> None:
        """For probes and for people; of workers the supervisor has them."""
        if self._worker is not None:
            return
        extensions = used(self._config, Kind.EXTENSIONS)
        for id_ in self._config.extensions:
            about = {HEALTH_CHECK: (), ZPAGES: (layout_of(self._config),)}.get(id_.type)
            if about is not None:
                pages = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], *about, self.not_ready, self.status)
                await started(self._config, Kind.EXTENSIONS, id_, pages.start())
                self._extensions[id_] = pages

    async def _start_authenticators(self, before: Service | None) -> None:
        """Those of a predecessor where they decide in the same way."""
        extensions = used(self._config, Kind.EXTENSIONS)
        for id_ in authenticating(self._config, self._registry):
            if before is not None:
                self._authenticators[str(id_)] = before._authenticators[str(id_)]
                continue
            authenticator = self._factory(Kind.EXTENSIONS, id_)(extensions[id_], str(id_))
            if store := getattr(extensions[id_], "store", None):
                authenticator.read_from(keys_of(self._config, self._registry, parse_id(store)))
            if isinstance(authenticator, Projects):
                together = tally(str(id_), self._logs if self.durable else None, self._worker)
                if together is not None:
                    authenticator.share(together)
            if (before_it := additional_auth(extensions[id_])) is not None:
                authenticator.follow(Borrowed(partial(self._authenticators.__getitem__, before_it)))
            await authenticator.start()
            self._extensions[id_] = self._authenticators[str(id_)] = authenticator
        if (default := default_authenticator(self._config)) is not None:
            self._authenticators[""] = self._authenticators[str(default)]

    async def _start_pipeline(self) -> None:
        await self.pipeline.start()
        self._has_pipeline = True
        self._forks = forks_of(self._config, self._registry)
        if self.durable:
            self._take_over = asyncio.create_task(self._new_take_over().run())
            self._shedding = asyncio.create_task(self.pipeline.shedding().run())

    async def _start_readers_of_stores(self) -> None:
        """The API and the maintenance, and the way in for what comes through the API and the receivers."""
        intake = ProcessingIntake(self.pipeline.intake, self._forks, decode_body, self.pipeline.drain_rate)
        self._intake = intake
        extensions = used(self._config, Kind.EXTENSIONS)
        for id_ in self._config.extensions:
            settings: Any = extensions[id_]
            if id_.type == API:
                known = self._authenticators.get(settings.auth.authenticator if settings.auth else "")
                await self._apis.start(id_, settings, known, intake)
            if id_.type == MAINTENANCE and self._worker in (None, 0):
                stores = kept_stores(self._config, self._registry)
                self._maintenance = self._factory(Kind.EXTENSIONS, id_)(settings, *stores)
                await self._maintenance.start()
        self._gate.lead_to(intake)

    async def _start_receivers(self, kept: Collection[ComponentId]) -> None:
        """All but those of a predecessor that go on."""
        for id_, settings in used(self._config, Kind.RECEIVERS).items():
            if id_ in kept:
                continue
            receiver = self._factory(Kind.RECEIVERS, id_)(
                settings,
                KEYS,
                self._gate.door(str(id_)),
                self._authenticators,
                signals=self._config.signals_of(id_),
                reuse_port=self._worker is not None,
                in_flight_bytes=in_flight_bytes(self._config),
                memory_limit=memory_limit(self._config),
                drain_rate=self._gate.drain_rate,
                name=str(id_),
                contexts=contexts_used(self._config),
                **({"backlog": self.pipeline} if self._fetches(id_) else {"tracer": self.tracer}),
            )
            await started(self._config, Kind.RECEIVERS, id_, receiver.start())
            self._receivers[id_] = receiver

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
            add_receiver(counted, id_, receiver)
            self._counted.update(counted.counters())
            del self._receivers[id_]

    def _take_from(self, before: Service, kept: Collection[ComponentId], keys_stay: bool) -> None:
        self._receivers |= {id_: before._receivers.pop(id_) for id_ in kept}
        if keys_stay:
            for id_ in authenticating(self._config, self._registry):
                self._extensions[id_] = before._extensions.pop(id_)
        self._counted = before._counted

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
        await self._apis.give_up()
        if self._intake is not None:
            self._intake.close()
        if self._maintenance is not None:
            await self._maintenance.stop()
        if self._readers is not None:
            await self._readers.stop()
        if self._traces is not None:
            await self._traces.stop()
        self._intake = self._maintenance = self._readers = self._traces = None
        self._take_over = self._shedding = None
        return drained

    async def _stop_extensions(self, which: list[ComponentId]) -> None:
        for id_ in reversed(which):
            await self._extensions.pop(id_).stop()
        await self._apis.close_stores()

    def _new_take_over(self) -> TakeOver:
        """Of logs that other processes left behind, each with a pipeline of its own for as long as it takes."""
        settings = self._settings

        def pipeline(folder: Path) -> Pipeline:
            own = _with_log_in(settings, folder)
            return self._assembly.pipeline(own, lambda: create_log(own))

        return TakeOver(self._logs, settings.log.directory, pipeline)

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
        full = self._settings.log.when_full if self.durable else WhenFull.REFUSE
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
            add_receiver(samples, id_, receiver)
        samples.update(self._of_the_road())
        samples.update(self._counted)
        return samples

    def _of_the_road(self) -> Samples:
        """Values of what ends when the configuration becomes another."""
        samples = Samples()
        add_processors(samples, self._forks)
        add_authenticators(samples, self._authenticators)
        if self._has_pipeline:
            status = self.pipeline.status()
            collect.add_pipeline(samples, status)
            add_exporters(samples, self._config, self._assembly.is_raw, status)
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


def _with_log_in(settings: PipelineSettings, folder: Path) -> PipelineSettings:
    return settings.model_copy(update={"log": settings.log.model_copy(update={"directory": folder})})
