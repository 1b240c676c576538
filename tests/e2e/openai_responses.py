"""Answers in the wire form of OpenAI's Responses API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.e2e.script import Numbered, Tokens

_CREATED = 1_772_359_200
_PIECE = 8


def whole(reply: Numbered) -> dict[str, Any]:
    """A completed `response`."""
    return _response(reply, "completed", _items(reply), _usage(reply.tokens))


def events(reply: Numbered) -> Iterator[dict[str, Any]]:
    """The events of a stream, numbered, from `response.created` to `response.completed`."""
    for number, event in enumerate(_events(reply)):
        yield {**event, "sequence_number": number}


def _events(reply: Numbered) -> Iterator[dict[str, Any]]:
    begun = _response(reply, "in_progress", [], None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(_items(reply)):
        place = {"item_id": item["id"], "output_index": index}
        opened = {**item, "status": "in_progress"}
        if item["type"] == "message":
            part = item["content"][0]
            within = {**place, "content_index": 0}
            empty = {**part, "text": ""}
            yield {"type": "response.output_item.added", "output_index": index, "item": {**opened, "content": []}}
            yield {"type": "response.content_part.added", **within, "part": empty}
            for piece in _pieces(part["text"]):
                yield {"type": "response.output_text.delta", **within, "delta": piece, "logprobs": []}
            yield {"type": "response.output_text.done", **within, "text": part["text"], "logprobs": []}
            yield {"type": "response.content_part.done", **within, "part": part}
        elif item["type"] == "function_call":
            yield {"type": "response.output_item.added", "output_index": index, "item": {**opened, "arguments": ""}}
            for piece in _pieces(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
            yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}
        else:
            yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": whole(reply)}


def _items(reply: Numbered) -> list[dict[str, Any]]:
    number = reply.id.rpartition("_")[2]
    items: list[dict[str, Any]] = []
    if reply.tokens.reasoning:
        items.append({"type": "reasoning", "id": f"rs_{number}", "summary": []})
    if reply.text:
        text = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        items.append(
            {"type": "message", "id": f"msg_{number}", "status": "completed", "role": "assistant", "content": [text]}
        )
    for call_id, call in reply.calls:
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{call_id}",
                "call_id": call_id,
                "name": call.name,
                "arguments": json.dumps(dict(call.arguments)),
                "status": "completed",
            }
        )
    return items


def _response(reply: Numbered, status: str, output: list[dict[str, Any]], usage: Any) -> dict[str, Any]:
    return {
        "id": reply.id,
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": reply.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage,
        "user": None,
    }


def _usage(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    }


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE):
        yield text[start : start + _PIECE]
