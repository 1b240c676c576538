"""An assistant whose spans are written by hand, after the OpenTelemetry semantic conventions for generative AI."""

import json
import os
import sys
from typing import Any

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4.1-mini")
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "order_status",
            "description": "Where an order is.",
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "string"}},
                "required": ["order_id"],
            },
        },
    }
]

provider = TracerProvider(resource=Resource.create({"service.name": "plain-opentelemetry", "service.version": "1.0.0"}))
# Without an argument the exporter reads OTEL_EXPORTER_OTLP_ENDPOINT; unset, it sends to http://localhost:4318.
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("shop.assistant")
openai = OpenAI()


def chat(messages: list[Any]) -> Any:
    """One model call, one `chat` span."""
    with tracer.start_as_current_span(f"chat {MODEL}", kind=SpanKind.CLIENT) as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": MODEL,
                "gen_ai.request.temperature": 0.2,
                "gen_ai.input.messages": json.dumps([in_parts(message) for message in messages]),
                "gen_ai.tool.definitions": json.dumps([{"type": "function", **tool["function"]} for tool in TOOLS]),
            }
        )
        answer = openai.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, temperature=0.2)
        choice, usage = answer.choices[0], answer.usage
        finish_reason = {"tool_calls": "tool_call"}.get(choice.finish_reason, choice.finish_reason)
        message = choice.message.model_dump(exclude_none=True)
        span.set_attributes(
            {
                "gen_ai.response.model": answer.model,
                "gen_ai.response.id": answer.id,
                "gen_ai.response.finish_reasons": [finish_reason],
                "gen_ai.output.messages": json.dumps([{**in_parts(message), "finish_reason": finish_reason}]),
            }
        )
        if usage is not None:
            span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
            if usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens is not None:
                span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.prompt_tokens_details.cached_tokens)
        return message


def in_parts(message: dict[str, Any]) -> dict[str, Any]:
    """A Chat Completions message in the form of `gen_ai.input.messages`."""
    if message["role"] == "tool":
        response = {"type": "tool_call_response", "id": message["tool_call_id"], "response": message["content"]}
        return {"role": "tool", "parts": [response]}
    parts: list[dict[str, Any]] = [{"type": "text", "content": message["content"]}] if message.get("content") else []
    for call in message.get("tool_calls", []):
        arguments = json.loads(call["function"]["arguments"])
        parts.append({"type": "tool_call", "id": call["id"], "name": call["function"]["name"], "arguments": arguments})
    return {"role": message["role"], "parts": parts}


def order_status(order_id: str) -> dict[str, str]:
    """Where an order is."""
    return {"order_id": order_id, "status": "shipped", "carrier": "Blue Van", "arrives": "Tuesday"}


def run_tool(call: dict[str, Any]) -> dict[str, Any]:
    """One tool call, one `execute_tool` span."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    with tracer.start_as_current_span(f"execute_tool {name}") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": call["id"],
                "gen_ai.tool.call.arguments": arguments,
            }
        )
        result = json.dumps(order_status(**json.loads(arguments)))
        span.set_attribute("gen_ai.tool.call.result", result)
        return {"role": "tool", "tool_call_id": call["id"], "content": result}


def answer(question: str, user: str, session: str) -> str:
    """One turn of the agent, one `invoke_agent` span."""
    messages: list[Any] = [
        {"role": "system", "content": "You answer questions about orders. Be brief."},
        {"role": "user", "content": question},
    ]
    with tracer.start_as_current_span("invoke_agent order-desk") as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": "order-desk",
                "user.id": user,
                "gen_ai.conversation.id": session,
            }
        )
        while True:
            reply = chat(messages)
            messages.append(reply)
            if not reply.get("tool_calls"):
                return str(reply["content"])
            messages.extend(run_tool(call) for call in reply["tool_calls"])


if __name__ == "__main__":
    question = sys.argv[1] if len(sys.argv) > 1 else "Where is order A-1001?"
    try:
        print(answer(question, user="user-17", session="session-plain"))
    finally:
        provider.shutdown()
