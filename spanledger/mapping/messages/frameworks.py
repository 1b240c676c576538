"""Parts of frameworks with a shape of their own: Genkit, Haystack, LlamaIndex, AutoGen (conventions §3.15)."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.bedrock import image_block
from spanledger.mapping.messages.jsontext import dump
from spanledger.mapping.messages.media import media
from spanledger.mapping.messages.openai import read_call
from spanledger.mapping.messages.parts import (
    PartReader,
    add_reasoning,
    flat_result,
    generic,
    source_part,
    text_part,
    tool_call,
    tool_result,
)
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value


def _tool_request(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    call = part["toolRequest"]
    if isinstance(call, dict):
        parts.append(tool_call(call.get("ref"), call.get("name"), call.get("input")))


def _tool_response(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    answer = part["toolResponse"]
    if isinstance(answer, dict):
        parts.append(tool_result(answer.get("ref"), answer.get("output"), answer.get("name")))


def _media(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    inner = part["media"]
    if isinstance(inner, dict):
        parts.append(media(reader, inner.get("url"), mime_type=inner.get("contentType")))


def _data(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    value = part["data"]
    if isinstance(value, (dict, list)) and part.keys() == {"data"}:  # Genkit parses an answer in JSON
        parts.append(text_part(dump(value)))
    else:
        parts.append(generic("data", value))


def _reasoning(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    inner = part["reasoning"]
    add_reasoning(parts, inner.get("reasoning_text") if isinstance(inner, dict) else inner)


def _haystack_call(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    call = part["tool_call"]
    found = read_call(call) if isinstance(call, dict) else None
    if found is not None:
        parts.append(found)


def _haystack_result(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    answer = part.get("tool_call_result", part)
    if isinstance(answer, dict):
        origin = answer.get("origin")
        call: dict[str, Value] = origin if isinstance(origin, dict) else {}
        name = call.get("tool_name") or call.get("name")
        parts.append(tool_result(call.get("id"), flat_result(reader, answer.get("result")), name, answer.get("error")))


def _bare_call(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """AutoGen's `FunctionCall{id, name, arguments}`, Haystack's `ToolCall{tool_name, arguments, id}`."""
    found = read_call(part)
    if found is not None:
        parts.append(found)


def _bare_result(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """AutoGen's `FunctionExecutionResult{call_id, content, is_error, name}`."""
    response = flat_result(reader, part.get("content", part.get("output")))
    parts.append(tool_result(part["call_id"], response, part.get("name"), part.get("is_error")))


def read_image(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """`image` of Anthropic (`source`), Vercel (`image` and `mediaType`), Bedrock (`format` and `source` inside),
    Haystack (`base64_image` inside), OpenInference (`image.url`), LangChain (`url`, `base64` or `data`)."""
    mime = part.get("mediaType") or part.get("mimeType") or part.get("mime_type") or part.get("media_type")
    source = part.get("source")
    if isinstance(source, dict):
        parts.append(source_part(reader, source, "image"))
        return
    inner = part.get("image")
    if isinstance(inner, dict):
        if "base64_image" in inner:
            data = inner["base64_image"]
            parts.append(media(reader, data, mime_type=inner.get("mime_type"), modality="image", link=False))
            return
        if "source" in inner:
            image_block(reader, part, parts)
            return
        mime = mime or inner.get("media_type") or inner.get("mime_type")
        inner = inner.get("url", inner)
    if inner is None:
        for key in ("url", "base64", "data", "content", "file_id"):
            if part.get(key):
                inner = part[key]
                break
    parts.append(media(reader, inner, mime_type=mime, modality="image"))


def read_audio_part(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """`audio` of OpenInference (`url`, `mime_type`, `transcript` inside) and LangChain (`base64` or `url`)."""
    inner = part.get("audio")
    body: dict[str, Value] = inner if isinstance(inner, dict) else part
    mime = body.get("mime_type") or body.get("mimeType") or body.get("mediaType")
    data = body.get("url") or body.get("data") or body.get("base64") or (inner if isinstance(inner, str) else None)
    parts.append(media(reader, data, mime_type=mime, modality="audio"))
    transcript = body.get("transcript")
    if isinstance(transcript, str) and transcript:
        parts.append({"type": "text", "content": transcript})


UNTYPED: Final[dict[str, PartReader]] = {
    "toolRequest": _tool_request,
    "toolResponse": _tool_response,
    "media": _media,
    "tool_call_result": _haystack_result,
    "tool_call": _haystack_call,
    "origin": _haystack_result,
    "tool_name": _bare_call,
    "call_id": _bare_result,
    "arguments": _bare_call,
    "args": _bare_call,
    "function": _bare_call,
    "image": read_image,
    "reasoning": _reasoning,
    "data": _data,
}

TYPED: Final[dict[str, PartReader]] = {
    "image": read_image,
    "audio": read_audio_part,
}
