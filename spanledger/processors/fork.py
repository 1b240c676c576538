"""Processors of pipelines that part: what is common to several ways runs once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spanledger.model.context import NO_CONTEXT, RequestContext
from spanledger.model.received import Encoding, Signal
from spanledger.processors.chain import Chain


@dataclass(frozen=True, slots=True)
class Fork:
    """A stretch of processors, and what comes behind it."""

    chain: Chain | None
    """None: nothing changes here."""
    road: str | None
    """Set where something ends here: `Received.road` of that."""
    onward: tuple[Fork, ...] = ()

    def apply(
        self, signal: Signal, encoding: Encoding, body: bytes, context: RequestContext = NO_CONTEXT
    ) -> Iterator[tuple[str, Encoding, bytes]]:
        """(road, encoding, body) of all that is left of a body. Raises `PayloadError`."""
        if self.chain is not None:
            left = self.chain.apply(signal, encoding, body, context)
            if left is None:
                return
            encoding, body = Encoding.PROTOBUF, left
        if self.road is not None:
            yield self.road, encoding, body
        for fork in self.onward:
            yield from fork.apply(signal, encoding, body, context)

    @property
    def changes(self) -> bool:
        """Whether what ends here can differ from what was received."""
        return self.chain is not None or bool(self.onward)

    def chains(self) -> Iterator[Chain]:
        """All there are."""
        if self.chain is not None:
            yield self.chain
        for fork in self.onward:
            yield from fork.chains()
