"""One worker as the supervisor sees it: a process, started again as often as it dies."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, TypeAlias

from spanledger.telemetry.metrics.declarations import RESTARTS
from spanledger.telemetry.metrics.samples import Samples
from spanledger.workers.link import Report, SupervisorEnd
from spanledger.workers.restarts import Restarts

logger = logging.getLogger(__name__)

_LAST_WORDS: Final = 1.0
"""Seconds for what a worker told before its end; its side of the link is closed then, unless it left a child."""

Command: TypeAlias = Callable[[int, int], Sequence[str]]
"""The command line of the worker with this number, which finds its end of the link at this file descriptor."""


class State(StrEnum):
    """What a worker is doing."""

    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not_ready"
    WAITING = "waiting"
    """It died, and is started again in a while."""
    ENDED = "ended"


class Worker:
    """Runs until it is told to stop."""

    def __init__(self, number: int, command: Command, changed: Callable[[], None]) -> None:
        """`changed` is called whenever its state may have become another."""
        self.number = number
        self.restarts = Restarts()
        self.exit_status: int | None = None
        """Of the last process that ended."""
        self._command = command
        self._changed = changed
        self._report: Report | None = None
        self._ended = Samples()
        """What its processes that have ended had counted."""
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._asked = asyncio.Event()
        """Somebody wants it to stop, or to start again at once."""
        self._replace = False
        self.state = State.STARTING

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def ready(self) -> bool:
        return self.state is State.READY

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Where it listens; empty before it is ready."""
        return self._report.endpoints if self._report else {}

    def status(self) -> dict[str, Any]:
        """For the health check."""
        told = self._report
        return {
            "state": self.state,
            "pid": self.pid,
            "restarts": self.restarts.total,
            **({"reason": told.not_ready} if told is not None and told.not_ready else {}),
            **(told.status if told is not None else {}),
        }

    def samples(self) -> Samples:
        """Values of its metrics; counters go on where the last process left them."""
        samples = Samples()
        samples.update(self._ended)
        if self._report is not None:
            samples.update(Samples.from_plain(self._report.samples))
        samples.add(RESTARTS, self.restarts.total, str(self.number))
        return samples

    async def run(self) -> None:
        """Start it, and again whenever it dies, until it is told to stop."""
        loop = asyncio.get_running_loop()
        while not self._is_told_to_stop():
            began = loop.time()
            status = self.exit_status = await self._run_once()
            if self._is_told_to_stop():
                break
            if self._replace:
                self._replace = False
                continue
            delay = self.restarts.died(loop.time() - began)
            facts = {"worker": self.number, "restart_in": f"{delay:g}s"}
            if self.restarts.is_crash_loop:
                text = "a worker dies again and again (%d times in a row): %s"
                logger.error(text, self.restarts.in_a_row, _cause(status), extra=facts)
            else:
                logger.error("a worker died: %s", _cause(status), extra=facts)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._asked.wait()
            self._asked.clear()
        self._become(State.ENDED)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and do not start it again."""
        self._stopping = True
        self._asked.set()
        self._signal(number)

    def replace(self, command: Command) -> None:
        """End it gracefully and start a new one, with this command from here on."""
        self._command = command
        if self._process is None:
            self._asked.set()
        elif not self._replace:
            self._replace = True
            self._signal(signal.SIGTERM)

    def _is_told_to_stop(self) -> bool:
        return self._stopping

    async def _run_once(self) -> int:
        end = SupervisorEnd()
        self._report = None
        self._become(State.STARTING)
        with end.for_worker as theirs:
            descriptor = theirs.fileno()
            # A group of its own: Ctrl-C at a terminal reaches the supervisor, which then ends the workers in order.
            self._process = process = await asyncio.create_subprocess_exec(
                *self._command(self.number, descriptor), pass_fds=[descriptor], start_new_session=True
            )
        if self._stopping:
            self._signal(signal.SIGTERM)
        reports = asyncio.create_task(end.reports(self._reported))
        try:
            return await process.wait()
        finally:
            self._process = None
            self._become(State.WAITING)
            await asyncio.wait([reports], timeout=_LAST_WORDS)
            reports.cancel()
            await asyncio.gather(reports, return_exceptions=True)
            self._keep_counters()

    def _keep_counters(self) -> None:
        if self._report is not None:
            self._ended.update(Samples.from_plain(self._report.samples).counters())
            self._report = None

    def _reported(self, report: Report) -> None:
        self._report = report
        self._become(State.READY if report.not_ready is None else State.NOT_READY)

    def _become(self, state: State) -> None:
        self.state = state
        self._changed()

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
