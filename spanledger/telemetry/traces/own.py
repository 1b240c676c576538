"""Collects own spans and sends them, in the background and never at the cost of anything else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Final

from spanledger.model.received import Signal
from spanledger.telemetry.otlp import OtlpClient, SendError
from spanledger.telemetry.resource import resource_attributes
from spanledger.telemetry.settings import TelemetrySettings
from spanledger.telemetry.traces.request import request_of
from spanledger.telemetry.traces.settings import BatchSpansSettings
from spanledger.tracing import Span, Tracer

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 2.0
"""For what is sent at the end: nobody waits longer for the end of a process because of its spans."""


class OwnTraces:
    """Started before the first request can come, and stopped after the last."""

    def __init__(self, settings: TelemetrySettings, tracer: Tracer) -> None:
        self._settings = settings.traces
        self._tracer = tracer
        resource = resource_attributes(settings.resource)
        wanted = self._settings.processors if self._settings.wanted else []
        self._queues = [SpanQueue(processor.as_batch(), resource) for processor in wanted]

    async def start(self) -> None:
        """Raises `ConfigError` when a certificate cannot be used."""
        for queue in self._queues:
            await queue.start()
        if self._queues:
            self._tracer.use(self._ended, self._settings.chosen(), self._settings.propagators)

    async def stop(self) -> None:
        """Send what waits, once and not for long."""
        if self._queues:
            self._tracer.rest()
        await asyncio.gather(*(queue.stop() for queue in self._queues))

    def _ended(self, span: Span) -> None:
        for queue in self._queues:
            queue.add(span)


class SpanQueue:
    """Spans on their way to one receiver. One that is away costs the spans that do not fit any more, and two lines of
    the log: when it begins, and when it is over."""

    def __init__(self, settings: BatchSpansSettings, resource: Mapping[str, str]) -> None:
        self._settings = settings
        self._resource = resource
        self._client = OtlpClient(settings.exporter.otlp, Signal.TRACES)
        self._waiting: deque[Span] = deque()
        self._some = asyncio.Event()
        self._due = asyncio.Event()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self.dropped = 0
        """Spans that nobody will get."""

    async def start(self) -> None:
        """Begin to send."""
        await self._client.start()
        self._task = asyncio.create_task(self._run(), name="own spans")

    def add(self, span: Span) -> None:
        """Take a span that has ended, if there is room."""
        if len(self._waiting) >= self._settings.max_queue_size:
            self.dropped += 1
            return
        self._waiting.append(span)
        self._some.set()
        if len(self._waiting) >= self._settings.max_export_batch_size:
            self._due.set()

    async def stop(self) -> None:
        """Send what waits as long as that works. What is on its way is not cut off: it would be sent twice."""
        if self._task is None:
            return
        self._ending.set()
        self._some.set()
        self._due.set()
        _, late = await asyncio.wait([self._task], timeout=_LAST_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._client.close()

    async def _run(self) -> None:
        delay = self._settings.schedule_delay / 1000
        while True:
            await self._some.wait()
            await _wait(self._due, delay)
            self._due.clear()
            while self._waiting and await self._send():
                if len(self._waiting) < self._settings.max_export_batch_size and not self._ending.is_set():
                    break
            if self._ending.is_set():
                return
            if not self._waiting:
                self._some.clear()
            if self._failing:  # a full queue must not make it try again at once
                await _wait(self._ending, max(delay, _RETRY_SECONDS))
            if self._ending.is_set():
                self._due.set()

    async def _send(self) -> bool:
        """Send the next spans; whether it worked. What may go through later stays."""
        count = min(len(self._waiting), self._settings.max_export_batch_size)
        body = request_of(islice(self._waiting, count), self._resource).SerializeToString()
        otlp = self._settings.exporter.otlp
        try:
            await self._client.send(body, self._settings.export_timeout / 1000)
        except SendError as error:
            if not error.again:
                self._let_go(count)
                self.dropped += count
            if not self._failing:
                extra = {"endpoint": otlp.endpoint, "reason": str(error)}
                logger.warning("own spans cannot be sent", extra=extra)
            self._failing = True
            return False
        self._let_go(count)
        if self._failing:
            logger.info("own spans are sent again", extra={"endpoint": otlp.endpoint, "dropped": self.dropped})
        self._failing = False
        return True

    def _let_go(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """For an event, at most so long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
