"""Makes spans, and remembers which entry of the log came with which."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from spanledger.tracing.context import EXTRACT, Propagator, SpanContext
from spanledger.tracing.sampler import Sampler
from spanledger.tracing.span import CURRENT, NO_SPAN, Kind, Span

OWN_SCOPE: Final = "spanledger.telemetry.traces"
"""Scope of the spans, by which every spanledger on their way knows them."""
OWN_AGENT: Final = "spanledger-own-telemetry"
"""Begins the `User-Agent` of those who send own telemetry."""
_MARK: Final = OWN_SCOPE.encode()
_ORIGINS: Final = 10_000
_LINKS_AT_MOST: Final = 128


def name_of(signal: str) -> str:
    """How the Collector calls what a receiver does with a request (receiver/receiverhelper)."""
    return {"traces": "TraceDataReceived", "logs": "LogsReceived", "metrics": "MetricsReceived"}[signal]


class Tracer:
    """One for a process. Spans about spans would never end: requests that hold own spans, from this spanledger or
    another, are passed over on their whole road."""

    def __init__(self) -> None:
        self.active = False
        """Whether anybody wants spans. Asked where even a call would cost a request something."""
        self._sink: Callable[[Span], None] | None = None
        self._sampler = Sampler()
        self._propagators: Sequence[Propagator] = ()
        self._origins: OrderedDict[int, SpanContext] = OrderedDict()

    def use(self, sink: Callable[[Span], None], sampler: Sampler, propagators: Sequence[Propagator]) -> None:
        """From here on ended spans go to `sink`."""
        self._sink, self._sampler, self._propagators = sink, sampler, tuple(propagators)
        self.active = True

    def rest(self) -> None:
        """Nobody wants spans from here on."""
        self.active = False
        self._sink = None
        self._origins.clear()

    def request(self, name: str, headers: Mapping[str, str]) -> Span:
        """About a request from outside; the names of its headers are in lower case."""
        if self._sink is None:
            return NO_SPAN
        parent = None
        for propagator in self._propagators:
            parent = parent or EXTRACT[propagator](headers)
        span = self._new(name, Kind.SERVER, parent)
        if headers.get("user-agent", "").startswith(OWN_AGENT):
            span.drop()
        return span

    def span(self, name: str) -> Span:
        """About a part of what is being done."""
        if self._sink is None:
            return NO_SPAN
        current = CURRENT.get()
        return self._new(name, Kind.INTERNAL, current.context if current is not NO_SPAN else None)

    def of_entry(self, name: str, seq: int, body: bytes) -> Span:
        """About what is done with an entry of the log, as a part of what its sender asked for."""
        if self._sink is None or self.is_own(body):
            return NO_SPAN
        return self._new(name, Kind.INTERNAL, self._origins.get(seq))

    def of_entries(self, name: str, seqs: Iterable[int]) -> Span:
        """About what is done with many entries at once: it points to the spans of their requests, and is recorded
        where one of these is."""
        if self._sink is None:
            return NO_SPAN
        known = (self._origins.get(seq) for seq in seqs)
        links = list(OrderedDict.fromkeys(origin for origin in known if origin is not None and origin.sampled))
        return self._new(name, Kind.CLIENT, None, links)

    def note(self, seq: int, span: Span) -> None:
        """A request became this entry of the log, while the span went on."""
        if span is not NO_SPAN:
            self._origins[seq] = span.context
            if len(self._origins) > _ORIGINS:
                self._origins.popitem(last=False)

    def is_own(self, body: bytes) -> bool:
        """Whether a request holds spans of a spanledger about itself."""
        return self.active and _MARK in body

    def pass_over(self, body: bytes) -> None:
        """Drop the current span where a request `is_own`."""
        if self.is_own(body):
            CURRENT.get().drop()

    def _new(self, name: str, kind: Kind, parent: SpanContext | None, links: Sequence[SpanContext] = ()) -> Span:
        trace_id = parent.trace_id if parent is not None else os.urandom(16)
        if parent is not None and not parent.remote:
            sampled = parent.sampled  # decided where the trace came in
        else:
            sampled = bool(links) or self._sampler.samples(trace_id, parent)
        context = SpanContext(trace_id, os.urandom(8), sampled, parent.state if parent is not None else "")
        parent_id = parent.span_id if parent is not None else b""
        links = links[:_LINKS_AT_MOST]
        return Span(context, name, kind, parent_id=parent_id, links=links, end=self._sink if sampled else None)
