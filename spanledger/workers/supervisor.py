"""The process that stands above the workers."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from spanledger.components import layout_of
from spanledger.config import Config, Kind
from spanledger.config.rules import FILE_STORAGE, HEALTH_CHECK, used
from spanledger.errors import LogError, SpanledgerError
from spanledger.pipeline.directory_lock import DirectoryLock
from spanledger.pipeline.settings import FileStorageSettings
from spanledger.telemetry.health import HealthCheck
from spanledger.telemetry.metrics import collect
from spanledger.telemetry.metrics.declarations import RELOADS
from spanledger.telemetry.metrics.readers import MetricsReaders
from spanledger.telemetry.metrics.samples import Samples
from spanledger.telemetry.settings import HealthCheckSettings
from spanledger.telemetry.systemd import notify
from spanledger.telemetry.zpages import Zpages, ZpagesSettings
from spanledger.workers.ports import SharedPorts, share_ports
from spanledger.workers.reloading import Reloading, watch
from spanledger.workers.worker import Command, State, Worker

logger = logging.getLogger(__name__)

_KILL_AFTER: Final = 5.0
"""Seconds that a worker may take beyond its grace, or after it was told to end at once."""


class Supervisor:
    """Runs the workers that a configuration asks for."""

    def __init__(
        self,
        config: Config,
        ports: SharedPorts,
        command: Callable[[SharedPorts], Command],
        grace_seconds: float,
        reloading: Reloading,
    ) -> None:
        """`command`: of a worker that listens on these ports."""
        self._config = config
        self._grace = grace_seconds
        self._command = command
        self._reloading = reloading
        self._reloads = {"success": 0, "failure": 0}
        self._changed = asyncio.Event()
        self._ports = ports
        self.workers = [Worker(n + 1, command(ports), self._changed.set) for n in range(config.workers)]
        self._runs: dict[asyncio.Task[None], Worker] = {}
        self._health: list[tuple[str, HealthCheck | Zpages]] = []
        self._lock: DirectoryLock | None = None
        self._readers = MetricsReaders(config.telemetry, self.samples)
        self._asked = 0
        self._asked_to_roll = False

    async def run(self, ready: Callable[[Mapping[str, str]], None]) -> bool:
        """Run until SIGTERM or SIGINT; a second one ends the workers at once; SIGHUP replaces them one after the other.
        `ready` is called with everything that listens once all workers are. Whether all of them ended well. Raises
        `SpanledgerError` when it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ask)
        loop.add_signal_handler(signal.SIGHUP, self._ask_to_roll)
        try:
            self._take_logs()
            await self._start_health()
            await self._readers.start()
            self._runs = {asyncio.create_task(worker.run()): worker for worker in self.workers}
            if await self._started():
                ready(self.endpoints())
                notify("READY=1")
                await self._watch()
                return await self._end()
            await self._end()
            return False
        finally:
            for worker in self.workers:
                worker.stop(signal.SIGKILL)
            await asyncio.gather(*self._runs, return_exceptions=True)
            await self._readers.stop()
            for _, health in self._health:
                await health.stop()
            self._ports.close()
            if self._lock is not None:
                self._lock.release()

    def endpoints(self) -> dict[str, str]:
        """Name → where it listens."""
        found = dict(self.workers[0].endpoints)
        found |= {name: f"http://{health.address}" for name, health in self._health}
        return found | self._readers.endpoints()

    # Health.

    def not_ready(self) -> str | None:
        """Why nothing can be accepted: no worker can. One that can is enough, connections find it."""
        if self._asked:
            return "stopping"
        if any(worker.ready for worker in self.workers):
            return None
        return "; ".join(f"worker {worker.number}: {_reason(worker)}" for worker in self.workers)

    def status(self) -> dict[str, Any]:
        """Of every worker."""
        return {"workers": {str(worker.number): worker.status() for worker in self.workers}}

    def samples(self) -> Samples:
        """Values of all metrics, of all workers together."""
        samples = Samples()
        collect.add_process(samples)
        for outcome, count in self._reloads.items():
            samples.add(RELOADS, count, outcome)
        for worker in self.workers:
            samples.update(worker.samples())
        return samples

    async def _start_health(self) -> None:
        for id_, settings in used(self._config, Kind.EXTENSIONS).items():
            if id_.type == HEALTH_CHECK and isinstance(settings, HealthCheckSettings):
                health = HealthCheck(settings, self.not_ready, self.status)
                await health.start()
                self._health.append((str(id_), health))
            if isinstance(settings, ZpagesSettings):
                pages = Zpages(settings, layout_of(self._config), self.not_ready, self.status)
                await pages.start()
                self._health.append((str(id_), pages))

    def _take_logs(self) -> None:
        """One supervisor for a folder of logs."""
        for id_, settings in used(self._config, Kind.EXTENSIONS).items():
            if id_.type == FILE_STORAGE and isinstance(settings, FileStorageSettings):
                folder = Path(settings.directory) / "supervisor"
                try:
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                except OSError as error:
                    raise LogError(f"cannot use {settings.directory} for the log: {error.strerror}") from error
                self._lock = DirectoryLock(folder)
                self._lock.acquire(settings.timeout)

    # The course of things.

    async def _started(self) -> bool:
        """Wait until all workers are ready. False when one died before, or the end was asked for: what keeps a worker
        from its first start keeps all of them, and it has said what it is."""
        while not all(worker.ready for worker in self.workers):
            if self._asked or any(worker.restarts.total for worker in self.workers):
                return False
            await self._change()
        return True

    async def _watch(self) -> None:
        watching = asyncio.create_task(watch(self._reloading, self._config.reload, self._ask_to_roll))
        try:
            await self._watch_workers()
        finally:
            watching.cancel()

    async def _watch_workers(self) -> None:
        while not self._asked:
            if self._asked_to_roll:
                self._asked_to_roll = False
                await self._roll()
            else:
                await self._change()

    async def _roll(self) -> None:
        try:
            config = await asyncio.to_thread(self._reloading.load)
            ports = await share_ports(config, self._ports)
        except SpanledgerError as error:
            self._reloads["failure"] += 1
            logger.error("the workers go on as they are, the new configuration cannot be used: %s", error)
            return
        if config.workers != len(self.workers):
            logger.warning("service::workers becomes another with the next start")
        logger.info("replacing the workers one after the other")
        command = self._command(ports)
        for worker in self.workers:
            before, deaths = worker.pid, worker.restarts.total
            worker.replace(command)
            while not self._asked and (worker.pid in (before, None) or not worker.ready):
                if worker.restarts.total > deaths:
                    # It is started again and again, with what it finds then; it said what is wrong.
                    self._reloads["failure"] += 1
                    text = "worker %d does not start with the new configuration, the others go on with the one before"
                    logger.error(text, worker.number)
                    return
                await self._change()
        if not self._asked:
            self._ports.close(but=ports)
            self._ports = ports
            self._reloads["success"] += 1
            self._reloading.use(config)
            logger.info("all workers are replaced")

    async def _end(self) -> bool:
        """Tell all workers to stop, wait for them, kill those that take too long."""
        notify("STOPPING=1")
        self._asked = max(self._asked, 1)
        told = 0
        deadline = 0.0
        loop = asyncio.get_running_loop()
        while any(worker.state is not State.ENDED for worker in self.workers):
            if told < min(self._asked, 2):
                told += 1
                for worker in self.workers:
                    worker.stop()
                deadline = loop.time() + _KILL_AFTER + (self._grace if told == 1 else 0)
                if told == 1:
                    logger.info("stopping", extra={"grace": f"{self._grace:g}s"})
            elif loop.time() >= deadline:
                logger.error("killing the workers that have not ended within the grace period")
                for worker in self.workers:
                    worker.stop(signal.SIGKILL)
                deadline = loop.time() + _KILL_AFTER
            await self._change(deadline - loop.time())
        # SIGTERM itself ends one that has hardly begun to start.
        return all(worker.exit_status in (0, -signal.SIGTERM) for worker in self.workers)

    async def _change(self, seconds: float | None = None) -> None:
        """Wait until something may have become different, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    def _ask(self) -> None:
        self._asked += 1
        self._changed.set()

    def _ask_to_roll(self) -> None:
        self._asked_to_roll = True
        self._changed.set()


def _reason(worker: Worker) -> str:
    return str(worker.status().get("reason") or worker.state)
