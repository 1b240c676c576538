"""Where receivers put requests while what stands behind them is exchanged."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Protocol

from spanledger.errors import Overloaded
from spanledger.model.received import Intake, Received

_PATIENCE: Final = 30.0
"""Seconds that a request waits at most; its sender is told to come back then."""


class Behind(Intake, Protocol):
    """An intake that knows how fast it empties."""

    def drain_rate(self) -> float:
        """Bytes a second that left the log lately."""


class Gate(Intake):
    """Lets requests through to an intake. Closed, it holds them: they wait, and nothing is refused. What waits is
    bounded by the receivers' admission."""

    def __init__(self) -> None:
        self._behind: Behind | None = None
        self._open = asyncio.Event()
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def lead_to(self, behind: Behind) -> None:
        """Open, to this intake."""
        self._behind = behind
        self._open.set()

    async def close(self, patience: float) -> None:
        """Hold what comes from here on, and wait for the answers of what went through, at most so many seconds."""
        self._open.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._empty.wait()

    def drain_rate(self) -> float:
        """Of what is behind."""
        return self._behind.drain_rate() if self._behind is not None else 0.0

    def check_room(self, size: int | None) -> None:
        """As the intake behind; a closed gate has room."""
        behind = self._through()
        if behind is not None:
            behind.check_room(size)

    def _through(self) -> Behind | None:
        return self._behind if self._open.is_set() else None

    async def _waited(self) -> Behind:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._open.wait()
        behind = self._through()
        if behind is None:
            raise Overloaded("spanledger takes over a new configuration", 1.0)
        return behind

    def door(self, receiver: str) -> Door:
        """The way in for one receiver."""
        return Door(self, receiver)

    async def accept(self, received: Received) -> int | None:
        """As the intake behind."""
        behind = self._through() or await self._waited()
        self._inside += 1
        self._empty.clear()
        try:
            return await behind.accept(received)
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()


class Door(Intake):
    """Notes which receiver took a request in: pipelines may tell them apart."""

    def __init__(self, gate: Gate, receiver: str) -> None:
        self._gate = gate
        self._receiver = receiver

    def check_room(self, size: int | None) -> None:
        """As the gate."""
        self._gate.check_room(size)

    async def accept(self, received: Received) -> int | None:
        """As the gate."""
        received.receiver = self._receiver
        return await self._gate.accept(received)
