"""The life of one process: signals, start, other configurations while it runs, stop."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import logging
import time
from collections.abc import Callable, Mapping
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Any, Final

from spanledger import compiled
from spanledger.config import Config
from spanledger.errors import SpanledgerError
from spanledger.receiver.wire import COMPILED
from spanledger.service import Service, calm_allocator, calm_collector, keep_giving_back
from spanledger.telemetry.systemd import notify
from spanledger.workers.link import WorkerEnd
from spanledger.workers.reloading import Reloading, watch

logger = logging.getLogger(__name__)

_MAKE_WAY: Final = 2.0
"""Seconds for batches on their way when the configuration becomes another; the log keeps the rest, and senders wait."""


async def serve(
    config: Config,
    grace_seconds: float,
    ready: Callable[[Mapping[str, str]], None],
    *,
    worker: int | None = None,
    supervisor: WorkerEnd | None = None,
    reloading: Reloading | None = None,
) -> bool:
    """Run until SIGTERM or SIGINT, then stop within the grace; a second signal cuts it short. `ready` is called with
    what listens where once everything does. Whether all that was accepted is delivered. Raises `SpanledgerError` when
    it cannot start, and whatever broke the pipeline.

    SIGHUP reads the configuration again and takes it over, see `reload`; without `reloading` it does nothing.

    A worker has a number and a supervisor, whose end is as good as a signal."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    at_once = asyncio.Event()
    changed = asyncio.Event()

    def ask() -> None:
        (at_once if asked.is_set() else asked).set()

    for number in (SIGTERM, SIGINT):
        loop.add_signal_handler(number, ask)
    loop.add_signal_handler(SIGHUP, changed.set)
    calm_allocator()
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
    if not compiled.in_use():
        logger.warning("spans are mapped the slow way: %s", compiled.why_not())
    trimming = asyncio.create_task(keep_giving_back())
    watching = asyncio.create_task(watch(reloading, config.reload, changed.set)) if reloading is not None else None
    while True:
        failure = service.pipeline.failure
        hup = asyncio.create_task(changed.wait())
        ends: list[asyncio.Future[Any]] = [stopping, failure, hup]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        hup.cancel()
        if asked.is_set() or failure.done():
            break
        changed.clear()
        if reloading is not None:
            service = await reload(service, reloading, grace_seconds)
    stopping.cancel()
    trimming.cancel()
    if watching is not None:
        watching.cancel()
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


async def reload(service: Service, reloading: Reloading, grace_seconds: float) -> Service:
    """The service of the configuration as it is now. One that cannot be used is kept out with a message, and
    everything goes on; one that cannot be started is given up for the one before. Requests wait meanwhile. Raises
    `SpanledgerError` when that one cannot be started any more either."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        return await _reload(service, reloading, grace_seconds)
    finally:
        notify("READY=1")


async def _reload(service: Service, reloading: Reloading, grace_seconds: float) -> Service:
    before = service.config
    try:
        config = await asyncio.to_thread(reloading.load)
        if config.workers != before.workers:
            logger.warning("service::workers becomes another with the next start")
            config = dataclasses.replace(config, workers=before.workers)
        successor = Service(config, predecessor=service)
    except SpanledgerError as error:
        service.reloads["failure"] += 1
        logger.error("everything goes on as it is, the new configuration cannot be used: %s", error)
        return service
    began = time.monotonic()
    gc.unfreeze()  # what ends now may be given back
    await service.make_way(min(grace_seconds, _MAKE_WAY) if successor.durable == service.durable else grace_seconds)
    try:
        await successor.start(grace_seconds)
    except SpanledgerError as error:
        service.reloads["failure"] += 1
        logger.error("the new configuration cannot be started, going back to the one before: %s", error)
        successor = Service(before, predecessor=service)
        await successor.start(grace_seconds)
    else:
        service.reloads["success"] += 1
        reloading.use(config)
        seconds = round(time.monotonic() - began, 3)
        logger.info("the new configuration is taken over", extra={"seconds": seconds, **successor.endpoints()})
    await service.stop(grace_seconds)
    calm_collector()
    return successor


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
