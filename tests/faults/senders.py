"""Senders that never give up, and the ledger of what they were promised."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import grpc
import grpc.aio
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.receiver.bodies import span, traces
from tests.receiver.servers import TRACE_SERVICE, raw_call

_numbers = itertools.count(1)
_RETRY = 0.05
HEADERS = {"Content-Type": "application/x-protobuf"}


@dataclass
class Ledger:
    """Every span that was acknowledged: its id and its tokens."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    refused: int = 0
    """Requests that were answered with something else, or not at all, and sent again."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _refused: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, batch: Batch) -> None:
        self.acknowledged.update(batch.tokens)
        self.requests += 1
        self._changed.set()

    def refuse(self) -> None:
        self.refused += 1
        self._refused.set()

    async def refusal(self) -> None:
        """Wait until one more request is not acknowledged."""
        self._refused.clear()
        await self._refused.wait()

    async def grown(self, requests: int) -> None:
        """Wait until so many more requests are acknowledged."""
        target = self.requests + requests
        while self.requests < target:
            self._changed.clear()
            await self._changed.wait()


@dataclass
class Batch:
    """One request and what it holds."""

    body: bytes
    tokens: dict[str, int]


def batch(spans: int = 5, text: str = "") -> Batch:
    """New model calls, each a run of its own."""
    tokens: dict[str, int] = {}
    calls: list[Span] = []
    now = time.time_ns()
    for _ in range(spans):
        number = next(_numbers)
        span_id = number.to_bytes(8, "big")
        tokens[span_id.hex()] = number % 1000 + 1
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": number % 1000 + 1,
            **({"gen_ai.input.messages": text} if text else {}),
        }
        ids = {"span_id": span_id, "trace_id": number.to_bytes(16, "big")}
        times = {"start_time_unix_nano": now - 1_000_000_000, "end_time_unix_nano": now}
        calls.append(span("chat gpt-4o", attributes, **ids, **times))
    return Batch(traces(*calls), tokens)


@dataclass
class Senders:
    """Send new batches over HTTP and gRPC, each again until it is acknowledged, as SDKs should."""

    http: str
    """`host:port`."""
    grpc: str
    ledger: Ledger
    copies: int = 1
    """How often each request is sent at least."""
    pause: float = 0.01
    text: str = ""
    _session: aiohttp.ClientSession | None = None

    async def send(self, one: Batch) -> bool:
        """Over HTTP, once; whether it was acknowledged."""
        session = self._session
        assert session is not None
        try:
            async with session.post(f"http://{self.http}/v1/traces", data=one.body, headers=HEADERS) as answer:
                await answer.read()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def over_http(self) -> None:
        while True:
            one = batch(text=self.text)
            for _ in range(self.copies):
                while not await self.send(one):
                    self.ledger.refuse()
                    await asyncio.sleep(_RETRY)
                self.ledger.add(one)
            await asyncio.sleep(self.pause)

    async def over_grpc(self) -> None:
        options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
        async with grpc.aio.insecure_channel(self.grpc, options=options) as channel:
            call = raw_call(channel, TRACE_SERVICE)
            while True:
                one = batch(text=self.text)
                for _ in range(self.copies):
                    while True:
                        try:
                            await call(one.body, timeout=5)
                            break
                        except grpc.aio.AioRpcError:
                            self.ledger.refuse()
                            await asyncio.sleep(_RETRY)
                    self.ledger.add(one)
                await asyncio.sleep(self.pause)

    @contextlib.asynccontextmanager
    async def running(self, http: int = 3, grpc: int = 1) -> AsyncIterator[Ledger]:
        """That many senders of each kind, until the end of the block. A request that has no answer then may be stored
        or not."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            tasks = [asyncio.create_task(self.over_http()) for _ in range(http)]
            tasks += [asyncio.create_task(self.over_grpc()) for _ in range(grpc)]
            try:
                yield self.ledger
            finally:
                for task in tasks:
                    task.cancel()
                for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(outcome, Exception):
                        raise outcome
