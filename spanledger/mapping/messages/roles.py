"""Roles and finish reasons: every spelling to the canonical one (conventions §3.1, §2.13)."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.jsontext import decode, starts_json
from spanledger.model.span import Value

SYSTEM: Final = "system"
DEVELOPER: Final = "developer"
USER: Final = "user"
ASSISTANT: Final = "assistant"
TOOL: Final = "tool"
ROLES: Final = frozenset({SYSTEM, DEVELOPER, USER, ASSISTANT, TOOL})

_ALIASES: Final[dict[str, str]] = {
    **{role: role for role in ROLES},
    "human": USER,
    "humanmessage": USER,
    "humanmessagechunk": USER,
    "usermessage": USER,
    "ai": ASSISTANT,
    "model": ASSISTANT,
    "bot": ASSISTANT,
    "chatbot": ASSISTANT,  # Cohere v1
    "aimessage": ASSISTANT,
    "aimessagechunk": ASSISTANT,
    "assistantmessage": ASSISTANT,
    "systemmessage": SYSTEM,
    "systemmessagechunk": SYSTEM,
    "function": TOOL,
    "functionmessage": TOOL,
    "functionmessagechunk": TOOL,
    "functionexecutionresultmessage": TOOL,  # AutoGen
    "toolmessage": TOOL,
    "toolmessagechunk": TOOL,
    "tool_result": TOOL,
    "tool-call": ASSISTANT,  # smolagents, as its models send both on
    "tool-response": USER,
    "ipython": TOOL,  # Llama's own name for a tool's answer
}

_FINISH: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("stop", "end_turn", "endturn", "stop_sequence", "finish", "complete", "completed", "end", "eos", "eos_token"),
        "stop",
    ),
    **dict.fromkeys(
        (
            "length",
            "max_tokens",
            "max_token",
            "model_length",
            "max_output_tokens",
            "incomplete",
            "model_context_window_exceeded",
        ),
        "length",
    ),
    **dict.fromkeys(
        (
            "tool_call",
            "tool_calls",
            "tool-calls",
            "tool_use",
            "function_call",
            "function_calls",
            "toolcalls",
            "tool_execution",  # LangChain4j
        ),
        "tool_call",
    ),
    **dict.fromkeys(
        (
            "content_filter",
            "content-filter",
            "contentfilter",
            "content_filtered",
            "safety",
            "recitation",
            "blocklist",
            "prohibited_content",
            "spii",
            "refusal",
            "guardrail_intervened",
        ),
        "content_filter",
    ),
    **dict.fromkeys(("error", "malformed_function_call", "failed", "cancelled"), "error"),
}
_NO_REASON: Final = frozenset({"", "none", "null", "n/a", "unknown", "unspecified", "finish_reason_unspecified"})
_MAX_REASONS: Final = 1024


def known_role(value: Value) -> str | None:
    """The canonical role of a spelling, or None for one that nobody knows."""
    if not isinstance(value, str):
        return None
    role = _ALIASES.get(value)
    if role is not None:
        return role
    text = value.strip().lower()
    role = _ALIASES.get(text)
    if role is not None:
        return role
    if text.startswith("<") and ": " in text:  # <ChatRole.USER: 'user'>
        text = text.rpartition(": ")[2].strip("'\">")
    return _ALIASES.get(text.rpartition(".")[2])


def finish_reason(value: Value) -> str | None:
    """One reason in its canonical spelling; as received where it has none; None for a placeholder."""
    if isinstance(value, dict):  # Vercel V3 of the language model specification: {unified, raw}
        value = value.get("unified") or value.get("raw") or value.get("type")
    if not isinstance(value, str):
        return None
    reason = _FINISH.get(value)
    if reason is not None:
        return reason
    text = value.strip().rpartition(".")[2].strip()  # FinishReason.STOP (Semantic Kernel)
    if text == "OTHER":  # Gemini's; Vercel's lower-case `other` stays
        return "error"
    lower = text.lower()
    if lower in _NO_REASON:
        return None
    return _FINISH.get(lower.removeprefix("finish_reason_")) or value.strip()


def finish_reasons(value: Value) -> list[str]:
    """All reasons in a list, a JSON list, or a text with commas: `["stop"]`, `'["STOP"]'`, `FinishReason.STOP,…`.

    One per choice, in canonical spelling (`stop`, `length`, `tool_call`, `content_filter`, `error`), else as received.
    """
    reasons: list[str] = []
    _collect(value, reasons, 0)
    return reasons


def _collect(value: Value, reasons: list[str], depth: int) -> None:
    if depth > 4 or len(reasons) >= _MAX_REASONS:
        return
    if isinstance(value, (list, tuple)):
        for item in value[:_MAX_REASONS]:
            _collect(item, reasons, depth + 1)
        return
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        if starts_json(value):
            found, decoded = decode(value)
            if found and not isinstance(decoded, str):
                _collect(decoded, reasons, depth + 1)
                return
            value = decoded if found else value.strip("[]{} ")
        if "," in value:
            _collect([piece.strip("'\" ") for piece in value.split(",", _MAX_REASONS)], reasons, depth + 1)
            return
    reason = finish_reason(value)
    if reason is not None and len(reasons) < _MAX_REASONS:
        reasons.append(reason)
