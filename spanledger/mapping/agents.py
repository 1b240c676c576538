"""Which agent a run belongs to, and which tool it calls, where only the framework's own values tell."""

from __future__ import annotations

import re
from typing import Any, Final

from spanledger.mapping.coerce import number, text
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.model.span import Value

_OPAQUE_ID: Final = re.compile(r"(?i)[0-9a-f]{8}[0-9a-f-]{8,}|(asst|agent|proj)_\w+")
_IN_REPR: Final = re.compile(r"\bcurrent_agent_name='([^'\\]{1,200})'")
_LONGEST_REPR: Final = 100_000
_MESSAGES: Final = 50


def name_in_id(agent_id: str) -> str | None:
    """An agent's id that is a name after all: OpenInference writes CrewAI's role as `graph.node.id`. UUIDs and
    providers' keys are none."""
    return agent_id if number(agent_id) is None and _OPAQUE_ID.fullmatch(agent_id) is None else None


def name_in_metadata(span: Facts) -> str | None:
    """LangChain 1.x puts the agent's name into the metadata of every run below it."""
    found = text(span.meta.get("lc_agent_name")) if span.meta is not None else None
    if found is None and span.meta_document is not None:
        document = parse_json(span.meta_document)[1]
        found = text(document.get("lc_agent_name")) if isinstance(document, dict) else None
    return found


def name_in_values(*values: Value) -> str | None:
    """The agent named in a workflow's state: LlamaIndex' `current_agent_name` (also in the repr of an event), and the
    name that LangChain's agents sign their messages with."""
    for value in values:
        found = _named(value, 0)
        if found is not None:
            return found
    return None


def _named(value: Value, depth: int) -> str | None:
    if isinstance(value, str):
        told = _IN_REPR.search(value, 0, _LONGEST_REPR) if depth else None
        return told[1] if told is not None else None
    if not isinstance(value, dict) or depth > 2:
        return None
    found = text(value.get("current_agent_name"))
    if found is not None:
        return found
    messages = value.get("messages")
    if isinstance(messages, list):
        for message in reversed(messages[-_MESSAGES:]):
            found = _signed(message)
            if found is not None:
                return found
    for key in ("result", "ev"):
        found = _named(value.get(key), depth + 1)
        if found is not None:
            return found
    return None


def _signed(message: Value) -> str | None:
    """Name of a dumped AIMessage's author."""
    if not isinstance(message, dict):
        return None
    path, fields = message.get("id"), message.get("kwargs")
    if isinstance(path, list) and isinstance(fields, dict):
        return text(fields.get("name")) if path[-1:] in (["AIMessage"], ["AIMessageChunk"]) else None
    return text(message.get("name")) if message.get("type") == "ai" else None


def call_in_step(span: Facts) -> dict[str, Any]:
    """LlamaIndex' `ToolCall(tool_name='…', tool_kwargs={…}, tool_id='…')`, the event that a tool's span handles."""
    summary = span.step_input
    if isinstance(summary, str) and summary.startswith("ToolCall("):
        value = parse_repr(summary)[1]
        if isinstance(value, dict):
            return value
    return {}
