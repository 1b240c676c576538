"""The processor `probabilistic_sampler` (processor/probabilisticsamplerprocessor): keeps a share of the traces."""

from __future__ import annotations

import hashlib
from typing import Final, Literal

from pydantic import Field

from spanledger.model.context import RequestContext
from spanledger.model.received import Signal
from spanledger.processors.base import Processor, Request
from spanledger.processors.ottl.paths import Item
from spanledger.processors.values import find, plain, text_of
from spanledger.processors.walk import drop
from spanledger.settings import Settings

_BUCKETS: Final = 1 << 56


class SamplerSettings(Settings):
    """Processor `probabilistic_sampler`: keeps whole traces, by their id. Totals then count the share that was kept."""

    sampling_percentage: float = Field(default=0, ge=0)
    """Per cent of the traces that are kept; 100 and more keep all."""
    hash_seed: int = Field(default=0, ge=0)
    """Samplers with the same seed decide alike; 0 decides by the randomness of the trace id itself."""
    mode: Literal["hash_seed", "proportional", "equalizing"] = "hash_seed"
    """Accepted; a trace is kept or dropped by its id in every mode."""
    sampling_precision: int = Field(default=4, ge=1, le=14)
    """Accepted; without effect."""
    fail_closed: bool = True
    """Whether items without a trace id are dropped."""
    attribute_source: Literal["traceID", "record"] = "traceID"
    """What log records are sampled by."""
    from_attribute: str = ""
    """Attribute of log records that is sampled by, with `attribute_source: record`."""
    sampling_priority: str = ""
    """Attribute with a percentage of its own for a log record."""


class SamplerProcessor(Processor):
    """Keeps a share of the traces."""

    def __init__(self, settings: SamplerSettings) -> None:
        self._settings = settings
        self._seed = settings.hash_seed.to_bytes(8, "little") if settings.hash_seed < 1 << 64 else b""
        self.dropped = 0
        """Items dropped so far."""

    def process(self, signal: Signal, request: Request, context: RequestContext) -> None:
        if signal is not Signal.METRICS and self._settings.sampling_percentage < 100:
            self.dropped += drop(signal, request, lambda item: not self._keeps(item))

    def _keeps(self, item: Item) -> bool:
        if item.span is not None:
            # As in the Collector, an application may insist: sampling.priority of OpenTracing.
            priority = find(item.span.attributes, "sampling.priority")
            if priority is not None:
                value = plain(priority.value)
                if isinstance(value, int | float):
                    return value > 0
            return self._decides(item.span.trace_id, self._settings.sampling_percentage)
        percentage = self._settings.sampling_percentage
        if self._settings.sampling_priority:
            own = find(item.log.attributes, self._settings.sampling_priority)
            value = None if own is None else plain(own.value)
            if isinstance(value, int | float):
                percentage = float(value)
        source: bytes = item.log.trace_id
        if self._settings.attribute_source == "record":
            found = find(item.log.attributes, self._settings.from_attribute)
            source = b"" if found is None else text_of(plain(found.value)).encode()
        return self._decides(source, percentage)

    def _decides(self, source: bytes, percentage: float) -> bool:
        if percentage >= 100:
            return True
        if not source:
            return not self._settings.fail_closed
        if self._settings.hash_seed or len(source) != 16:
            source = hashlib.blake2b(source, digest_size=7, key=self._seed).digest()
        # W3C trace context level 2: the last 56 bits of a trace id are random.
        return int.from_bytes(source[-7:], "big") >= _BUCKETS * (1 - percentage / 100)
