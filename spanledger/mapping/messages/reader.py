"""What one call of the normalisation carries along, and how a message is put into the list."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, TypeAlias

from spanledger.mapping.messages.roles import ASSISTANT, TOOL, USER
from spanledger.model.records import Message
from spanledger.model.span import Value

Part: TypeAlias = dict[str, Any]
"""One part of a message, as in docs/run-model.md."""

BLOB_LIMIT: Final = 8 * 1024
"""Bytes of binary content that stay in a message; what is larger is replaced by its size and SHA-256."""

MAX_MESSAGES: Final = 10_000
"""Messages of one value; further ones are left out, with a warning."""

MAX_NESTING: Final = 8
"""Wrappers inside wrappers, and lists inside content lists."""


class Reader:
    """State of one call: where warnings go, limits, and what earlier messages of the same list said."""

    __slots__ = (
        "blob_limit",
        "foldable",
        "key",
        "output",
        "pending",
        "pending_of",
        "strict",
        "tool_names",
        "unlinked",
        "warnings",
    )

    def __init__(
        self,
        warnings: list[str],
        key: str,
        *,
        output: bool = False,
        strict: bool = False,
        blob_limit: int = BLOB_LIMIT,
    ) -> None:
        self.warnings = warnings
        self.key = key
        self.output = output
        """Whether the messages are a model's answer; only these carry finish reasons."""
        self.strict = strict
        """Whether plain text is no message, so that only message shapes are read."""
        self.blob_limit = blob_limit
        self.tool_names: set[str] = set()
        """Tools that earlier messages called; Langfuse for JS uses them as roles of results."""
        self.pending: dict[str, str] = {}
        """Id → tool of the calls that no result has answered yet."""
        self.pending_of: dict[str, deque[str]] = {}
        """Tool → ids of its calls, answered ones included."""
        self.unlinked: list[Part] = []
        """Results without an id or a name since the last answer that asked for several calls."""
        self.foldable: Message | None = None
        """The last message, while further items of the same response belong into it (OpenAI Responses)."""

    @property
    def default_role(self) -> str:
        return ASSISTANT if self.output else USER

    def warn(self, what: str) -> None:
        warning = f"{what}:{self.key}"
        if warning not in self.warnings:
            self.warnings.append(warning)

    def emit(
        self, out: list[Message], role: str, parts: list[Part], name: Value = None, finish_reason: str | None = None
    ) -> None:
        """Append a message; results of tools become messages of their own.

        Results that came in a user's message (Anthropic, Bedrock) stand before the rest of it; results in an
        assistant's message (hosted tools) stay where they were, and split it.
        """
        self.foldable = None
        if role == ASSISTANT:
            self.settle()
        results = False
        for part in parts:
            kind = part["type"]
            if kind == "tool_call":
                self.note_call(part)
            elif kind == "tool_call_response":
                results = True
                self._link(part)
        if not results:
            self._append(out, role, parts, name, finish_reason)
        elif role == ASSISTANT:
            self._split(out, parts, name, finish_reason)
        else:
            rest: list[Part] = []
            for part in parts:
                if part["type"] == "tool_call_response":
                    self._append(out, TOOL, [part])
                else:
                    rest.append(part)
            if rest:
                self._append(out, USER if role == TOOL else role, rest, name)

    def is_waiting(self) -> bool:
        """Whether calls wait for their results, or results for their calls."""
        return bool(self.pending or self.unlinked)

    def note_call(self, part: Part) -> None:
        """Remember a call for the results that follow."""
        name, id_ = part["name"], part["id"]
        if name:
            self.tool_names.add(name)
        if id_ and id_ not in self.pending:
            self.pending[id_] = name
            self.pending_of.setdefault(name, deque()).append(id_)

    def _link(self, part: Part) -> None:
        """Give a result without an id the one of the call that it can only answer: the oldest open call of its tool,
        or the only open one (Langfuse for JS and OpenLIT for JS leave the id out); else see `settle`."""
        if part["id"]:
            self.pending.pop(part["id"], None)
            return
        name = part.get("name")
        if name:
            waiting = self.pending_of.get(name)
            while waiting:
                id_ = waiting.popleft()
                if self.pending.pop(id_, None) is not None:
                    part["id"] = id_
                    return
        elif len(self.pending) == 1:
            part["id"], _ = self.pending.popitem()
        else:
            self.unlinked.append(part)

    def settle(self) -> None:
        """Where as many results came without ids as calls were open, they answer the calls in their order."""
        if self.unlinked and len(self.unlinked) == len(self.pending):
            for part, id_ in zip(self.unlinked, self.pending, strict=True):
                part["id"] = id_
            self.pending.clear()
        self.unlinked = []

    def _split(self, out: list[Message], parts: list[Part], name: Value, finish_reason: str | None) -> None:
        said: list[Part] = []
        last: Message | None = None
        for part in parts:
            if part["type"] != "tool_call_response":
                said.append(part)
                continue
            if said:
                last = self._append(out, ASSISTANT, said, name)
                said = []
            self._append(out, TOOL, [part])
        if said:
            self._append(out, ASSISTANT, said, name, finish_reason)
        elif last is not None and finish_reason is not None and self.output:
            last["finish_reason"] = finish_reason

    def _append(
        self, out: list[Message], role: str, parts: list[Part], name: Value = None, finish_reason: str | None = None
    ) -> Message:
        message: Message = {"role": role, "parts": parts}
        if isinstance(name, str) and name:
            message["name"] = name
        if finish_reason is not None and self.output and role == ASSISTANT:
            message["finish_reason"] = finish_reason
        if len(out) < MAX_MESSAGES:
            out.append(message)
        else:
            self.warn("too_many_messages")
        return message
