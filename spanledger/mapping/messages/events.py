"""Per-message events: span events, log records and Pydantic AI's attribute lists (conventions §3.5 to §3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from spanledger.mapping.messages.content import json_content, read_content
from spanledger.mapping.messages.jsontext import bytes_text, clean, decode, parse_json, plain, starts_json
from spanledger.mapping.messages.message import finish_of, read_message, role_of
from spanledger.mapping.messages.parts import generic, tool_result
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.mapping.messages.roles import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER
from spanledger.model.records import Message
from spanledger.model.span import Value

Direction: TypeAlias = Literal["input", "output"]

ROLES: Final = {
    "gen_ai.system.message": SYSTEM,
    "gen_ai.developer.message": DEVELOPER,
    "gen_ai.user.message": USER,
    "gen_ai.assistant.message": ASSISTANT,
    "gen_ai.tool.message": TOOL,
    "gen_ai.unknown": USER,  # Logfire, for items that it has no event for
}
CHOICE: Final = "gen_ai.choice"
CONTENT_EVENTS: Final[dict[str, tuple[str, Direction]]] = {
    "gen_ai.content.prompt": ("gen_ai.prompt", "input"),
    "gen_ai.content.completion": ("gen_ai.completion", "output"),
    "LLMChatStartEvent": ("messages", "input"),
}
"""Event name → attribute that holds the messages: semconv 1.26 and 1.27, OpenLIT 1.33, Spring AI; LlamaIndex' own
OpenTelemetry integration (0.7)."""

LLAMA_INDEX_ANSWER: Final = "LLMChatEndEvent"

_BODY_ATTRIBUTES: Final = (
    "content",
    "message",
    "role",
    "id",
    "name",
    "tool_calls",
    "finish_reason",
    "index",
    "tool.result",
    "tool_call_id",
)


def event_body(body: Value, attributes: Mapping[str, Value]) -> dict[str, Value]:
    """The body as an object: a kvlist, JSON text or bytes; `gen_ai.event.content` (Azure AI, Semantic Kernel); else
    the event's own attributes (Strands Agents). Plain text is the content."""
    for candidate in (body, attributes.get("gen_ai.event.content")):
        if isinstance(candidate, bytes):
            candidate = bytes_text(candidate)
        if isinstance(candidate, dict):
            if candidate:
                copy: dict[str, Value] = plain(candidate)
                return copy
        elif isinstance(candidate, str) and candidate:
            if starts_json(candidate):
                found, decoded = decode(candidate)
                if found and isinstance(decoded, dict):
                    return decoded
                if found and isinstance(decoded, list):
                    return {"content": decoded}
            return {"content": clean(candidate)}
        elif isinstance(candidate, list) and candidate:
            return {"content": plain(candidate)}
    fields: dict[str, Value] = {}
    for key in _BODY_ATTRIBUTES:
        value = attributes.get(key)
        if value is not None:
            value = plain(value)
            blocks = json_content(value) if isinstance(value, str) and key != "id" else None
            fields[key] = value if blocks is None else blocks
    return fields


def llama_index_answer(attributes: Mapping[str, Value]) -> dict[str, Value]:
    """The message of LlamaIndex' event, which flattens it into attributes `response.message.*`."""
    choices = parse_json(attributes.get("response.raw.choices"))[1]
    choice = choices[0] if isinstance(choices, list) and choices else None
    return {
        "role": plain(attributes.get("response.message.role")),
        "blocks": parse_json(attributes.get("response.message.blocks"))[1],
        "additional_kwargs": {
            "tool_calls": parse_json(attributes.get("response.message.additional_kwargs.tool_calls"))[1]
        },
        "finish_reason": choice.get("finish_reason") if isinstance(choice, dict) else None,
    }


def read_event(reader: Reader, name: str, body: dict[str, Value], out: list[Message]) -> None:
    """Append the messages of one event whose name is in `ROLES`, `CHOICE` or `LLAMA_INDEX_ANSWER`."""
    if name == CHOICE:
        _read_choice(reader, body, out)
        return
    if name == LLAMA_INDEX_ANSWER:
        read_message(reader, body, role_of(reader, body.get("role"), ASSISTANT), out)
        return
    if name == "gen_ai.unknown":
        reader.emit(out, role_of(reader, body.get("role"), USER), [generic("gen_ai.unknown", body)])
        return
    read_message(reader, body, role_of(reader, body.get("role"), ROLES[name]), out)


def _read_choice(reader: Reader, body: dict[str, Value], out: list[Message]) -> None:
    message = body.get("message")
    finish = finish_of(body)
    if isinstance(message, str) and starts_json(message):
        blocks = json_content(message)
        message = message if blocks is None else blocks
    if body.get("id") and finish is None and not isinstance(message, dict):
        # Strands: on the span of a tool the choice is the tool's result
        read_message(reader, {"content": message, "tool_call_id": body["id"]}, TOOL, out)
        return
    if isinstance(message, dict):
        if body.get("tool_calls") and not message.get("tool_calls"):  # semconv up to 1.29 had them beside the message
            message = {**message, "tool_calls": body["tool_calls"]}
        read_message(reader, message, role_of(reader, message.get("role"), ASSISTANT), out, finish)
    else:
        content = body.get("content") if message is None else message
        fields = {"content": content, "tool_calls": body.get("tool_calls")}
        read_message(reader, fields, ASSISTANT, out, finish)
    results = body.get("tool.result")  # Strands: the event loop's span carries the results of the calls as well
    if results:
        parts: list[Part] = []
        read_content(reader, results, parts)
        reader.emit(out, TOOL, [p if p["type"] == "tool_call_response" else tool_result(None, p) for p in parts])
