"""Processors between the receivers and the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from spanledger.model.client_event import ClientEvent
from spanledger.model.received import OTLP_ENCODINGS, Decode, Encoding, Intake, Received, Signal
from spanledger.processors.chain import Chain
from spanledger.processors.client_events import Shown, encoded

_LARGE_BODY: Final = 256 * 1024
"""Bytes from which a body is processed beside the event loop: some ten milliseconds of work."""


class ProcessingIntake(Intake):
    """Hands on what the processors of a signal's pipelines leave; what they take away was accepted all the same.
    They know OTLP: client events are shown to them as spans (`spanledger.processors.client_events`)."""

    def __init__(
        self,
        intake: Intake,
        chains: Mapping[Signal, Chain],
        decode: Decode,
        drain_rate: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`drain_rate`: bytes a second that leave the log behind the intake."""
        self.drain_rate = drain_rate
        self._intake = intake
        self._chains = chains
        self._decode = decode
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="process")

    def check_room(self, size: int | None) -> None:
        """As the intake behind this one. A request that processors make smaller, or take away, is asked for its size on
        arrival: what they leave is known too late."""
        self._intake.check_room(size)

    async def accept(self, received: Received) -> int | None:
        """Raises `PayloadError` where a processor gives the request up, and what the intake behind it raises."""
        chain = self._chains.get(received.signal)
        if chain is None:
            return await self._intake.accept(received)
        if len(received.body) < _LARGE_BODY:
            left = self._process(chain, received)
        else:
            loop = asyncio.get_running_loop()
            left = await loop.run_in_executor(self._beside, self._process, chain, received)
        return await self._intake.accept(left) if left is not None else None

    def close(self) -> None:
        """Let go of the thread."""
        self._beside.shutdown(wait=False, cancel_futures=True)

    def _process(self, chain: Chain, received: Received) -> Received | None:
        if received.encoding not in OTLP_ENCODINGS:
            return _process_events(chain, received)
        body = chain.apply(received.signal, received.encoding, received.body)
        if body is None:
            return None
        decoded = self._decode(received.signal, Encoding.PROTOBUF, body)
        if not decoded.items:
            return None
        return replace(received, encoding=Encoding.PROTOBUF, body=body, items=decoded.items)


def _process_events(chain: Chain, received: Received) -> Received | None:
    events = [item for item in received.items if isinstance(item, ClientEvent)]
    shown = Shown(received.encoding, events, received.received_ns)
    if not chain.process(received.signal, shown.request):
        return None
    left = shown.left()
    return replace(received, body=encoded(received.encoding, left), items=left) if left else None
