// A streaming agent with a tool on the Vercel AI SDK, traced by the SDK's own telemetry.
import { openai } from "@ai-sdk/openai";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

process.env.OTEL_EXPORTER_OTLP_ENDPOINT ??= "http://127.0.0.1:4318";
const telemetry = new NodeSDK({
  resource: resourceFromAttributes({ "service.name": "vercel-ai-sdk" }),
});
telemetry.start();

const orderStatus = tool({
  description: "Where an order is.",
  inputSchema: z.object({ orderId: z.string() }),
  execute: async ({ orderId }) => ({ orderId, status: "shipped", carrier: "Blue Van", arrives: "Tuesday" }),
});

async function answer(question, { userId, sessionId }) {
  const result = streamText({
    model: openai(process.env.OPENAI_MODEL ?? "gpt-5-mini"),
    system: "You answer questions about orders. Be brief.",
    prompt: question,
    tools: { orderStatus },
    stopWhen: stepCountIs(5),
    experimental_telemetry: {
      isEnabled: true,
      functionId: "order-desk",
      metadata: { userId, sessionId, tags: ["example"] },
    },
  });
  for await (const text of result.textStream) process.stdout.write(text);
  process.stdout.write("\n");
}

try {
  await answer(process.argv[2] ?? "Where is order A-1001?", { userId: "user-17", sessionId: "session-vercel" });
} finally {
  await telemetry.shutdown();
}
