"""The processors of a pipeline, one after the other, on the body of a request."""

from __future__ import annotations

import time
from collections.abc import Sequence

from spanledger.errors import PayloadError
from spanledger.model.context import NO_CONTEXT, RequestContext
from spanledger.model.received import Encoding, Signal
from spanledger.processors.base import Processor, ProcessorError, Request
from spanledger.processors.counts import ProcessorCounts
from spanledger.processors.messages import parse
from spanledger.processors.walk import count


class Chain:
    """Processors in the order of a pipeline."""

    def __init__(self, processors: Sequence[Processor], names: Sequence[str] | None = None) -> None:
        """`names`: ids of the processors, for their counts; by default their classes'."""
        names = [type(processor).__name__ for processor in processors] if names is None else names
        self.counts = tuple(map(ProcessorCounts, names))
        self._processors = tuple(zip(processors, self.counts, strict=True))

    def apply(
        self, signal: Signal, encoding: Encoding, body: bytes, context: RequestContext = NO_CONTEXT
    ) -> bytes | None:
        """What the processors leave, as protobuf; None when that is nothing. Raises `PayloadError` for a body that
        they cannot read and one that a processor gives up."""
        request = parse(signal, encoding, body)
        return bytes(request.SerializeToString()) if self.process(signal, request, context) else None

    def process(self, signal: Signal, request: Request, context: RequestContext = NO_CONTEXT) -> bool:
        """Change a request in place; whether anything is left. Raises `PayloadError` where a processor gives up."""
        items = count(signal, request)
        for processor, counts in self._processors:
            counts.incoming += items
            began = time.perf_counter()
            try:
                processor.process(signal, request, context)
            except ProcessorError as problem:
                raise PayloadError(str(problem)) from None
            counts.seconds.add(time.perf_counter() - began)
            items = count(signal, request)
            counts.outgoing += items
            if not items:
                return False
        return True
