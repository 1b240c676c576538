"""What a worker tells its supervisor, over a pair of sockets: a line of JSON a second. Its end is the other's death."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

REPORT_INTERVAL: Final = 1.0
_LINE_AT_MOST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Report:
    """How a worker is."""

    not_ready: str | None
    """Why it accepts nothing now; None when it does."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, Any] = field(default_factory=dict)
    """Values of its metrics, as `Samples.to_plain` gives them."""


class WorkerEnd:
    """The worker's side."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, report: Callable[[], Report]) -> None:
        """Report until the supervisor is gone."""
        reader, self._writer = await asyncio.open_connection(sock=self._socket)
        gone = asyncio.create_task(reader.read())
        try:
            while not gone.done():
                await self.tell(report())
                await asyncio.wait([gone], timeout=REPORT_INTERVAL)
        finally:
            gone.cancel()

    async def tell(self, report: Report) -> None:
        """Report once; nothing happens when the supervisor is gone."""
        if self._writer is None:
            return
        line = {name: getattr(report, name) for name in Report.__slots__}
        with suppress(ConnectionError):
            self._writer.write(json.dumps(line, default=str).encode() + b"\n")
            await self._writer.drain()


class SupervisorEnd:
    """The supervisor's side of one worker."""

    def __init__(self) -> None:
        self._socket, self.for_worker = socket.socketpair()
        """`for_worker`: to be passed on, and closed here once the worker runs."""

    async def reports(self, on_report: Callable[[Report], None]) -> None:
        """Hand over what the worker tells, until it is gone."""
        reader, writer = await asyncio.open_connection(sock=self._socket, limit=_LINE_AT_MOST)
        try:
            while line := await reader.readline():
                on_report(Report(**json.loads(line)))
        except (ConnectionError, TypeError, ValueError):
            pass
        finally:
            writer.close()
