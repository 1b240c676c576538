"""Processors between the receivers and the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from spanledger.model.client_event import ClientEvent
from spanledger.model.received import OTLP_ENCODINGS, Decode, Intake, Received, Signal
from spanledger.processors.client_events import Shown, encoded
from spanledger.processors.fork import Fork

_LARGE_BODY: Final = 256 * 1024
"""Bytes from which a body is processed beside the event loop: some ten milliseconds of work."""


class ProcessingIntake(Intake):
    """Hands on what the processors of the pipelines leave; what they take away was accepted all the same. They know
    OTLP: client events are shown to them as spans (`spanledger.processors.client_events`)."""

    def __init__(
        self,
        intake: Intake,
        forks: Mapping[tuple[str, Signal], Fork],
        decode: Decode,
        drain_rate: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`forks`: by receiver and signal. `drain_rate`: bytes a second that leave the log behind the intake."""
        self.drain_rate = drain_rate
        self._intake = intake
        self._forks = {key: (fork,) for key, fork in forks.items()}
        # What no receiver of a pipeline took in, as the API does, goes every way that there is.
        self._all = {
            signal: tuple({id(fork): fork for (_, of), fork in forks.items() if of is signal}.values())
            for signal in Signal
        }
        self._decode = decode
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="process")

    def check_room(self, size: int | None) -> None:
        """As the intake behind this one. A request that processors make smaller, or take away, is asked for its size on
        arrival: what they leave is known too late."""
        self._intake.check_room(size)

    async def accept(self, received: Received) -> int | None:
        """Raises `PayloadError` where a processor gives the request up, and what the intake behind it raises. A
        request that takes several ways is accepted when what each of them leaves is safe; when one is refused the
        sender repeats all of it, and what was kept is then the same again."""
        forks = self._forks.get((received.receiver, received.signal)) or self._all[received.signal]
        if not any(fork.changes for fork in forks):
            received.road = ",".join(filter(None, (fork.road for fork in forks)))
            return await self._intake.accept(received)
        if len(received.body) < _LARGE_BODY:
            left = self._process(forks, received)
        else:
            loop = asyncio.get_running_loop()
            left = await loop.run_in_executor(self._beside, self._process, forks, received)
        if len(left) == 1:
            return await self._intake.accept(left[0])
        if left:
            self._intake.check_room(sum(len(one.body) for one in left))
        places = await asyncio.gather(*map(self._intake.accept, left), return_exceptions=True)
        for place in places:
            if isinstance(place, BaseException):
                raise place
        return max((place for place in places if isinstance(place, int)), default=None)

    def close(self) -> None:
        """Let go of the thread."""
        self._beside.shutdown(wait=False, cancel_futures=True)

    def _process(self, forks: tuple[Fork, ...], received: Received) -> list[Received]:
        left: list[Received] = []
        for fork in forks:
            if received.encoding in OTLP_ENCODINGS:
                left += self._otlp(fork, received)
            else:
                left += _events(fork, received)
        return left

    def _otlp(self, fork: Fork, received: Received) -> Iterator[Received]:
        given = (received.signal, received.encoding, received.body, received.context)
        for road, encoding, body in fork.apply(*given):
            items = received.items
            if body is not received.body:
                items = self._decode(received.signal, encoding, body).items
            if items:
                yield replace(received, encoding=encoding, body=body, items=items, road=road)


def _events(fork: Fork, received: Received) -> Iterator[Received]:
    if fork.chain is not None:
        events = [item for item in received.items if isinstance(item, ClientEvent)]
        shown = Shown(received.encoding, events, received.received_ns)
        left = shown.left() if fork.chain.process(received.signal, shown.request, received.context) else []
        if not left:
            return
        received = replace(received, body=encoded(received.encoding, left), items=left)
    if fork.road is not None:
        yield replace(received, road=fork.road)
    for onward in fork.onward:
        yield from _events(onward, received)
