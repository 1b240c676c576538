"""One element of a list of messages: which shape is it (conventions §3.2), and its messages."""

from __future__ import annotations

import re
from typing import Final

from spanledger.mapping.messages import events, langchain, openai, vercel
from spanledger.mapping.messages.content import is_part
from spanledger.mapping.messages.jsontext import clean
from spanledger.mapping.messages.message import finish_of, read_message, read_role_message, read_simple, role_of
from spanledger.mapping.messages.openai import read_calls
from spanledger.mapping.messages.pyrepr import CLASS, parse_repr
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.mapping.messages.roles import ASSISTANT, TOOL, USER, known_role
from spanledger.model.records import Message
from spanledger.model.span import Value

_PRINTED_CLASS: Final = re.compile(r"(?:ChatMessage|\w{0,32}Message(?:Chunk)?)\(")
_PRINTED_FIELDS: Final = re.compile(r"content=['\"\[]")
_INNER: Final = ("message", "delta", "content")
"""Keys of an object that holds the message: choices, streamed choices, Gemini's candidates."""
_MESSAGE_CLASSES: Final = ("ChatMessage", "Message")
_GENERATION: Final = frozenset(
    {"generation_info", "generationInfo", "generation_id", "finish_reason", "finishReason", "stop_reason", "logprobs"}
)
"""Fields beside `text` that tell a completion (OpenAI's old API, Cohere v1, LangChain, Logfire) from other objects."""

_MESSAGE_FIELDS: Final = frozenset({"content", "type", "id", "name", "index", "metadata", "created_at"})


def read_element(reader: Reader, element: Value, out: list[Message]) -> bool:
    """Append the messages of one element; False for what is no message (nothing is appended then)."""
    if isinstance(element, dict):
        return read_simple(reader, element, out) or _read_object(reader, element, out)
    if isinstance(element, str):
        return _read_printed(reader, element, out)
    if isinstance(element, list) and len(element) == 2 and all(isinstance(item, str) for item in element):
        role = known_role(element[0])  # LangChain's ("human", "hi")
        if role is not None:
            read_message(reader, {"content": element[1]}, role, out)
            return True
    return False


def _read_object(reader: Reader, body: dict[str, Value], out: list[Message]) -> bool:
    kind = body.get("type")
    if "event.name" in body:
        name = body["event.name"]
        if name == events.CHOICE or (isinstance(name, str) and name in events.ROLES):
            events.read_event(reader, name, body, out)
            return True
    if "role" in body or "_role" in body:
        if kind == "message" and _fold(reader, body, out):
            return True
        if CLASS in body and body[CLASS] not in _MESSAGE_CLASSES:
            return False
        return _read_with_role(reader, body, out)
    if isinstance(body.get("parts"), list):
        read_message(reader, body, reader.default_role, out, finish_of(body))
        return True
    if langchain.is_constructor(body):
        return langchain.read_constructor(reader, body, out)
    if isinstance(kind, str) and _read_typed(reader, kind, body, out):
        return True
    if CLASS in body:
        role = known_role(body[CLASS])
        if role is not None:
            read_message(reader, body, role, out)
        return role is not None
    for key in _INNER:
        inner = body.get(key)
        if isinstance(inner, dict) and (key != "content" or "parts" in inner or "role" in inner):
            return _read_choice(reader, body, inner, out)
    if "message.role" in body or "message.content" in body:  # OpenInference, flattened into JSON
        flat = {key.removeprefix("message."): value for key, value in body.items()}
        return _read_with_role(reader, {**flat, "role": flat.get("role", "")}, out)
    return _read_without_role(reader, body, out)


def _read_with_role(reader: Reader, body: dict[str, Value], out: list[Message]) -> bool:
    role = body.get("role", body.get("_role"))
    if role is not None and not isinstance(role, str):
        return False
    if known_role(role) is None and not _looks_like_message(body):
        return False  # CrewAI: {"role": "Geographer", "goal": …} is an agent
    read_role_message(reader, body, out)
    return True


def _looks_like_message(body: dict[str, Value]) -> bool:
    return any(key in body for key in ("content", "parts", "_content", "tool_calls", "toolCalls", "message", "blocks"))


def _read_typed(reader: Reader, kind: str, body: dict[str, Value], out: list[Message]) -> bool:
    if kind in openai.ITEMS:
        if kind == "reasoning" and not ("summary" in body or "encrypted_content" in body):
            return False
        parts: list[Part] = []
        openai.ITEMS[kind](reader, body, parts)
        _append_item(reader, parts, out)
        return True
    if kind in openai.RESULT_ITEMS:
        results: list[Part] = []
        openai.RESULT_ITEMS[kind](reader, body, results)
        reader.emit(out, TOOL, results)
        return True
    if kind in openai.OTHER_ITEMS:
        _append_item(reader, [openai.other_item(body)], out)
        return True
    if kind == "message" and "content" in body:
        if not _fold(reader, body, out):
            read_message(reader, body, ASSISTANT, out)
        return True
    if kind in langchain.TYPES or kind in langchain.REMOVED or kind in ("chat", "ChatMessage"):
        return langchain.read_typed(reader, body, out)
    return False


def _append_item(reader: Reader, parts: list[Part], out: list[Message]) -> None:
    """Items of one response that follow each other are one message of the assistant."""
    open_message = reader.foldable
    if open_message is not None and out and out[-1] is open_message and _foldable(parts):
        open_message["parts"].extend(parts)
        for part in parts:
            if part["type"] == "tool_call":
                reader.note_call(part)
        return
    if not parts:
        return
    reader.emit(out, ASSISTANT, parts)
    if out and out[-1]["role"] == ASSISTANT:
        reader.foldable = out[-1]


def _foldable(parts: list[Part]) -> bool:
    return all(part["type"] != "tool_call_response" for part in parts)


def _fold(reader: Reader, body: dict[str, Value], out: list[Message]) -> bool:
    """A `message` item after reasoning or calls of the same response."""
    open_message = reader.foldable
    if open_message is None or not out or out[-1] is not open_message:
        return False
    if role_of(reader, body.get("role"), ASSISTANT) != ASSISTANT:
        return False
    fresh: list[Message] = []
    read_message(reader, body, ASSISTANT, fresh)
    if len(fresh) != 1:
        out.extend(fresh)
        return True
    open_message["parts"].extend(fresh[0]["parts"])
    reader.foldable = open_message
    return True


def _read_choice(reader: Reader, body: dict[str, Value], inner: dict[str, Value], out: list[Message]) -> bool:
    """`{"index": 0, "message": {…}, "finish_reason": "stop"}` and everything like it."""
    finish = finish_of(body)
    if "parts" not in inner and not ("role" in inner and isinstance(inner["role"], str)):
        nested = any(isinstance(inner.get(key), dict) for key in _INNER)
        if not nested and (langchain.is_constructor(inner) or "type" in inner or CLASS in inner):
            before = len(out)
            if not _read_object(reader, inner, out):
                return False
            if finish is not None and reader.output and len(out) > before and out[-1]["role"] == ASSISTANT:
                out[-1].setdefault("finish_reason", finish)
            return True
        if not inner:
            return False
        read_message(reader, inner, reader.default_role, out, finish)
        return True
    role = role_of(reader, inner.get("role"), reader.default_role)
    read_message(reader, inner, role, out, finish if finish is not None else finish_of(inner))
    return True


def _read_without_role(reader: Reader, body: dict[str, Value], out: list[Message]) -> bool:
    if "toolCalls" in body or ("text" in body and ("files" in body or "reasoningText" in body)):
        calls = body.get("toolCalls")
        if calls is None or isinstance(calls, (list, str)):
            parts = vercel.read_result(reader, body)
            reader.emit(out, ASSISTANT, parts, None, finish_of(body))
            return True
    if isinstance(body.get("tool_calls"), list) and body["tool_calls"] and "response" not in body:
        read_message(reader, body, ASSISTANT, out)
        return True
    if "toolCallId" in body and "toolName" in body and "type" not in body:
        _append_item(reader, read_calls(body), out)
        return True
    if isinstance(body.get("text"), str) and not _GENERATION.isdisjoint(body):
        read_message(reader, body, ASSISTANT, out)
        return True
    content = body.get("content")
    if (
        "content" in body
        and not is_part(body)
        and (isinstance(content, str) or _is_content(content))
        and _MESSAGE_FIELDS.issuperset(body)
    ):
        read_message(reader, body, reader.default_role, out)
        return True
    return False


def _is_content(content: Value) -> bool:
    return isinstance(content, list) and bool(content) and all(is_part(item) for item in content)


def _read_printed(reader: Reader, text: str, out: list[Message]) -> bool:
    """Message objects as Python prints them."""
    if not (_PRINTED_CLASS.match(text) or (_PRINTED_FIELDS.match(text) and " response_metadata=" in text)):
        return False
    found, value = parse_repr(clean(text))
    if not found or not isinstance(value, dict):
        return False
    if CLASS in value:
        return _read_object(reader, value, out)
    langchain.read_printed(reader, value, out)
    return True


def text_message(reader: Reader, text: str, out: list[Message], role: str | None = None) -> None:
    """Append plain text as a message."""
    read_message(reader, {"content": text}, role or reader.default_role, out)


def default_role_of_parts(reader: Reader, parts: list[Part]) -> str:
    """A bare list of parts that calls tools comes from the model."""
    if any(part["type"] == "tool_call" for part in parts):
        return ASSISTANT
    return reader.default_role if reader.output else USER
