"""The OpenAI client, streaming, with a tool; traced by OpenLIT."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import openlit
from openai import OpenAI
from opentelemetry import trace

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
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

openlit.init(
    otlp_endpoint=os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
    service_name="openlit-openai",
    environment="demo",
    # OpenLIT downloads a price list when it starts. spanledger knows the prices, so an empty list will do.
    pricing_json=str(Path(__file__).with_name("pricing.json")),
)
openai = OpenAI()


def order_status(order_id: str) -> dict[str, str]:
    """Where an order is."""
    return {"order_id": order_id, "status": "shipped", "carrier": "Blue Van", "arrives": "Tuesday"}


def run_tool(call: dict[str, Any]) -> dict[str, Any]:
    """OpenLIT sees the model ask for a tool; that the tool ran, and what it answered, says a span of our own."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    with trace.get_tracer("shop.assistant").start_as_current_span(f"execute_tool {name}") as span:
        result = json.dumps(order_status(**json.loads(arguments)))
        span.set_attributes(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.call.id": call["id"],
                "gen_ai.tool.call.arguments": arguments,
                "gen_ai.tool.call.result": result,
            }
        )
    return {"role": "tool", "tool_call_id": call["id"], "content": result}


def stream(messages: list[Any]) -> dict[str, Any]:
    """One model call; prints the answer while it arrives and returns it whole."""
    text, calls = "", []
    # Without include_usage a stream says no token counts, and nobody can tell what it cost.
    chunks = openai.chat.completions.create(
        model=MODEL, messages=messages, tools=TOOLS, stream=True, stream_options={"include_usage": True}
    )
    for chunk in chunks:
        if not chunk.choices:
            continue
        delta = chunk.choices[0].delta
        if delta.content:
            text += delta.content
            print(delta.content, end="", flush=True)
        for part in delta.tool_calls or []:
            if part.id:
                calls.append({"id": part.id, "type": "function", "function": {"name": "", "arguments": ""}})
            if part.function:
                calls[-1]["function"]["name"] += part.function.name or ""
                calls[-1]["function"]["arguments"] += part.function.arguments or ""
    return {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}


def answer(question: str, user: str, session: str) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "You answer questions about orders. Be brief."},
        {"role": "user", "content": question},
    ]
    with openlit.using_attributes({"user.id": user, "session.id": session}), openlit.start_trace("order-desk"):
        while True:
            reply = stream(messages)
            messages.append(reply)
            if "tool_calls" not in reply:
                print()
                return
            messages.extend(run_tool(call) for call in reply["tool_calls"])


if __name__ == "__main__":
    question = sys.argv[1] if len(sys.argv) > 1 else "Where is order A-1001?"
    answer(question, user="user-17", session="session-openlit")
