"""Messages and other contents of a run as rich renderables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from spanledger.exporters.text import printable

Json = dict[str, Any]

_ROLES: Final = {"system": "magenta", "developer": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow"}
_INDENT: Final = 2


def text(value: object, style: str = "") -> Text:
    """Text of a run: never markup, never a terminal's orders."""
    return Text(printable(str(value)), style=style)


def pretty(value: Any) -> str:
    """A value as people read it: text as it is, everything else as indented JSON."""
    if isinstance(value, str):
        return value
    flat = json.dumps(value, ensure_ascii=False)
    return flat if len(flat) <= 80 else json.dumps(value, ensure_ascii=False, indent=2)


def is_messages(value: Any) -> bool:
    """Whether a value is a list of messages."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "role" in item for item in value)


def contents(title: str, value: Any) -> Iterator[RenderableType]:
    """Input or output of a run: a conversation, or the value under a title."""
    if value is None:
        return
    if is_messages(value):
        for message in value:
            yield from _message(message)
        return
    yield text(title, "bold")
    yield _indented(text(pretty(value)))


def _message(message: Json) -> Iterator[RenderableType]:
    role = str(message.get("role"))
    head = text(role, f"bold {_ROLES.get(role, 'white')}")
    if name := message.get("name"):
        head.append_text(text(f" {name}", "dim"))
    if reason := message.get("finish_reason"):
        head.append_text(text(f"  {reason}", "dim"))
    yield head
    parts = message.get("parts")
    for part in parts if isinstance(parts, list) else []:
        yield _indented(_part(part if isinstance(part, dict) else {"type": "generic", "value": part}))


def _part(part: Json) -> Text:
    match part.get("type"):
        case "text":
            return text(pretty(part.get("content")))
        case "reasoning":
            return text(pretty(part.get("content")), "dim italic")
        case "refusal":
            return text(f"refused: {pretty(part.get('content'))}", "red")
        case "tool_call":
            call = text("→ ", "yellow").append_text(text(part.get("name"), "bold yellow"))
            call.append_text(text(f" {pretty(part.get('arguments'))}"))
            return call.append_text(_id(part))
        case "tool_call_response":
            failed = bool(part.get("is_error"))
            response = text("✗ " if failed else "← ", "red" if failed else "yellow")
            if name := part.get("name"):
                response.append_text(text(f"{name} ", "bold yellow"))
            return response.append_text(text(pretty(part.get("response")))).append_text(_id(part))
        case "blob" | "uri" | "file":
            return text(_attachment(part), "blue")
        case _:
            return text(pretty(part.get("value", part)), "dim")


def _id(part: Json) -> Text:
    return text(f"  {part['id']}", "dim") if part.get("id") else Text()


def _attachment(part: Json) -> str:
    facts: Iterable[Any] = [
        part.get("modality") or "file",
        part.get("mime_type"),
        part.get("uri") or part.get("file_id"),
        f"{part['size']:,} bytes" if isinstance(part.get("size"), int) else None,
    ]
    return f"[{'  '.join(str(fact) for fact in facts if fact)}]"


def _indented(renderable: RenderableType) -> Padding:
    return Padding(renderable, (0, 0, 0, _INDENT))
