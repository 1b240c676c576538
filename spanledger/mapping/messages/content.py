"""A message's content, of any family, to parts.

Elements with a `type` (or Pydantic AI's `kind`, LlamaIndex' `block_type`) are found by it, the others by the key
that tells them apart. The families' names do not collide except where one reader serves several of them.
"""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages import anthropic, bedrock, frameworks, gemini, openai, otel, vercel
from spanledger.mapping.messages.jsontext import bounded, decode
from spanledger.mapping.messages.media import REDACTED
from spanledger.mapping.messages.parts import PartReader, add_text, generic
from spanledger.mapping.messages.reader import MAX_NESTING, Part, Reader
from spanledger.model.span import Value

TYPED: Final[dict[str, PartReader]] = {
    **openai.ITEMS,
    **openai.RESULT_ITEMS,
    **openai.TYPED,
    **anthropic.TYPED,
    **vercel.TYPED,
    **frameworks.TYPED,
    **otel.TYPED,
}
UNTYPED: Final[dict[str, PartReader]] = {
    **bedrock.UNTYPED,
    **frameworks.UNTYPED,
    **gemini.UNTYPED,
    "message_content": lambda reader, part, parts: _openinference(reader, part["message_content"], parts),
}
_FIRST: Final = ("functionCall", "functionResponse", "function_call", "function_response", "origin", "call_id")
_MAY_BE_EMPTY: Final = frozenset(
    {"text", "cachePoint", "reasoningContent", "guardContent", "citationsContent", "reasoning"}
)
_CERTAIN: Final = frozenset(
    {
        "functionCall",
        "functionResponse",
        "function_call",
        "function_response",
        "inlineData",
        "inline_data",
        "fileData",
        "toolUse",
        "toolResult",
        "reasoningContent",
        "cachePoint",
        "guardContent",
        "toolRequest",
        "toolResponse",
        "tool_call_result",
        "executableCode",
        "origin",
    }
)
"""Keys that occur in content only; others, such as `data`, mean a part only where a part is expected."""


MARKED: Final = frozenset({mark[0] for mark in REDACTED} | {"["})
"""First characters of texts that need a second look: redactions and packed lists of parts."""


def read_content(reader: Reader, content: Value, parts: list[Part], depth: int = 0) -> None:
    """Append the parts of a content field: text, a list of texts and part objects, or one part object.

    Text is never parsed: a prompt may well be JSON.
    """
    if isinstance(content, str):
        add_text(parts, content)
    elif isinstance(content, list):
        for item in content:
            if isinstance(item, dict):
                text = item.get("content") if len(item) == 2 and item.get("type") == "text" else None
                if isinstance(text, str) and text and text[0] not in MARKED:
                    parts.append({"type": "text", "content": text})  # most parts there are
                else:
                    read_part(reader, item, parts)
            elif isinstance(item, list):
                if depth < MAX_NESTING:
                    read_content(reader, item, parts, depth + 1)
                else:
                    parts.append(generic("list", item))
            else:
                add_text(parts, item)
    elif isinstance(content, dict):
        read_part(reader, content, parts)
    else:
        add_text(parts, content)


def read_part(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    """Append what one element says; what nobody knows becomes `generic`."""
    kind = part.get("type") or part.get("kind") or part.get("block_type")
    if isinstance(kind, str):
        if kind == "text" and _read_packed(reader, part.get("content"), parts):
            return
        read = TYPED.get(kind)
        if read is not None:
            read(reader, part, parts)
            return
        if kind.startswith("anthropic_"):  # Anthropic's own spans prefix blocks that OTel has no part for
            read = TYPED.get(kind.removeprefix("anthropic_"))
            if read is not None:
                read(reader, part, parts)
                return
        if kind.startswith("tool-") and "toolCallId" in part:  # UI messages of the Vercel AI SDK: tool-<name>
            _ui_tool(reader, part, kind.removeprefix("tool-"), parts)
            return
    elif _read_untyped(reader, part, parts):
        return
    if part:
        parts.append(generic(kind, part))


def _read_packed(reader: Reader, content: Value, parts: list[Part]) -> bool:
    """OpenLLMetry for LangChain in JS: the text of OTel's part is a JSON list of LangChain's typed parts."""
    if not isinstance(content, str) or not content.startswith('[{"type"'):
        return False
    packed = json_content(content)
    if not isinstance(packed, list) or not all(
        isinstance(item, dict) and isinstance(item.get("type"), str) for item in packed
    ):
        return False
    for item in packed:
        if not isinstance(item.get("content"), str):
            read_part(reader, item, parts)
        else:  # never deeper
            parts.append(generic("text", item))
    return True


def _read_untyped(reader: Reader, part: dict[str, Value], parts: list[Part]) -> bool:
    key = _telling_key(part)
    if key is None:
        return False
    before = len(parts)
    UNTYPED[key](reader, part, parts)
    return len(parts) > before or key in _MAY_BE_EMPTY


def _telling_key(part: dict[str, Value]) -> str | None:
    for key in _FIRST:  # `name` and `arguments` beside `call_id` are a result, `result` beside `origin` too
        if key in part:
            return key
    for key in part if len(part) <= len(UNTYPED) else UNTYPED:
        if key in UNTYPED and key in part:
            return key
    return None


def is_part(value: Value) -> bool:
    """Whether an object is one element of a content list."""
    if not isinstance(value, dict):
        return False
    kind = value.get("type") or value.get("kind") or value.get("block_type")
    if isinstance(kind, str):
        return kind in TYPED
    if isinstance(value.get("text"), str):
        return len(value) == 1 or "thought" in value or "thoughtSignature" in value or "citations" in value
    return not _CERTAIN.isdisjoint(value)


def json_content(text: str) -> Value:
    """Content that is itself a JSON list of parts (OpenLLMetry for Anthropic and LangChain, Strands), else None."""
    if text.lstrip()[:1] != "[":
        return None
    found, decoded = decode(text, 1)
    if found and isinstance(decoded, list) and decoded and all(is_part(item) for item in decoded):
        return decoded
    return None


def _ui_tool(reader: Reader, part: dict[str, Value], name: str, parts: list[Part]) -> None:
    named = {**part, "toolName": part.get("toolName") or name}
    vercel.TYPED["tool-call"](reader, named, parts)
    if "output" in part:
        vercel.TYPED["tool-result"](reader, named, parts)
    elif part.get("errorText"):
        vercel.TYPED["tool-error"](reader, {**named, "error": bounded(part["errorText"])}, parts)


def _openinference(reader: Reader, inner: Value, parts: list[Part]) -> None:
    """`{"message_content": {"type": "text", "text": …}}`, OpenInference's keys written as JSON."""
    if isinstance(inner, dict) and "message_content" not in inner:
        read_part(reader, inner, parts)
