"""From a whole value to its messages: texts, lists, wrappers, bodies of requests and responses (conventions §3.1)."""

from __future__ import annotations

import re
from typing import Final

from spanledger.mapping.messages import langchain
from spanledger.mapping.messages.chunks import join_chunks, join_deltas
from spanledger.mapping.messages.content import is_part, read_content
from spanledger.mapping.messages.elements import default_role_of_parts, read_element, text_message
from spanledger.mapping.messages.jsontext import clean, decode, dump, plain, repair_json, starts_json
from spanledger.mapping.messages.media import media
from spanledger.mapping.messages.message import finish_of, read_said
from spanledger.mapping.messages.parts import generic
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.mapping.messages.reader import MAX_MESSAGES, MAX_NESTING, Part, Reader
from spanledger.mapping.messages.roles import ASSISTANT, SYSTEM, finish_reason
from spanledger.model.records import Message
from spanledger.model.span import Value

SYSTEM_KEYS: Final = (
    "system",
    "system_instruction",
    "systemInstruction",
    "instructions",
    "system_prompt",
    "systemPrompt",
    "preamble",
)
INPUT_KEYS: Final = (
    "messages",
    "chat_history",
    "history",
    "contents",
    "input",
    "inputs",
    "prompt",
    "prompts",
    "items",
    "new_message",
    "inputText",
    "user_msg",
    "message",
    "data",
    "kwargs",
    "args",
    "update",
)
OUTPUT_KEYS: Final = (
    "choices",
    "candidates",
    "generations",
    "generation",
    "output",
    "outputs",
    "response",
    "message",
    "messages",
    "replies",
    "tool_messages",
    "results",
    "completion",
    "completions",
    "outputText",
    "combined_chunk_content",
    "images",
    "update",
    "args",
    "result",
)
"""Wrapper keys, in the order in which they are tried."""

_TEXT_KEYS: Final = frozenset(
    {
        "answer",
        "combined_chunk_content",
        "completion",
        "content",
        "contents",
        "generation",
        "input",
        "inputText",
        "inputs",
        "message",
        "output",
        "outputText",
        "outputs",
        "prompt",
        "query",
        "question",
        "response",
        "result",
        "text",
        "user_msg",
    }
)
"""Keys whose plain text is what was said."""

_METADATA: Final = frozenset(
    {"id", "model", "object", "created", "usage", "service_tier", "system_fingerprint", "stream", "provider", "type"}
)
_ABSENT: Final = frozenset(
    {"", "None", "null", "{}", "[]", "[[]]", '""', "N/A", "NOT_FOUND", "<not specified>", "undefined"}
)
_OPAQUE: Final = re.compile(r"<[\w.]+ object (?:[\w.<>]+ )?at 0x[0-9a-fA-F]+>")
"""Python's default repr of an object: what an SDK writes that did not look into a stream (OpenInference for Groq)."""
_TEXT_LINES: Final = re.compile(r"^(user|assistant|system|tool): ?", re.MULTILINE)


def plain_input(value: Value) -> Value:
    """The value with which reading starts: structured attributes are copied, so that nothing is shared with them."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    return plain(value) if isinstance(value, (dict, list, tuple)) else value


def read_any(reader: Reader, value: Value, out: list[Message]) -> None:
    """Append the messages of an attribute of any type. What is no message becomes text, unless `reader.strict`."""
    value = plain_input(value)
    if value is None or isinstance(value, str):
        read_text(reader, value or "", out)
        return
    if isinstance(value, (dict, list)) and (not value or read_value(reader, value, out) or only_metadata(value)):
        return
    _say(reader, dump(value), out)


def open_nested(reader: Reader, out: list[Message]) -> None:
    """Replace messages whose only text is a JSON list of messages by these.

    Traceloop for JS writes the whole `input` of the Responses API as the text of one user message.
    """
    opened: list[Message] = []
    for message in out:
        parts = message["parts"]
        text = parts[0].get("content") if len(parts) == 1 and parts[0]["type"] == "text" else None
        inner: list[Message] = []
        if isinstance(text, str) and text[:2] == "[{":
            found, value = decode(text, 1)
            nested = Reader(
                reader.warnings, reader.key, output=reader.output, strict=True, blob_limit=reader.blob_limit
            )
            if found and not read_value(nested, value, inner):
                inner = []
        opened += inner or [message]
    out[:] = opened


def read_text(reader: Reader, text: str, out: list[Message]) -> None:
    """Append the messages of an attribute's text: JSON, cut JSON, a Python repr, OpenLIT's lines, or plain text."""
    if text in _ABSENT or not text.strip() or (text[:1] == "<" and _OPAQUE.fullmatch(text)):
        return
    if starts_json(text):
        found, value = decode(text)
        if isinstance(value, str):
            text = value
        elif found:
            if read_value(reader, value, out) or only_metadata(value):
                return
        elif _read_damaged(reader, text, out):
            return
    elif read_element(reader, text, out):
        return
    if reader.strict or reader.output or not _read_lines(reader, text, out):
        _say(reader, text, out)


def read_value(reader: Reader, value: Value, out: list[Message], depth: int = 0) -> bool:
    """Append the messages of a decoded value; False (and nothing appended) when there are none."""
    if depth > MAX_NESTING:
        return False
    if isinstance(value, list):
        return _read_list(reader, value, out, depth)
    if isinstance(value, dict):
        return _read_object(reader, value, out, depth)
    return isinstance(value, str) and _read_wrapped_text(reader, value, out, depth)


def _read_wrapped_text(reader: Reader, text: str, out: list[Message], depth: int) -> bool:
    """Text inside a wrapper: JSON once more, or a message as Python prints it. Plain text says nothing here."""
    if text[:1] in ("[", "{"):
        found, value = decode(text)
        return found and isinstance(value, (dict, list)) and read_value(reader, value, out, depth + 1)
    return read_element(reader, text, out)


def _say(reader: Reader, text: str, out: list[Message]) -> None:
    if not reader.strict:
        text_message(reader, clean(text), out)


def _read_damaged(reader: Reader, text: str, out: list[Message]) -> bool:
    single, double = text.find("'"), text.find('"')
    printed = double < 0 or 0 <= single < double  # JSON has no single quote before the first double one
    repaired = None if printed else repair_json(text)
    if repaired is None:
        found, value = parse_repr(text)
        return found and isinstance(value, (dict, list)) and read_value(reader, value, out)
    value, cut = repaired
    if not read_value(reader, value, out):
        return False
    if cut:
        reader.warn("truncated_json")
    return True


def _read_lines(reader: Reader, text: str, out: list[Message]) -> bool:
    """OpenLIT 1.33: `user: hi\\nassistant: hello`; lines without a role belong to the message before."""
    marks = list(_TEXT_LINES.finditer(text)) if _TEXT_LINES.match(text) else []
    for index, mark in enumerate(marks):
        end = marks[index + 1].start() - 1 if index + 1 < len(marks) else len(text)
        said = text[mark.end() : max(end, mark.end())]
        text_message(reader, "" if said == "None" else clean(said), out, mark[1])
    return bool(marks)


def _read_list(reader: Reader, items: list[Value], out: list[Message], depth: int) -> bool:
    if not items:
        return False
    if read_said(reader, items, out):
        return True
    whole = join_deltas(items)
    if whole is not None:
        return read_response(reader, whole, out, depth)
    if is_part(items[0]) and _read_as_content(reader, items, out):
        return True
    start = len(out)
    known = bodies = 0
    for item in items:
        if len(out) >= MAX_MESSAGES:
            reader.warn("too_many_messages")
            break
        if item is None:
            continue
        if read_element(reader, item, out):
            known += 1
        elif isinstance(item, (dict, list)) and read_value(reader, item, out, depth + 1):
            known += 1
            bodies += isinstance(item, dict)
        elif isinstance(item, str):
            text_message(reader, clean(item), out)
        else:
            reader.emit(out, reader.default_role, [generic("object", item)])
    if known:
        if reader.output and bodies > 1 and bodies == known:  # Gemini CLI records one response body per chunk
            out[start:] = join_chunks(out[start:])
        return True
    del out[start:]
    if reader.strict or not all(isinstance(item, str) for item in items):
        return False
    parts: list[Part] = []
    read_content(reader, items, parts)
    reader.emit(out, reader.default_role, parts)
    return True


def _read_as_content(reader: Reader, items: list[Value], out: list[Message]) -> bool:
    """A list of parts without a message around them."""
    if not all(item is None or isinstance(item, str) or is_part(item) for item in items):
        return False
    if read_element(Reader([], reader.key), items[0], []):  # items of the Responses API are both
        return False
    parts: list[Part] = []
    read_content(reader, items, parts)
    if parts:
        reader.emit(out, default_role_of_parts(reader, parts), parts)
    return bool(parts)


def _read_object(reader: Reader, body: dict[str, Value], out: list[Message], depth: int) -> bool:
    if langchain.is_constructor(body):  # a message, or a value that holds some: ChatPromptValue
        return read_element(reader, body, out) or _read_wrapped(reader, body["kwargs"], out, depth, INPUT_KEYS)
    if "choices" in body or "candidates" in body:
        return read_response(reader, body, out, depth)
    if read_element(reader, body, out):
        return True
    if is_part(body) and _read_as_content(reader, [body], out):
        return True
    if reader.output:
        return read_response(reader, body, out, depth) or read_request(reader, body, out, depth)
    return read_request(reader, body, out, depth) or read_response(reader, body, out, depth)


def read_request(reader: Reader, body: dict[str, Value], out: list[Message], depth: int = 0) -> bool:
    """A provider's request: system instructions first, then the conversation."""
    start = len(out)
    config = body.get("config")
    for source in (body, config):
        if isinstance(source, dict):
            for key in SYSTEM_KEYS:
                if source.get(key) and not (key == "instructions" and "output" in body):
                    read_instructions(reader, source[key], out)
    strict = reader.strict
    reader.strict = strict and len(out) == start  # beside a system prompt, plain text is certainly the user's
    found = _read_wrapped(reader, body, out, depth, INPUT_KEYS)
    reader.strict = strict
    if "chat_history" in body and isinstance(body.get("message"), str):  # Cohere v1: the new message stands apart
        text_message(reader, clean(body["message"]), out)
    return found or len(out) > start


def read_response(reader: Reader, body: dict[str, Value], out: list[Message], depth: int = 0) -> bool:
    """A provider's response: choices, candidates, output items, generations, or one message."""
    start = len(out)
    if isinstance(body.get("images"), list) and _read_images(reader, body["images"], out):
        return True
    if not _read_wrapped(reader, body, out, depth, OUTPUT_KEYS):
        return False
    if len(out) == start + 1 and out[start]["role"] == ASSISTANT:
        message = out[start]
        reasoning = body.get("reasoning")
        if isinstance(reasoning, str) and reasoning and "completion" in body:  # OpenRouter
            message["parts"].insert(0, {"type": "reasoning", "content": reasoning})
        incomplete = body.get("incomplete_details")
        finish = finish_reason(incomplete.get("reason")) if isinstance(incomplete, dict) else finish_of(body)
        if finish is not None and reader.output:
            message.setdefault("finish_reason", finish)
    return True


def _read_images(reader: Reader, images: list[Value], out: list[Message]) -> bool:
    """OpenAI's image API, as Logfire keeps it."""
    parts: list[Part] = [
        media(reader, image.get("url") or image["b64_json"], mime_type="image/png", modality="image")
        for image in images
        if isinstance(image, dict) and (image.get("url") or image.get("b64_json"))
    ]
    if parts:
        reader.emit(out, ASSISTANT, parts)
    return bool(parts)


def read_instructions(reader: Reader, value: Value, out: list[Message]) -> bool:
    """System instructions: text, a list of texts, parts or messages, or a content object; one system message."""
    if isinstance(value, dict) and ("role" in value or "parts" in value):
        value = value.get("parts", value.get("content"))
    parts: list[Part] = []
    items = value if isinstance(value, list) else [value]
    for item in items:
        inner: list[Message] = []
        if isinstance(item, dict) and not is_part(item) and read_element(reader, item, inner):
            parts += [part for message in inner for part in message["parts"]]
        else:
            read_content(reader, item, parts)
    if parts:
        reader.emit(out, SYSTEM, parts)
    return bool(parts)


def _read_wrapped(
    reader: Reader, body: dict[str, Value], out: list[Message], depth: int, keys: tuple[str, ...]
) -> bool:
    for key in keys:
        value = body.get(key)
        if value and not isinstance(value, (int, float)) and read_value(reader, value, out, depth + 1):
            return True
    if reader.strict:
        return False
    for key in keys if len(body) > 1 else body:
        value = body.get(key)
        if isinstance(value, str) and value and key in _TEXT_KEYS:
            text_message(reader, clean(value), out)
            return True
    return False


def only_metadata(value: Value) -> bool:
    """Phoenix writes `{"id": …, "model": …}` where an output belongs."""
    return isinstance(value, dict) and _METADATA.issuperset(value) and ("id" in value or "model" in value)
