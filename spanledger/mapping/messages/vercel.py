"""The Vercel AI SDK's message parts and results (conventions §3.8). Mastra and VoltAgent write the same."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.jsontext import bounded, decode, dump, repair_json, starts_json
from spanledger.mapping.messages.media import media
from spanledger.mapping.messages.openai import read_calls
from spanledger.mapping.messages.parts import (
    PartReader,
    add_calls,
    add_reasoning,
    add_text,
    flat_result,
    generic,
    tool_call,
    tool_result,
    typed_output,
)
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value


def _tool_call(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    arguments = part.get("input", part.get("args", part.get("toolInput")))
    call = tool_call(part.get("toolCallId"), part.get("toolName"), arguments)
    if part.get("providerExecuted") is True:
        call["server"] = True
    if call["name"] or call["id"]:  # OpenInference's processor keeps the type alone, the call stands elsewhere
        parts.append(call)


def _tool_result(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    output, failed = typed_output(part.get("output", part.get("result")))
    is_error = bool(failed or part.get("isError"))
    parts.append(tool_result(part.get("toolCallId"), flat_result(reader, output), part.get("toolName"), is_error))


def _tool_error(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    parts.append(tool_result(part.get("toolCallId"), part.get("error"), part.get("toolName"), True))


def _generated_file(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    file = part.get("file")
    body: dict[str, Value] = file if isinstance(file, dict) else part
    mime = body.get("mediaType") or body.get("mimeType")
    parts.append(media(reader, body.get("data") or body.get("base64"), mime_type=mime))


def _source(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    parts.append(generic(part.get("type"), part))


TYPED: Final[dict[str, PartReader]] = {
    "tool-call": _tool_call,
    "tool-result": _tool_result,
    "tool-error": _tool_error,
    "reasoning-file": _generated_file,
    "source": _source,
}


def read_result(reader: Reader, result: dict[str, Value]) -> list[Part]:
    """Parts of the assistant's message in a result object."""
    reasoning = result.get("reasoningText") or result.get("reasoning")
    text = result.get("text", result.get("completion"))  # OpenRouter writes `completion`
    return result_parts(reader, text, reasoning, result.get("toolCalls"), result.get("object"), result.get("files"))


def result_parts(
    reader: Reader, text: Value, reasoning: Value, tool_calls: Value, object_: Value, files: Value
) -> list[Part]:
    """Reasoning, text, tool calls, the generated object as text, generated files: in this order."""
    parts: list[Part] = []
    _add_reasoning(parts, reasoning)
    add_text(parts, text)
    add_calls(parts, read_calls(_decoded(tool_calls)))
    if object_ is not None and object_ != "":
        answer = object_ if isinstance(object_, str) else dump(bounded(object_))
        if not _says(parts, answer):
            add_text(parts, answer)
    found = _decoded(files)
    if isinstance(found, list):
        for file in found:
            if isinstance(file, dict):
                _generated_file(reader, file, parts)
    return parts


def _add_reasoning(parts: list[Part], reasoning: Value) -> None:
    if isinstance(reasoning, str) and reasoning.startswith("[{"):
        found, decoded = decode(reasoning)
        if found and isinstance(decoded, list):
            reasoning = decoded
    if not isinstance(reasoning, list):
        add_reasoning(parts, reasoning)
        return
    for item in reasoning:
        if isinstance(item, dict):
            add_reasoning(parts, item.get("text"), item.get("signature"), hidden=item.get("type") == "redacted")
        else:
            add_reasoning(parts, item)


def _says(parts: list[Part], answer: str) -> bool:
    """Whether a text part holds the same JSON already, however it is spaced."""
    texts = [part["content"] for part in parts if part["type"] == "text"]
    if answer in texts:
        return True
    found, value = decode(answer)
    return found and any(
        isinstance(text, str) and starts_json(text) and decode(text) == (True, value) for text in texts
    )


def _decoded(value: Value) -> Value:
    if isinstance(value, str):
        found, decoded = decode(value)
        if not found:  # cut off by a limit of attributes
            repaired = repair_json(value)
            return repaired[0] if repaired is not None else None
        return decoded
    if isinstance(value, list):  # an attribute may be a list of JSON texts
        return [_decoded(item) if isinstance(item, str) else item for item in value]
    return value
