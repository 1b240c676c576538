"""Which spans are recorded (OpenTelemetry specification, "Built-in samplers")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spanledger.tracing.context import SpanContext

_WHOLE: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Sampler:
    """Records a share of the traces, and follows a parent where there is one and it is told to."""

    ratio: float = 1.0
    """Of traces without a parent that decides, by trace id: 0 none, 1 all."""
    follows_parent: bool = True
    """What a parent decided holds. Else its trace id decides again."""

    def samples(self, trace_id: bytes, parent: SpanContext | None) -> bool:
        """Whether a span is recorded."""
        if parent is not None and self.follows_parent:
            return parent.sampled
        return int.from_bytes(trace_id[8:]) >> 1 < self.ratio * _WHOLE
