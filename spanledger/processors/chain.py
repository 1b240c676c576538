"""The processors of a pipeline, one after the other, on the body of a request."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger.errors import PayloadError
from spanledger.model.received import Encoding, Signal
from spanledger.processors.base import Processor, ProcessorError
from spanledger.processors.messages import parse
from spanledger.processors.walk import count


class Chain:
    """Processors in the order of a pipeline."""

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._processors = tuple(processors)

    def apply(self, signal: Signal, encoding: Encoding, body: bytes) -> bytes | None:
        """What the processors leave, as protobuf; None when that is nothing. Raises `PayloadError` for a body that
        they cannot read and one that a processor gives up."""
        request = parse(signal, encoding, body)
        for processor in self._processors:
            try:
                processor.process(signal, request)
            except ProcessorError as problem:
                raise PayloadError(str(problem)) from None
            if not count(signal, request):
                return None
        return bytes(request.SerializeToString())
