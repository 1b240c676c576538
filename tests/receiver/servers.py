"""A receiver on free ports, an intake that remembers, and ways to talk to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio

from spanledger.access.authenticator import Authenticator
from spanledger.access.caller import Caller
from spanledger.errors import Unauthenticated
from spanledger.model.received import Received, Signal
from spanledger.receiver.otlp import OtlpReceiver
from spanledger.receiver.settings import OtlpReceiverSettings
from tests.receiver.tables import TABLE

TRACE_SERVICE = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS_SERVICE = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
METRICS_SERVICE = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class Memory:
    """An intake that keeps what it is given, fails when told to, and can be held."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.failure: Exception | None = None
        self.full: Exception | None = None
        """Raised before a body is read."""
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    def check_room(self, size: int | None) -> None:
        if self.full is not None:
            raise self.full

    async def accept(self, received: Received) -> None:
        self.entered.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.received.append(received)

    @property
    def names(self) -> list[str]:
        return [getattr(item, "name", "") for received in self.received for item in received.items]


class OneKey(Authenticator):
    """Knows one sender, who may send until `refusing` is set; remembers what it was charged."""

    def __init__(self) -> None:
        self.refusing: Exception | None = None
        self.charged: list[tuple[str, int, int]] = []

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        if headers.get("authorization") != "Bearer secret":
            raise Unauthenticated("the key is not known")
        return Caller("shop")

    def admit(self, caller: Caller) -> None:
        if self.refusing is not None:
            raise self.refusing

    def charge(self, caller: Caller, items: int, size: int) -> None:
        self.charged.append((caller.project_id, items, size))


def settings(
    grpc: Mapping[str, Any] | None = None, http: Mapping[str, Any] | None = None, *, only: str = ""
) -> OtlpReceiverSettings:
    protocols = {
        "grpc": {"endpoint": "127.0.0.1:0", **(grpc or {})},
        "http": {"endpoint": "127.0.0.1:0", **(http or {})},
    }
    if only:
        protocols = {only: protocols[only]}
    return OtlpReceiverSettings.model_validate({"protocols": protocols})


def raw_call(channel: grpc.aio.Channel, method: str) -> Any:
    """A unary call of bytes: without serialisers, which the stubs of grpc demand and grpc does not."""
    return channel.unary_unary(method, None, None)


@asynccontextmanager
async def running(
    configured: OtlpReceiverSettings,
    memory: Memory,
    authenticator: Authenticator | None = None,
    signals: frozenset[Signal] = frozenset(Signal),
) -> AsyncIterator[OtlpReceiver]:
    receiver = OtlpReceiver(configured, TABLE, memory, {"": authenticator} if authenticator else {}, signals=signals)
    await receiver.start()
    try:
        yield receiver
    finally:
        memory.gate.set()
        await receiver.stop(grace_seconds=10)
