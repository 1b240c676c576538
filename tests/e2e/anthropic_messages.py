"""Answers in the wire form of Anthropic's Messages API."""

from __future__ import annotations

from typing import Any

from tests.e2e.script import Numbered, Tokens


def whole(reply: Numbered) -> dict[str, Any]:
    """A `message`."""
    content: list[dict[str, Any]] = [{"type": "text", "text": reply.text}] if reply.text else []
    for call_id, call in reply.calls:
        content.append({"type": "tool_use", "id": call_id, "name": call.name, "input": dict(call.arguments)})
    return {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": "tool_use" if reply.calls else "end_turn",
        "stop_sequence": None,
        "usage": _usage(reply.tokens),
    }


def _usage(tokens: Tokens) -> dict[str, Any]:
    """Anthropic leaves cache reads and writes out of `input_tokens`."""
    return {
        "input_tokens": tokens.input - tokens.cached - tokens.written,
        "cache_creation_input_tokens": tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": tokens.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": tokens.output,
        "service_tier": "standard",
    }
