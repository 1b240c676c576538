"""A Pydantic AI agent with a tool, traced by Pydantic AI's own instrumentation."""

import asyncio
import os
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent

provider = TracerProvider(resource=Resource.create({"service.name": "pydantic-ai"}))
# Without an argument the exporter reads OTEL_EXPORTER_OTLP_ENDPOINT; unset, it sends to http://localhost:4318.
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
Agent.instrument_all()

agent = Agent(
    os.environ.get("PYDANTIC_AI_MODEL", "openai:gpt-5-mini"),
    name="order-desk",
    instructions="You answer questions about orders. Be brief.",
)


@agent.tool_plain
def order_status(order_id: str) -> dict[str, str]:
    """Where an order is."""
    return {"order_id": order_id, "status": "shipped", "carrier": "Blue Van", "arrives": "Tuesday"}


async def answer(question: str, user: str, session: str) -> str:
    # Pydantic AI knows conversations but no users: the user stands on the span around the agent's run, and every run
    # below it belongs to that user.
    with trace.get_tracer("shop.assistant").start_as_current_span("question", attributes={"user.id": user}):
        result = await agent.run(question, conversation_id=session)
    return result.output


if __name__ == "__main__":
    question = sys.argv[1] if len(sys.argv) > 1 else "Where is order A-1001?"
    try:
        print(asyncio.run(answer(question, user="user-17", session="session-pydantic")))
    finally:
        provider.shutdown()
