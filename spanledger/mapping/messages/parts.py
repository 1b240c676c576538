"""Makers of parts, shared by all families: texts, reasoning, tool calls, results of tools, generic parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from spanledger.mapping.messages.jsontext import bounded, bytes_text, decode, dump
from spanledger.mapping.messages.media import REDACTED, file_part, media, mime_of_format
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value

PartReader: TypeAlias = Callable[[Reader, dict[str, Value], list[Part]], None]
"""Appends what one element of a content list says; one element may give none, one or several parts."""

_MISSING: Final = object()


def as_text(value: Value) -> str | None:
    """Text of a content field: a string as it is, OpenAI Assistants' `{"value": …}`, anything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return bytes_text(value)
    if isinstance(value, dict):
        for name in ("value", "text", "content"):
            inner = value.get(name)
            if isinstance(inner, str):
                return inner
    return dump(bounded(value))


def text_part(content: Value, kind: str = "text") -> Part:
    text = as_text(content)
    if text is None or text in REDACTED:
        return {"type": kind, "content": None, "redacted": True}
    return {"type": kind, "content": text}


def add_text(parts: list[Part], content: Value, kind: str = "text") -> None:
    """Append a text (or refusal, or reasoning), unless it is empty."""
    if content is not None and content != "":
        parts.append(text_part(content, kind))


def add_reasoning(parts: list[Part], content: Value, signature: Value = None, *, hidden: bool = False) -> None:
    """Append a reasoning part. `hidden` says that there was one, encrypted or left out."""
    if content is None or content == "":
        if not (signature or hidden):
            return
        part: Part = {"type": "reasoning", "content": None, "redacted": True}
    else:
        part = text_part(content, "reasoning")
    if isinstance(signature, str) and signature:
        part["signature"] = signature
    parts.append(part)


def tool_call(id_: Value, name: Value, arguments: Value) -> Part:
    return {
        "type": "tool_call",
        "id": _name(id_),
        "name": _name(name) or "",
        "arguments": parse_arguments(arguments),
    }


def server_tool_call(id_: Value, name: Value, arguments: Value) -> Part:
    """A call of a tool that the provider ran itself (web search, code interpreter)."""
    part = tool_call(id_, name, arguments)
    part["server"] = True
    return part


def tool_result(id_: Value, response: Value, name: Value = None, is_error: Value = None) -> Part:
    """`response` is put down as it is; see `flat_result` for lists of content blocks."""
    part: Part = {"type": "tool_call_response", "id": _name(id_)}
    tool = _name(name)
    if tool:
        part["name"] = tool
    part["response"] = bounded(response)
    if isinstance(is_error, bool) and is_error:
        part["is_error"] = True
    return part


def generic(kind: Value, value: Value) -> Part:
    return {"type": "generic", "original_type": kind if isinstance(kind, str) else "object", "value": bounded(value)}


def parse_arguments(value: Value) -> Value:
    """Arguments of a call: JSON text decoded (also twice encoded), "" as no arguments, other text as it is."""
    if isinstance(value, bytes):
        value = bytes_text(value)
    if not isinstance(value, str):
        return bounded(value)
    if not value or value.isspace():
        return {}
    found, decoded = decode(value)
    if found:
        return bounded(decoded)
    if value.startswith(("{'", "{}")):
        found, decoded = parse_repr(value)
        if found and isinstance(decoded, dict):
            return decoded
    return value


def unwrap_text(value: Value) -> Value:
    """Undo double encoding of a result: `"\\"22C\\""` → `22C` (Microsoft Agent Framework)."""
    for _ in range(3):
        if not (isinstance(value, str) and len(value) > 1 and value[0] == '"' == value[-1]):
            break
        found, decoded = decode(value, 1)
        if not found:
            break
        value = decoded
    return value


def typed_output(value: Value) -> tuple[Value, bool]:
    """(value, is error) of the Vercel AI SDK's `{"type": "json", "value": …}`; other values as they are."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in _TYPED_OUTPUT and "value" in value:
        return value["value"], kind in ("error-text", "error-json")
    if kind == "execution-denied":
        return value.get("reason") or value, True
    return value, False


_TYPED_OUTPUT: Final = ("text", "json", "error-text", "error-json", "content")


def flat_result(reader: Reader, content: Value) -> Value:
    """What a tool answered: one text block as its text, one JSON block as its value, several as a list of parts.

    Lists that hold anything but content blocks are the tool's own value and stay as they are.
    """
    if isinstance(content, dict):
        block = _block(reader, content)
        return content if block is _MISSING else block
    if not isinstance(content, list) or not content:
        return content
    items: list[Value] = []
    for item in content:
        if isinstance(item, str):
            items.append(item)
            continue
        block = _block(reader, item) if isinstance(item, dict) else _MISSING
        if block is _MISSING:
            return content
        items.append(block)
    if all(isinstance(item, str) for item in items) and not any(isinstance(item, dict) for item in content):
        return content  # a list of plain strings is a value, not blocks
    if len(items) == 1 and not _is_part(items[0]):
        return items[0]
    return [item if _is_part(item) else _block_part(item) for item in items]


def _block(reader: Reader, block: dict[str, Value]) -> Value:
    kind = block.get("type") or block.get("block_type")
    if kind is None:
        if len(block) != 1:
            return _MISSING
        key, value = next(iter(block.items()))
        if key == "text" and isinstance(value, str):
            return value
        if key == "json":
            return value
        if key in ("image", "document", "video") and isinstance(value, dict):
            return media_block(reader, key, value)
        return _MISSING
    if kind in ("text", "input_text", "output_text"):
        text = block.get("text", block.get("content"))
        return text if isinstance(text, str) else _MISSING
    if kind == "json" and "value" in block:
        return block["value"]
    if kind in ("image", "document") and isinstance(block.get("source"), dict):
        return source_part(reader, block["source"], kind)
    if kind in ("image", "audio", "media", "image-data", "file-data") and isinstance(block.get("data"), str):
        mime = block.get("mimeType") or block.get("mediaType") or block.get("mime_type")
        return media(reader, block["data"], mime_type=mime, modality=kind)
    return _MISSING


def _is_part(value: Value) -> bool:
    return isinstance(value, dict) and value.get("type") in ("blob", "uri", "file")


def _block_part(value: Value) -> Part:
    return {"type": "text", "content": value} if isinstance(value, str) else generic("json", value)


def media_block(reader: Reader, modality: str, block: dict[str, Value]) -> Part:
    """Bedrock Converse: `{"format": "png", "source": {"bytes": … | "s3Location": {"uri": …} | "text": …}}`."""
    source = block.get("source")
    mime = mime_of_format(modality, block.get("format"))
    data: Value = source
    if isinstance(source, dict):
        location = source.get("s3Location")
        data = location.get("uri") if isinstance(location, dict) else source.get("bytes", source.get("data"))
        if data is None and isinstance(source.get("text"), str):
            return {"type": "text", "content": source["text"]}
    return media(reader, data, mime_type=mime, modality=modality, filename=block.get("name"))


def source_part(reader: Reader, source: dict[str, Value], modality: str, filename: Value = None) -> Part:
    """Anthropic's `source`: `base64` with `media_type` and `data`, `url`, `file` with `file_id`, `text`, `content`."""
    mime = source.get("media_type") or source.get("mime_type")
    file_id = source.get("file_id")
    if isinstance(file_id, str):
        return file_part(file_id, mime if isinstance(mime, str) else None, modality)
    if source.get("type") == "text" and isinstance(source.get("data"), str):
        return {"type": "text", "content": source["data"]}
    if source.get("type") == "content":
        return text_part(source.get("content"))
    url = source.get("url")
    if isinstance(url, str):
        return media(reader, url, mime_type=mime, modality=modality, filename=filename)
    return media(reader, source.get("data"), mime_type=mime, modality=modality, filename=filename, link=False)


def add_calls(parts: list[Part], calls: list[Part]) -> None:
    """Append tool calls that the parts do not hold yet: several SDKs write the same call in two places."""
    held = [part for part in parts if part["type"] == "tool_call"] if calls else []
    if not held:
        parts.extend(calls)
        return
    by_id = {(part["id"], part["name"]) for part in held}
    by_content = {(part["name"], dump(part["arguments"])) for part in held}
    for call in calls:
        if call["id"]:
            known = (call["id"], call["name"]) in by_id
        else:
            known = (call["name"], dump(call["arguments"])) in by_content
        if not known:
            parts.append(call)


def _name(value: Value) -> str | None:
    if isinstance(value, str):
        return value or None
    if value is None or isinstance(value, (bool, dict, list)):
        return None
    return str(value)
