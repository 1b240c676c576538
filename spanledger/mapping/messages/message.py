"""One message object with a role, of any family, to one or several messages of the normal form."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.content import MARKED, is_part, read_content, read_part
from spanledger.mapping.messages.jsontext import decode
from spanledger.mapping.messages.media import media
from spanledger.mapping.messages.openai import read_audio, read_calls
from spanledger.mapping.messages.parts import (
    add_calls,
    add_reasoning,
    add_text,
    flat_result,
    generic,
    tool_result,
    typed_output,
)
from spanledger.mapping.messages.reader import MAX_MESSAGES, Part, Reader
from spanledger.mapping.messages.roles import ASSISTANT, ROLES, TOOL, finish_reason, known_role
from spanledger.model.records import Message
from spanledger.model.span import Value

_CONTENT: Final = ("parts", "content", "_content", "contents", "blocks", "message", "text")
"""Fields that hold the content, in order of trust: OTel and Gemini, most, Haystack 2.9, OpenInference, LlamaIndex,
Cohere v1, results of completions."""

_REASONING: Final = ("reasoning_content", "reasoning", "thinking", "reasoningText", "tool_plan")
_CALL_ID: Final = frozenset({"tool_call_id", "toolCallId", "tool_use_id", "call_id"})
_SIBLINGS: Final = frozenset(
    {
        *_REASONING,
        "reasoning_details",
        "function_call",
        "functionCall",
        "invalid_tool_calls",
        "refusal",
        "audio",
        "images",
        "annotations",
        "citations",
    }
)
"""Fields beside the content that say something."""

_PRINTED_CALLS: Final = '[{"id":'

_SIMPLE: Final = frozenset({"role", "content", "parts", "name", "finish_reason"})
_SPEAKERS: Final = frozenset({"system", "user", ASSISTANT})
_FINISH: Final = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason")


def role_of(reader: Reader, value: Value, default: str) -> str:
    """The canonical role; an unknown one verbatim; the default for an empty one."""
    role = known_role(value)
    if role is not None:
        return role
    return value if isinstance(value, str) and value.strip() else default


def finish_of(body: dict[str, Value]) -> str | None:
    """The finish reason that an object carries itself, or in the metadata of its framework."""
    for key in _FINISH:
        if key in body:
            reason = finish_reason(body[key])
            if reason is not None:
                return reason
    for key in ("meta", "_meta", "response_metadata", "generation_info", "generationInfo"):
        inner = body.get(key)
        if isinstance(inner, dict):
            for name in _FINISH:
                reason = finish_reason(inner.get(name))
                if reason is not None:
                    return reason
    return None


def said(role: Value, content: Value) -> Message | None:
    """The message of a role and a text that needs no second look, as nearly all are; None for any other."""
    if isinstance(role, str) and role in _SPEAKERS and isinstance(content, str) and content:
        if content[0] in MARKED:
            return None
        return {"role": role, "parts": [{"type": "text", "content": content}]}
    return None


def read_said(reader: Reader, items: list[Value], out: list[Message]) -> bool:
    """Append a conversation of which each message is a role and a text, which is what most are, in one go. False, and
    nothing appended, for any other."""
    if reader.is_waiting() or len(out) + len(items) >= MAX_MESSAGES:
        return False
    found: list[Message] = []
    for item in items:
        if not isinstance(item, dict) or len(item) != 2:
            return False
        content = item.get("content")
        if content is None:
            parts = item.get("parts")
            if not isinstance(parts, list) or len(parts) != 1:
                return False
            part = parts[0]
            if not isinstance(part, dict) or len(part) != 2 or part.get("type") != "text":
                return False
            content = part.get("content")
        message = said(item.get("role"), content)
        if message is None:
            return False
        found.append(message)
    out.extend(found)
    reader.foldable = out[-1] if out[-1]["role"] == ASSISTANT else None
    return True


def read_simple(reader: Reader, body: dict[str, Value], out: list[Message]) -> bool:
    """The common case on a short way: a known role, content, at most a name and a finish reason besides. False, and
    nothing appended, for everything else."""
    if not body.keys() <= _SIMPLE:
        return False
    role = known_role(body.get("role"))
    if role is None:
        return False
    parts: list[Part] = []
    content = body.get("parts") or body.get("content")
    if isinstance(content, dict):
        return False
    if role == ASSISTANT and isinstance(content, str) and content.startswith(_PRINTED_CALLS):
        return False
    if role == TOOL:
        if not isinstance(content, list):
            return False
        read_content(reader, content, parts)
        if not parts or "name" in body or any(part["type"] != "tool_call_response" for part in parts):
            return False
    else:
        read_content(reader, content, parts)
    finish = finish_reason(body["finish_reason"]) if reader.output and "finish_reason" in body else None
    reader.emit(out, role, parts, body.get("name"), finish)
    if role == ASSISTANT and out[-1]["role"] == ASSISTANT:
        reader.foldable = out[-1]
    return True


def read_message(
    reader: Reader, body: dict[str, Value], role: str, out: list[Message], finish: str | None = None
) -> None:
    """Append what `body` says. `role` is already canonical, or verbatim where nobody knows it."""
    name = body.get("name") or body.get("_name")
    kwargs = body.get("additional_kwargs")
    extra: dict[str, Value] = kwargs if isinstance(kwargs, dict) else {}
    if role not in ROLES and (role in reader.tool_names or "additional_kwargs" in body):
        role, name = TOOL, role  # Langfuse for JS writes a tool's name as the role of its result
    call_id = extra.get("tool_call_id") if _CALL_ID.isdisjoint(body) else _first(body, _CALL_ID)
    found = body.get("tool_calls") or body.get("toolCalls") or extra.get("tool_calls")
    calls = read_calls(found) if found else []
    content = _content(body)
    if role == ASSISTANT and not calls and isinstance(content, str) and content.startswith(_PRINTED_CALLS):
        calls = _printed_calls(content)
        if calls:
            content = None
    if role == TOOL or (call_id and not calls and role != ASSISTANT):
        if role == TOOL and not call_id:
            call_id = body.get("id") if isinstance(body.get("id"), str) and "additional_kwargs" not in body else None
        _tool_message(reader, body, content, call_id, name, out)
        return

    parts: list[Part] = []
    if call_id and calls:  # OpenInference for Vercel puts the last result onto the assistant's message
        contents = body.get("contents")
        read_content(reader, contents, parts)
        if contents is None or content is not contents:
            content = body.get("content", content)
    else:
        read_content(reader, content, parts)
    add_calls(parts, calls)
    if extra or not _SIBLINGS.isdisjoint(body):
        if all(part["type"] != "reasoning" for part in parts):
            parts = [*_read_reasoning(body, extra), *parts]
        _read_siblings(reader, body, extra, parts)
    if call_id and calls:
        parts.append(tool_result(call_id, flat_result(reader, content)))
    if finish is None and reader.output:
        finish = finish_of(body)
    reader.emit(out, role, parts, name, finish)
    if role == ASSISTANT and out[-1]["role"] == ASSISTANT:
        reader.foldable = out[-1]


def _content(body: dict[str, Value]) -> Value:
    for key in _CONTENT:
        value = body.get(key)
        if value is not None and value != []:
            if isinstance(value, dict) and isinstance(value.get("parts"), list):  # Gemini's Content as the content
                return value["parts"]
            return value
    return None


def _printed_calls(content: str) -> list[Part]:
    """OpenAI's list of calls as the text of an answer (Langtrace for JavaScript); nothing where it is anything else."""
    found, decoded = decode(content, 1)
    if not found or not isinstance(decoded, list):
        return []
    for call in decoded:
        if not isinstance(call, dict) or call.keys() - {"id", "type", "function", "index"}:
            return []
        function = call.get("function")
        if call.get("type") != "function" or not isinstance(function, dict) or "arguments" not in function:
            return []
    return read_calls(decoded)


def _read_reasoning(body: dict[str, Value], extra: dict[str, Value]) -> list[Part]:
    parts: list[Part] = []
    for key in _REASONING:
        value = body.get(key) or extra.get(key)
        if isinstance(value, str):
            add_reasoning(parts, value)
            return parts
        if isinstance(value, dict):
            add_reasoning(parts, value.get("content") or value.get("text"), value.get("signature"))
            return parts
    details = body.get("reasoning_details")  # OpenRouter
    if isinstance(details, list):
        for detail in details:
            if isinstance(detail, dict):
                text = detail.get("text") or detail.get("summary")
                add_reasoning(parts, text, detail.get("signature"), hidden=bool(detail.get("data")))
    return parts


def _read_siblings(reader: Reader, body: dict[str, Value], extra: dict[str, Value], parts: list[Part]) -> None:
    """Fields beside the content."""
    for source in (body, extra):
        function_call = source.get("function_call") or source.get("functionCall")
        if isinstance(function_call, dict) and (function_call.get("name") or function_call.get("arguments")):
            add_calls(parts, read_calls([{**function_call, "id": function_call.get("id")}]))
    if body.get("invalid_tool_calls"):
        add_calls(parts, read_calls(body["invalid_tool_calls"]))
    refusal = body.get("refusal") or extra.get("refusal")
    if isinstance(refusal, str):
        add_text(parts, refusal, "refusal")
    if body.get("audio"):
        read_audio(reader, body["audio"], parts)
    images = body.get("images")  # Ollama: base64; LiteLLM and OpenRouter: parts
    if isinstance(images, list):
        for image in images:
            if isinstance(image, dict):
                read_part(reader, image, parts)
            else:
                parts.append(media(reader, image, modality="image"))
    parts += [generic(key, body[key]) for key in ("annotations", "citations") if body.get(key)]


def _tool_message(
    reader: Reader, body: dict[str, Value], content: Value, call_id: Value, name: Value, out: list[Message]
) -> None:
    blocks: list[Part] = []
    if (
        isinstance(content, list)
        and content
        and all(isinstance(item, dict) and _may_be_block(item) for item in content)
    ):
        read_content(reader, content, blocks)
    results = [part for part in blocks if part["type"] == "tool_call_response"]
    if results:
        if len(results) == 1:
            results[0]["id"] = results[0]["id"] or call_id
            if isinstance(name, str) and name and not results[0].get("name"):
                results[0]["name"] = name
        reader.emit(out, TOOL, blocks)
        return
    if any(part["type"] == "tool_call" for part in blocks):
        reader.emit(out, ASSISTANT, blocks)  # Koog writes the model's calls with the role of a tool, Strands too
        return
    is_error = body.get("is_error") or body.get("isError") or body.get("status") == "error"
    response, failed = typed_output(content)
    if body.get("parts") is content and isinstance(content, list):
        response = _texts(blocks) if blocks else None
    else:
        response = flat_result(reader, response)
    reader.emit(out, TOOL, [tool_result(call_id, response, name, bool(is_error or failed))])


def _may_be_block(item: dict[str, Value]) -> bool:
    return (
        is_part(item)
        or ("function" in item and "id" in item)
        or ("call_id" in item and "content" in item)  # AutoGen
        or ("name" in item and ("args" in item or "arguments" in item))
    )


def _texts(parts: list[Part]) -> Value:
    """The text of a single text part, else the parts."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return parts[0]["content"]
    return parts


def _first(body: dict[str, Value], keys: frozenset[str]) -> Value:
    for key, value in body.items():
        if value and key in keys:
            return value
    return None


def is_tool_definition(role: str, content: Value) -> bool:
    """LangGraph callbacks pass the tools on offer as messages of role `tool`."""
    if role != TOOL:
        return False
    if isinstance(content, str):
        if '"function"' not in content:
            return False
        found, content = decode(content, 1)
        if not found:
            return False
    return (
        isinstance(content, dict)
        and content.get("type") == "function"
        and isinstance(content.get("function"), dict)
        and "name" in content["function"]
    )


def read_role_message(reader: Reader, body: dict[str, Value], out: list[Message], finish: str | None = None) -> None:
    """A message that names its role in `role` or `_role`."""
    role = role_of(reader, body.get("role", body.get("_role")), reader.default_role)
    if is_tool_definition(role, body.get("content")) and not _first(body, _CALL_ID):
        return
    read_message(reader, body, role, out, finish)
