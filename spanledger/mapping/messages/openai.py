"""OpenAI's parts: chat completions, Assistants, and the items of the Responses API (conventions §3.9, §3.10)."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.jsontext import bounded
from spanledger.mapping.messages.media import file_part, media, mime_of_format
from spanledger.mapping.messages.parts import (
    PartReader,
    add_reasoning,
    add_text,
    as_text,
    flat_result,
    generic,
    server_tool_call,
    text_part,
    tool_call,
    tool_result,
)
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value


def read_calls(calls: Value) -> list[Part]:
    """`tool_calls` of any family: OpenAI's nested function, LangChain's `args`, Cohere's `parameters`, Vercel's
    `toolName`, custom tools; entries with neither id nor name are padding (OpenInference for Vercel) and skipped."""
    if isinstance(calls, dict):
        calls = [calls]
    if not isinstance(calls, list):
        return []
    found: list[Part] = []
    for call in calls:
        if isinstance(call, dict):
            part = read_call(call)
            if part is not None:
                found.append(part)
    return found


def read_call(call: dict[str, Value]) -> Part | None:
    function = call.get("function") or call.get("custom")
    inner = call.get("tool_call")
    if (
        isinstance(inner, dict) and "tool_call" not in inner and not isinstance(function, dict)
    ):  # OpenInference JSON: {"tool_call": {...}}
        return read_call(inner)
    body: dict[str, Value] = function if isinstance(function, dict) else call
    name = body.get("name") or call.get("name") or call.get("toolName") or call.get("tool_name")
    id_ = call.get("id") or call.get("call_id") or call.get("toolCallId") or call.get("tool_call_id")
    if not name and not id_:
        return None
    arguments: Value = None
    for source in (body, call):
        for key in ("arguments", "args", "input", "parameters", "toolInput", "tool_kwargs"):
            if key in source:
                arguments = source[key]
                break
        else:
            continue
        break
    return tool_call(id_, name, arguments)


def _text(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    if "text" in part:
        add_text(parts, part["text"])
    elif "content" in part:  # the OTel spelling; null is an empty message (plain OTel in Python), not a redaction
        add_text(parts, part["content"])
    else:
        parts.append(text_part(None))
    annotations = part.get("annotations")
    if annotations:
        parts.append(generic("annotations", annotations))


def _refusal(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    add_text(parts, part.get("refusal", part.get("content")), "refusal")


def _image_url(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    image = part.get("image_url", part.get("url"))
    if isinstance(image, dict):
        image = image.get("url")
    file_id = part.get("file_id")
    if image is None and isinstance(file_id, str):
        parts.append(file_part(file_id, None, "image"))
        return
    parts.append(media(reader, image, modality="image"))


def _link(modality: str) -> PartReader:
    def read(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
        value = part.get(f"{modality}_url", part.get("url"))
        if isinstance(value, dict):
            value = value.get("url")
        parts.append(media(reader, value, mime_type=part.get("media_type"), modality=modality))

    return read


def _input_audio(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    audio = part.get("input_audio", part.get("inputAudio", part))
    if isinstance(audio, dict):
        mime = mime_of_format("audio", audio.get("format")) or audio.get("mime_type")
        parts.append(media(reader, audio.get("data"), mime_type=mime, modality="audio", link=False))
        add_text(parts, audio.get("transcript"))
    else:
        parts.append(media(reader, audio, modality="audio"))


def read_audio(reader: Reader, audio: Value, parts: list[Part]) -> None:
    """The `audio` field of an assistant's message: the sound and its transcript."""
    if not isinstance(audio, dict):
        return
    if isinstance(audio.get("data"), str):
        parts.append(media(reader, audio["data"], mime_type="audio/wav", modality="audio", link=False))
    elif isinstance(audio.get("id"), str):
        parts.append(file_part(audio["id"], None, "audio"))
    add_text(parts, audio.get("transcript"))


def _input_file(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    file = part.get("file")
    if not isinstance(file, dict):
        file = part
    filename = file.get("filename") or part.get("filename")
    file_id = file.get("file_id")
    data = file.get("file_data") or file.get("file_url")
    if data is None and isinstance(file_id, str) and file_id:
        parts.append(file_part(file_id, None, None))
        return
    parts.append(media(reader, data, modality="document", filename=filename))


def _reasoning_item(reader: Reader, item: dict[str, Value], parts: list[Part]) -> None:
    texts: list[str] = []
    for key in ("summary", "content"):
        blocks = item.get(key)
        if isinstance(blocks, str):
            texts.append(blocks)
        elif isinstance(blocks, list):
            texts += [text for block in blocks if (text := as_text(block))]
        if texts:
            break
    add_reasoning(parts, "\n".join(texts), hidden=bool(item.get("encrypted_content")))


def _call_item(reader: Reader, item: dict[str, Value], parts: list[Part]) -> None:
    arguments = item.get("arguments", item.get("input"))
    parts.append(tool_call(item.get("call_id") or item.get("id"), item.get("name"), arguments))


def _output_item(reader: Reader, item: dict[str, Value], parts: list[Part]) -> None:
    response = flat_result(reader, item.get("output"))
    parts.append(tool_result(item.get("call_id"), response, item.get("name"), item.get("is_error")))


_ITEM_FACTS: Final = ("type", "id", "status", "call_id", "results", "outputs", "output", "result", "name")


def _hosted_item(name: str) -> PartReader:
    """Tools that OpenAI ran itself; what they answered, where it stands in the item, becomes a result."""

    def read(reader: Reader, item: dict[str, Value], parts: list[Part]) -> None:
        arguments: Value = item.get("arguments", item.get("action", item.get("input")))
        if arguments is None:
            arguments = {key: value for key, value in item.items() if key not in _ITEM_FACTS}
        id_ = item.get("call_id") or item.get("id")
        parts.append(server_tool_call(id_, item.get("name") or name, arguments))
        for key in ("results", "outputs", "output"):
            if item.get(key):
                parts.append(tool_result(id_, item[key], item.get("name") or name, bool(item.get("error")) or None))
                return

    return read


def _generated_image(reader: Reader, item: dict[str, Value], parts: list[Part]) -> None:
    parts.append(media(reader, item.get("result"), mime_type="image/png", modality="image", link=False))


TYPED: Final[dict[str, PartReader]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "summary_text": _text,
    "refusal": _refusal,
    "image_url": _image_url,
    "input_image": _image_url,
    "image_file": lambda reader, part, parts: _assistants_file(part, parts),
    "audio_url": _link("audio"),
    "video_url": _link("video"),
    "input_audio": _input_audio,
    "input_file": _input_file,
    "function": lambda reader, part, parts: parts.extend(read_calls(part)),
}

ITEMS: Final[dict[str, PartReader]] = {
    "reasoning": _reasoning_item,
    "function_call": _call_item,
    "custom_tool_call": _call_item,
    "web_search_call": _hosted_item("web_search"),
    "file_search_call": _hosted_item("file_search"),
    "code_interpreter_call": _hosted_item("code_interpreter"),
    "computer_call": _hosted_item("computer"),
    "local_shell_call": _hosted_item("local_shell"),
    "mcp_call": _hosted_item("mcp"),
    "image_generation_call": _generated_image,
}
"""Items of one response besides messages; they fold into one assistant message."""

RESULT_ITEMS: Final[dict[str, PartReader]] = {
    "function_call_output": _output_item,
    "custom_tool_call_output": _output_item,
    "computer_call_output": _output_item,
    "local_shell_call_output": _output_item,
    "function_call_result": _output_item,  # OpenAI Agents SDK for JS
}
"""Items that the application sent back."""

OTHER_ITEMS: Final = frozenset(
    {
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_response",
        "item_reference",
        "compaction",
        "agent_handoff",  # LiveKit
        "agent_config_update",
    }
)


def other_item(item: dict[str, Value]) -> Part:
    return generic(item.get("type"), bounded(item))


def _assistants_file(part: dict[str, Value], parts: list[Part]) -> None:
    file = part.get("image_file")
    file_id = file.get("file_id") if isinstance(file, dict) else None
    parts.append(file_part(file_id, None, "image") if isinstance(file_id, str) else generic("image_file", part))
