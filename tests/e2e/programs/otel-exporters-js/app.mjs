// Sends model calls with OpenTelemetry's own exporters, a batch at a time, each until it is acknowledged.
//
//   node app.mjs CALLS BATCH_SIZE [once|together]
//
// Call number n has 100 + n input and 10 + n output tokens, n from 0. After each acknowledgement it prints how many calls
// are acknowledged by now; with "once", a batch that the exporter gave up is told and not sent again; with "together" all
// are sent at the same time through an exporter that takes four at once, and what it refuses again after that. Endpoint,
// protocol and compression are read from the environment, as the exporters do it.
import { diag, SpanKind } from "@opentelemetry/api";
import { OTLPTraceExporter as Grpc } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as Json } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as Protobuf } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";

diag.disable();
const exporters = { grpc: Grpc, "http/json": Json, "http/protobuf": Protobuf };
const [calls, size] = process.argv.slice(2, 4).map(Number);
const once = process.argv.includes("once");
const together = process.argv.includes("together");

const made = new InMemorySpanExporter();
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "otel-exporters" }),
  spanProcessors: [new SimpleSpanProcessor(made)],
});
const tracer = provider.getTracer("e2e");
for (let number = 0; number < calls; number++) {
  const attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1-mini",
    "gen_ai.response.model": "gpt-4.1-mini-2025-04-14",
    "gen_ai.response.id": `chatcmpl-${number}`,
    "gen_ai.usage.input_tokens": 100 + number,
    "gen_ai.usage.output_tokens": 10 + number,
    "gen_ai.conversation.id": "session-exporters",
  };
  tracer.startSpan("chat gpt-4.1-mini", { kind: SpanKind.CLIENT, attributes }).end();
}
await provider.forceFlush();

const spans = made.getFinishedSpans();
const sender = new exporters[process.env.OTEL_EXPORTER_OTLP_PROTOCOL](together ? { concurrencyLimit: 4 } : {});
const send = (batch) => new Promise((resolve) => sender.export(batch, (result) => resolve(result.code === 0)));
let waiting = [];
for (let start = 0; together && start < calls; start += size) waiting.push(spans.slice(start, start + size));
while (waiting.length > 0) {
  const taken = await Promise.all(waiting.map(send));
  waiting = waiting.filter((_, at) => !taken[at]);
  if (waiting.length > 0) console.error(`not acknowledged: ${waiting.length} batches`);
  else console.log(calls);
}
for (let start = 0; !together && start < calls; start += size) {
  const batch = spans.slice(start, start + size);
  let acknowledged = await send(batch);
  while (!acknowledged && !once) {
    console.error(`not acknowledged: ${start} to ${start + batch.length}`);
    acknowledged = await send(batch);
  }
  console.log(acknowledged ? start + batch.length : "given up");
}
await sender.shutdown();
