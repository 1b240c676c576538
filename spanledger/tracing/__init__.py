"""Spans about spanledger itself: made where the work is done, collected by whoever asked for them.

Off unless `service::telemetry::traces` names a destination; a span then costs one comparison.
"""

from __future__ import annotations

from spanledger.tracing.context import Propagator, SpanContext
from spanledger.tracing.sampler import Sampler
from spanledger.tracing.span import NO_SPAN, Kind, Span, current_span
from spanledger.tracing.tracer import OWN_AGENT, OWN_SCOPE, Tracer, name_of

__all__ = [
    "NO_SPAN",
    "OWN_AGENT",
    "OWN_SCOPE",
    "Kind",
    "Propagator",
    "Sampler",
    "Span",
    "SpanContext",
    "Tracer",
    "current_span",
    "name_of",
]
