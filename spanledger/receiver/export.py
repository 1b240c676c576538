"""What both servers do with the body of an export request: decode it, hand it over, answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from spanledger.access.authenticator import Sender
from spanledger.errors import NotServed
from spanledger.model.context import NO_CONTEXT, UNUSED, ContextUse, RequestContext
from spanledger.model.keys import KeyTable
from spanledger.model.received import Decoded, Encoding, Intake, Received, Signal
from spanledger.receiver.admission import Turnstile
from spanledger.receiver.client_events import ClientEvents
from spanledger.receiver.status import shortened
from spanledger.receiver.traffic import Traffic
from spanledger.receiver.wire import DEFAULT_LIMITS, Limits, decode
from spanledger.tracing import Span, Tracer, current_span, name_of

_log = logging.getLogger(__name__)

_LARGE_BODY: Final = 512 * 1024
"""Bytes from which a body is decoded beside the event loop: about 10 ms of work (37 µs for a span of 2 KB)."""
_DECODED_AT_ONCE: Final = 8 << 20
"""Bytes of bodies that are decoded and not yet in the log."""
_MESSAGE_AT_MOST: Final = 4096
_ALL_ACCEPTED: Final = {Encoding.PROTOBUF: b"", Encoding.JSON: b"{}"}


class Exports:
    """Takes the bodies of export requests. One for a receiver, shared by its servers."""

    def __init__(
        self,
        table: KeyTable,
        intake: Intake,
        limits: Limits = DEFAULT_LIMITS,
        signals: frozenset[Signal] = frozenset(Signal),
        tracer: Tracer | None = None,
        name: str = "otlp",
        contexts: ContextUse = UNUSED,
    ) -> None:
        self._contexts = contexts
        self._tracer = tracer if tracer is not None else Tracer()
        self._name = name
        self._signals = signals
        self._table = table
        self._intake = intake
        self._limits = limits
        self._turnstile = Turnstile(_DECODED_AT_ONCE)
        self.client_events = ClientEvents(intake, self._turnstile)
        self._decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")

    def check(self, signal: Signal) -> None:
        """Before a body is read: raises `NotServed` when no pipeline takes this signal."""
        if signal not in self._signals:
            raise NotServed(f"no pipeline takes {signal}; service::pipelines names {', '.join(sorted(self._signals))}")

    def check_room(self, size: int | None) -> None:
        """Before a body of so many bytes (None: unknown) is read: raises `Overloaded` when it would be refused."""
        self._intake.check_room(size)

    @property
    def traced(self) -> bool:
        """Whether anybody wants spans: only then the headers of a request are worth a dictionary."""
        return self._tracer.active

    def span(self, signal: Signal, transport: str, headers: Mapping[str, str]) -> Span:
        """About one request, for as long as it is being answered; the names of its headers are in lower case."""
        span = self._tracer.request(f"receiver/{self._name}/{name_of(signal)}", headers)
        span.set(receiver=self._name, transport=transport)
        return span

    @property
    def uses_contexts(self) -> bool:
        """Whether anybody looks at the context of a request: only then one is made."""
        return self._contexts.any

    async def take(
        self,
        sender: Sender,
        signal: Signal,
        encoding: Encoding,
        body: bytes,
        traffic: Traffic,
        context: RequestContext = NO_CONTEXT,
    ) -> bytes:
        """The response message of a request, in the request's encoding, once what it holds is safe; items are counted
        in `traffic`. Raises `PayloadError` when nothing in it can be used, and what the intake raises."""
        received_ns = time.time_ns()
        size = len(body)
        if self._tracer.active:
            self._tracer.pass_over(body)
        if not self._turnstile.pass_at_once(size):
            await self._turnstile.wait(size)
        try:
            decoded = await self._decode(signal, encoding, body)
            if decoded.items:
                received = Received(sender.project_id, signal, encoding, body, decoded.items, received_ns)
                if context is not NO_CONTEXT:
                    received.context, received.kept = context, self._contexts.of(context)
                try:
                    await self._intake.accept(received)
                except Exception as problem:
                    traffic.turn_away(signal, len(decoded.items), problem)
                    raise
                sender.charge(len(decoded.items), size)
            traffic.accept(signal, sender.project_id, len(decoded.items), len(decoded.rejected), size)
            if self._tracer.active:
                current_span().set(accepted_items=len(decoded.items), rejected_items=len(decoded.rejected), bytes=size)
        finally:
            self._turnstile.leave(size)
        if not decoded.rejected:
            return _ALL_ACCEPTED[encoding]
        _log.warning("refused %d of %d items of a request: %s", *_counts(decoded), decoded.rejected[0])
        return _partial_success(signal, encoding, decoded)

    def close(self) -> None:
        self._decoder.shutdown(wait=False, cancel_futures=True)
        self.client_events.close()

    async def _decode(self, signal: Signal, encoding: Encoding, body: bytes) -> Decoded:
        if len(body) < _LARGE_BODY:
            return decode(signal, encoding, body, self._table, self._limits)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._decoder, decode, signal, encoding, body, self._table, self._limits)


def _partial_success(signal: Signal, encoding: Encoding, decoded: Decoded) -> bytes:
    """OTLP "Partial Success": how many items were refused, and why."""
    rejected, total = _counts(decoded)
    reasons = "; ".join(decoded.rejected[:100])
    text = shortened(f"refused {rejected} of {total}: {reasons}", _MESSAGE_AT_MOST)
    message: Message
    if signal is Signal.TRACES:
        message = trace_service_pb2.ExportTraceServiceResponse(
            partial_success=trace_service_pb2.ExportTracePartialSuccess(rejected_spans=rejected, error_message=text)
        )
    elif signal is Signal.LOGS:
        message = logs_service_pb2.ExportLogsServiceResponse(
            partial_success=logs_service_pb2.ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=text)
        )
    else:
        message = metrics_service_pb2.ExportMetricsServiceResponse(
            partial_success=metrics_service_pb2.ExportMetricsPartialSuccess(
                rejected_data_points=rejected, error_message=text
            )
        )
    if encoding is Encoding.PROTOBUF:
        return message.SerializeToString()
    return json_format.MessageToJson(message, indent=None).encode()


def _counts(decoded: Decoded) -> tuple[int, int]:
    return len(decoded.rejected), len(decoded.rejected) + len(decoded.items)
