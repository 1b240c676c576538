"""Short texts for lists: what was asked last, and how the answer begins."""

from __future__ import annotations

from typing import Any, Final

from spanledger.exporters.text import encode_json
from spanledger.model.records import Run

PREVIEW_LENGTH: Final = 200
"""Characters. Enough for two lines of a table; Langfuse v4 keeps the same in its core table."""


def short(text: str, length: int = PREVIEW_LENGTH) -> str:
    """One line of at most `length` characters; an ellipsis says that something is missing."""
    # Only the beginning is looked at: a 5 MB prompt must not be split into words for 200 characters.
    if len(text) > 2 * length:
        head = text[:length]
        if head.isprintable() and "  " not in head and head[0] != " ":
            return head[:-1] + "…"
    head = text[: 2 * length]
    if not head.isprintable() or "  " in head:
        head = " ".join(head.split())
    if len(head) <= length and len(text) <= 2 * length:
        return head
    return head[: length - 1] + "…"


def input_preview(run: Run) -> str:
    """The last user message of a model call; the arguments, query or first text of other runs."""
    if _is_messages(run.input):
        asked = [message for message in run.input if message.get("role") == "user"] or run.input
        return _message(asked[-1])
    return _value(run.input)


def output_preview(run: Run) -> str:
    """The first answer of a model call; the result or first document of other runs."""
    if _is_messages(run.output):
        return next((text for message in run.output if (text := _message(message))), "")
    return _value(run.output)


def _is_messages(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    for item in value:
        if not isinstance(item, dict) or "parts" not in item:
            return False
    return bool(value)


def _message(message: dict[str, Any]) -> str:
    parts = [part for part in message.get("parts") or () if isinstance(part, dict)]
    said = [content for part in parts if part.get("type") == "text" and isinstance(content := part.get("content"), str)]
    if any(said):
        return short(" ".join(said) if len(said) > 1 else said[0])
    return short(" ".join(filter(None, map(_part, parts))))


def _part(part: dict[str, Any]) -> str:
    match part.get("type"):
        case "tool_call":
            return f"{part.get('name') or 'tool'}({_value(part.get('arguments'))})"
        case "tool_call_response":
            return _value(part.get("response"))
        case "reasoning" | "refusal":
            return _value(part.get("content"))
        case "blob" | "uri" | "file":
            return f"[{part.get('modality') or part.get('type')}]"
        case _:
            return ""


def _value(value: Any) -> str:
    if isinstance(value, list) and value:
        first = value[0]
        if isinstance(first, dict) and isinstance(first.get("content"), str):  # documents of a retriever
            return short(first["content"])
        if isinstance(first, str):
            return short(first)
    if isinstance(value, str):
        return short(value)
    if value is None or value in ({}, []):
        return ""
    return short(encode_json(value)[0].decode())
