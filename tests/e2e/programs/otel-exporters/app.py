"""Sends model calls with OpenTelemetry's own exporters, a batch at a time, each until it is acknowledged.

    python app.py CALLS BATCH_SIZE [once]

Call number n has 100 + n input and 10 + n output tokens, n from 0. After each acknowledgement it prints how many calls
are acknowledged by now; with `once`, a batch that the exporter gave up is told and not sent again. Endpoint, protocol
and compression are read from the environment, as the exporters do it.
"""

import os
import sys

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind


def exporter() -> SpanExporter:
    if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http()


def main(calls: int, batch_size: int, once: bool) -> None:
    made = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "otel-exporters"}))
    provider.add_span_processor(SimpleSpanProcessor(made))
    tracer = provider.get_tracer("e2e")
    for number in range(calls):
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4.1-mini",
            "gen_ai.response.model": "gpt-4.1-mini-2025-04-14",
            "gen_ai.response.id": f"chatcmpl-{number}",
            "gen_ai.usage.input_tokens": 100 + number,
            "gen_ai.usage.output_tokens": 10 + number,
            "gen_ai.conversation.id": "session-exporters",
        }
        tracer.start_span("chat gpt-4.1-mini", kind=SpanKind.CLIENT, attributes=attributes).end()

    spans, sender = made.get_finished_spans(), exporter()
    for start in range(0, calls, batch_size):
        batch = spans[start : start + batch_size]
        acknowledged = sender.export(batch) is SpanExportResult.SUCCESS
        while not acknowledged and not once:
            print(f"not acknowledged: {start} to {start + len(batch)}", file=sys.stderr, flush=True)
            acknowledged = sender.export(batch) is SpanExportResult.SUCCESS
        print(start + len(batch) if acknowledged else "given up", flush=True)
    sender.shutdown()


if __name__ == "__main__":
    main(calls=int(sys.argv[1]), batch_size=int(sys.argv[2]), once="once" in sys.argv)
