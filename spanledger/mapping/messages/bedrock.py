"""Bedrock Converse blocks: one key each, no `type` (conventions §3.13). Strands Agents writes the same."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.parts import (
    PartReader,
    add_reasoning,
    add_text,
    flat_result,
    generic,
    media_block,
    tool_call,
    tool_result,
)
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value


def _tool_use(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    use = block["toolUse"]
    if isinstance(use, dict):
        parts.append(tool_call(use.get("toolUseId"), use.get("name"), use.get("input")))


def _tool_result(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    result = block["toolResult"]
    if isinstance(result, dict):
        response = flat_result(reader, result.get("content"))
        failed = result.get("status") == "error"
        parts.append(tool_result(result.get("toolUseId"), response, None, failed))


def _reasoning(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    content = block["reasoningContent"]
    if not isinstance(content, dict):
        add_reasoning(parts, content)
        return
    text = content.get("reasoningText", content)
    if isinstance(text, dict):
        add_reasoning(parts, text.get("text"), text.get("signature"), hidden="redactedContent" in content)
    else:
        add_reasoning(parts, text)


def _guard(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    content = block["guardContent"]
    text = content.get("text") if isinstance(content, dict) else content
    add_text(parts, text.get("text") if isinstance(text, dict) else text)


def _citations(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    content = block["citationsContent"]
    texts = content.get("content") if isinstance(content, dict) else None
    if isinstance(texts, list):
        for text in texts:
            add_text(parts, text.get("text") if isinstance(text, dict) else text)
    if isinstance(content, dict) and content.get("citations"):
        parts.append(generic("citations", content["citations"]))


def _media(kind: str) -> PartReader:
    def read(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
        inner = block[kind]
        parts.append(media_block(reader, kind, inner if isinstance(inner, dict) else {"source": inner}))

    return read


def _cache_point(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    """A marker for the provider's cache; it holds nothing of the conversation."""


UNTYPED: Final[dict[str, PartReader]] = {
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _reasoning,
    "guardContent": _guard,
    "citationsContent": _citations,
    "document": _media("document"),
    "video": _media("video"),
    "cachePoint": _cache_point,
}
"""`image` is shared with other families, see `content`."""

image_block = _media("image")
