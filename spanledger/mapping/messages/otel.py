"""Parts as OpenTelemetry's GenAI conventions (1.37 and newer) define them, with their deviations (§3.4, §2.35).

Pydantic AI's older spelling, where `kind` stands for `type`, is here too.
"""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.media import file_part, media
from spanledger.mapping.messages.parts import (
    PartReader,
    add_reasoning,
    flat_result,
    generic,
    server_tool_call,
    text_part,
    tool_call,
    tool_result,
    typed_output,
    unwrap_text,
)
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value


def _reasoning(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """OTel's `content`, Vercel's `text`, LangChain's `reasoning`, OpenAI's `summary`, or encrypted `data`."""
    content: Value = None
    for key in ("content", "text", "reasoning", "summary"):
        if key in part:
            content = part[key]
            break
    else:
        parts.append(text_part(None, "reasoning"))
        return
    if isinstance(content, list):
        content = "\n".join(
            item["text"] for item in content if isinstance(item, dict) and isinstance(item.get("text"), str)
        )
    hidden = bool(part.get("data") or part.get("encrypted_content"))
    add_reasoning(parts, content, part.get("signature"), hidden=hidden)


def _tool_call(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """OTel's `arguments`, LangChain's `args`, LlamaIndex' `tool_kwargs`; Pydantic AI's `builtin` is a hosted tool."""
    arguments = part.get("arguments", part.get("args", part.get("tool_kwargs")))
    make = server_tool_call if part.get("builtin") else tool_call
    name = part.get("name") or part.get("tool_name")
    parts.append(make(part.get("id") or part.get("tool_call_id"), name, arguments))


def _tool_call_response(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    response: Value = None
    for key in ("response", "result", "content", "output"):
        if key in part:
            response = unwrap_text(part[key])
            break
    response, failed = typed_output(response)
    name = part.get("name") or part.get("tool_name")
    is_error = part.get("is_error") or failed
    parts.append(tool_result(part.get("id"), flat_result(reader, response), name, is_error))


def _server_tool_call(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    arguments = part.get("server_tool_call", part.get("arguments"))
    parts.append(server_tool_call(part.get("id"), part.get("name"), arguments))


def _server_tool_response(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    response = part.get("server_tool_call_response", part.get("response"))
    parts.append(tool_result(part.get("id"), response, part.get("name")))


def _blob(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    data: Value = None
    for key in ("content", "data", "binary_content", "blob"):
        if part.get(key):
            data = part[key]
            break
    mime = part.get("mime_type") or part.get("media_type") or part.get("mimeType") or part.get("mediaType")
    if data is None and "sha256" in part and part.get("omitted") is True:  # already in normal form
        parts.append({"type": "blob", **{key: part[key] for key in _BLOB_FACTS if key in part}})
        return
    parts.append(media(reader, data, mime_type=mime, modality=part.get("modality"), link=False))


_BLOB_FACTS: Final = ("modality", "mime_type", "omitted", "size", "sha256")


def _uri(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    uri = part.get("uri", part.get("url"))
    mime = part.get("mime_type") or part.get("media_type")
    parts.append(media(reader, uri, mime_type=mime, modality=part.get("modality")))


def _kind_url(modality: str) -> PartReader:
    def read(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
        parts.append(media(reader, part.get("url"), mime_type=part.get("media_type"), modality=modality))

    return read


def read_file(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """`file` of OTel (`file_id`), OpenAI (nested `file`), Vercel (`data` and `mediaType`), LangChain (`base64`)."""
    nested = part.get("file")
    body: dict[str, Value] = nested if isinstance(nested, dict) else part
    mime = body.get("mediaType") or body.get("mimeType") or body.get("mime_type") or body.get("media_type")
    filename = body.get("filename") or part.get("filename") or body.get("name")
    for key in ("data", "file_data", "base64", "url", "uri", "file_url"):
        if body.get(key):
            data = body[key]
            link = key not in ("base64",)
            parts.append(
                media(reader, data, mime_type=mime, modality=body.get("modality"), filename=filename, link=link)
            )
            return
    file_id = body.get("file_id") or body.get("fileId")
    if isinstance(file_id, str) and file_id:
        parts.append(file_part(file_id, mime if isinstance(mime, str) else None, body.get("modality")))
    else:
        parts.append(media(reader, None, mime_type=mime, modality=body.get("modality"), filename=filename))


def _generic(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """Already in normal form, or OTel's own `generic`."""
    kind = part.get("original_type") or part.get("type")
    parts.append(generic(kind, part.get("value", {key: value for key, value in part.items() if key != "type"})))


TYPED: Final[dict[str, PartReader]] = {
    "reasoning": _reasoning,
    "tool_call": _tool_call,
    "tool_call_response": _tool_call_response,
    "server_tool_call": _server_tool_call,
    "server_tool_call_response": _server_tool_response,
    "blob": _blob,
    "binary": _blob,
    "uri": _uri,
    "image-url": _kind_url("image"),
    "audio-url": _kind_url("audio"),
    "video-url": _kind_url("video"),
    "document-url": _kind_url("document"),
    "file": read_file,
    "generic": _generic,
}
