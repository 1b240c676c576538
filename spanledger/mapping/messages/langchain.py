"""LangChain's and LangGraph's objects (conventions §3.14)."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.message import read_message
from spanledger.mapping.messages.reader import Reader
from spanledger.mapping.messages.roles import ASSISTANT, SYSTEM, TOOL, USER, known_role
from spanledger.model.records import Message
from spanledger.model.span import Value

TYPES: Final = {
    "human": USER,
    "ai": ASSISTANT,
    "AIMessageChunk": ASSISTANT,
    "HumanMessageChunk": USER,
    "system": SYSTEM,
    "tool": TOOL,
    "function": TOOL,
    "UserMessage": USER,  # AutoGen
    "AssistantMessage": ASSISTANT,
    "SystemMessage": SYSTEM,
    "FunctionExecutionResultMessage": TOOL,
}
REMOVED: Final = frozenset({"remove", "RemoveMessage"})
"""Orders to LangGraph to forget a message; no part of the conversation."""


def is_constructor(body: dict[str, Value]) -> bool:
    return "lc" in body and isinstance(body.get("kwargs"), dict)


def read_constructor(reader: Reader, body: dict[str, Value], out: list[Message]) -> bool:
    """`{"lc": 1, "type": "constructor", "id": […, "HumanMessage"], "kwargs": {…}}`; False for other classes."""
    path = body.get("id")
    class_name = path[-1] if isinstance(path, list) and path and isinstance(path[-1], str) else ""
    kwargs: dict[str, Value] = body["kwargs"]
    if class_name in REMOVED:
        return True
    role = known_role(class_name)
    if role is None and class_name in ("ChatMessage", "ChatMessageChunk"):
        role = known_role(kwargs.get("role")) or str(kwargs.get("role") or reader.default_role)
    if role is None:
        return False
    read_message(reader, kwargs, role, out)
    return True


def read_typed(reader: Reader, body: dict[str, Value], out: list[Message]) -> bool:
    """`{"type": "ai", "data": {…}}` and `{"type": "human", "content": …}`, AutoGen's message classes alike."""
    kind = body["type"]
    if kind in REMOVED:
        return True
    data = body.get("data")
    if isinstance(data, dict) and "content" in data:
        body = data
    elif "content" not in body:
        return False
    role = TYPES.get(kind)
    if kind in ("chat", "ChatMessage"):
        role = known_role(body.get("role")) or str(body.get("role") or reader.default_role)
    if role is None:
        return False
    read_message(reader, body, role, out)
    return True


def read_printed(reader: Reader, fields: dict[str, Value], out: list[Message]) -> None:
    """`str()` of a message, which leaves the class out: `content='…' additional_kwargs={…} response_metadata={…}`."""
    if fields.get("tool_call_id"):
        role = TOOL
    elif fields.get("tool_calls") or fields.get("usage_metadata") or fields.get("response_metadata"):
        role = ASSISTANT
    else:
        role = USER
    read_message(reader, fields, role, out)
