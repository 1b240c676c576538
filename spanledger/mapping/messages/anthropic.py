"""Anthropic's content blocks (conventions §3.11). Bedrock's InvokeModel for Claude writes the same."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.media import media
from spanledger.mapping.messages.parts import (
    PartReader,
    add_reasoning,
    flat_result,
    generic,
    server_tool_call,
    source_part,
    tool_call,
    tool_result,
)
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value


def _thinking(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    add_reasoning(parts, block.get("thinking", block.get("content", block.get("text"))), block.get("signature"))


def _redacted_thinking(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    add_reasoning(parts, None, hidden=True)


def _tool_use(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    parts.append(tool_call(block.get("id"), block.get("name"), block.get("input")))


def _server_tool_use(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    parts.append(server_tool_call(block.get("id"), block.get("name"), block.get("input")))


def _tool_result(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    response = flat_result(reader, block.get("content"))
    parts.append(tool_result(block.get("tool_use_id"), response, None, block.get("is_error")))


def _server_tool_result(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    content = block.get("content")
    failed = isinstance(content, dict) and str(content.get("type", "")).endswith("_error")
    name = str(block.get("type", "")).removesuffix("_tool_result")
    parts.append(tool_result(block.get("tool_use_id"), content, name, failed or block.get("is_error")))


def source_block(reader: Reader, block: dict[str, Value], parts: list[Part], modality: str) -> None:
    """`image` and `document` blocks; without a source (content capture off) an omitted blob stands in."""
    source = block.get("source")
    if isinstance(source, dict):
        part = source_part(reader, source, modality, block.get("title"))
        if part["type"] != "text" or part["content"]:
            parts.append(part)
    else:
        parts.append(media(reader, source, modality=modality, filename=block.get("title")))


def _container_upload(reader: Reader, block: dict[str, Value], parts: list[Part]) -> None:
    parts.append(generic(block.get("type"), block))


_SERVER_RESULTS: Final = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "mcp_tool_result",
)

TYPED: Final[dict[str, PartReader]] = {
    "thinking": _thinking,
    "redacted_thinking": _redacted_thinking,
    "tool_use": _tool_use,
    "server_tool_use": _server_tool_use,
    "mcp_tool_use": _server_tool_use,
    "tool_result": _tool_result,
    **dict.fromkeys(_SERVER_RESULTS, _server_tool_result),
    "document": lambda reader, block, parts: source_block(reader, block, parts, "document"),
    "container_upload": _container_upload,
    "search_result": _container_upload,
}
