"""Runs that tests look for, beside the recordings."""

from __future__ import annotations

from typing import Any

from tests.page.site import span

TRACE = "5b8efff798038103d269b633813fc60c"
AGENT_SPAN, CALL_SPAN, TOOL_SPAN, ANSWER_SPAN = ("a" * 15 + digit for digit in "1234")


def weather_trace(
    trace_id: str = TRACE, user: str = "vesna@example.com", begin: int = 1_893_456_000_000
) -> list[dict[str, Any]]:
    """An agent that asks a model, calls a tool and asks again; `begin` in milliseconds, newer than every recording."""
    common = {"user.id": user, "session.id": f"session-of-{user}"}
    model = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.request.temperature": 0.3,
    }
    question = {"role": "user", "parts": [{"type": "text", "content": "Will I need an umbrella in Ljubljana?"}]}
    call = {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "The forecast is what tells."},
            {"type": "tool_call", "id": "call_1", "name": "forecast", "arguments": {"city": "Ljubljana", "days": 2}},
        ],
        "finish_reason": "tool_call",
    }
    result = {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": "call_1", "response": {"rain_mm": 12.5, "wind": "calm"}}],
    }
    answer = {
        "role": "assistant",
        "parts": [{"type": "text", "content": "Yes: **12.5 mm** of rain are expected."}],
        "finish_reason": "stop",
    }
    return [
        span(
            trace_id, CALL_SPAN, "chat gpt-4o-mini",
            {**common, **model, "gen_ai.input.messages": [question], "gen_ai.output.messages": [call],
             "gen_ai.usage.input_tokens": 1200, "gen_ai.usage.output_tokens": 80,
             "gen_ai.usage.cache_read.input_tokens": 1024},
            parent=AGENT_SPAN, start_ms=begin + 10, duration_ms=700,
        ),
        span(
            trace_id, TOOL_SPAN, "execute_tool forecast",
            {**common, "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "forecast",
             "gen_ai.tool.call.id": "call_1", "gen_ai.tool.call.arguments": {"city": "Ljubljana", "days": 2},
             "gen_ai.tool.call.result": {"rain_mm": 12.5, "wind": "calm"}},
            parent=AGENT_SPAN, start_ms=begin + 720, duration_ms=250,
        ),
        span(
            trace_id, ANSWER_SPAN, "chat gpt-4o-mini",
            {**common, **model, "gen_ai.input.messages": [question, call, result], "gen_ai.output.messages": [answer],
             "gen_ai.usage.input_tokens": 1320, "gen_ai.usage.output_tokens": 40},
            parent=AGENT_SPAN, start_ms=begin + 980, duration_ms=500,
        ),
        span(
            trace_id, AGENT_SPAN, "invoke_agent umbrella-advisor",
            {**common, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "umbrella-advisor",
                "gen_ai.input.messages": [question],
                "gen_ai.output.messages": [answer]},
            start_ms=begin, duration_ms=1500,
        ),
    ]  # fmt: skip
