"""Answers in the wire form of OpenAI's Chat Completions API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.e2e.script import Numbered, Tokens

_CREATED = 1_772_359_200
_PIECE = 8


def whole(reply: Numbered) -> dict[str, Any]:
    """A `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call_id, call in reply.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    return {**_head(reply, "chat.completion"), "choices": [choice], "usage": _usage(reply.tokens)}


def chunks(reply: Numbered, *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """The `chat.completion.chunk`s of a stream: text and arguments in pieces, usage in a last one without choices."""
    head = _head(reply, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**head, "choices": [choice], **({"usage": None} if with_usage else {})}

    yield chunk({"role": "assistant", "content": "" if reply.text else None})
    for piece in _pieces(reply.text):
        yield chunk({"content": piece})
    for index, (call_id, call) in enumerate(reply.calls):
        function = {"name": call.name, "arguments": ""}
        yield chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
        for piece in _pieces(_arguments(call.arguments)):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, _finish_reason(reply))
    if with_usage:
        yield {**head, "choices": [], "usage": _usage(reply.tokens)}


def _head(reply: Numbered, kind: str) -> dict[str, Any]:
    return {
        "id": reply.id,
        "object": kind,
        "created": _CREATED,
        "model": reply.model,
        "service_tier": "default",
        "system_fingerprint": "fp_e2e",
    }


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _finish_reason(reply: Numbered) -> str:
    return "tool_calls" if reply.calls else "stop"


def _arguments(arguments: Any) -> str:
    return json.dumps(dict(arguments))


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
