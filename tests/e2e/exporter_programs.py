"""The programs that send with OpenTelemetry's own exporters, and an intake that makes them send again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from spanledger.model.received import Received
from tests.e2e.applications import PROGRAMS, Application, go_application, node_application, python_application
from tests.receiver.servers import Memory

PROGRAM: dict[str, Callable[[], Application]] = {
    "python": lambda: python_application(PROGRAMS / "otel-exporters"),
    "js": lambda: node_application(PROGRAMS / "otel-exporters-js"),
    "go": lambda: go_application(PROGRAMS / "otel-exporters-go"),
}


class Refusing(Memory):
    """An intake that refuses so many times before it accepts."""

    def __init__(self, problem: Exception, times: int) -> None:
        super().__init__()
        self.problem = problem
        self.times = times
        self.asked: list[float] = []
        """When, by the clock of the event loop."""

    async def accept(self, received: Received) -> None:
        self.asked.append(asyncio.get_running_loop().time())
        if len(self.asked) <= self.times:
            raise self.problem
        await super().accept(received)
