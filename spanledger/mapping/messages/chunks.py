"""Streams that were recorded piece by piece: one message again (conventions §8.3 #61)."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from spanledger.mapping.messages.reader import Part
from spanledger.mapping.messages.roles import ASSISTANT
from spanledger.model.records import Message

_MANY: Final = 10
"""BeeAI writes one output message per token. So many choices of one call, all of them a single text, are no choices."""


def join_chunks(messages: list[Message]) -> list[Message]:
    """The assistant's messages in a row become one, up to the one with a finish reason; texts are put together."""
    groups: list[list[Message]] = []
    for message in messages:
        last = groups[-1][-1] if groups else message
        if groups and last["role"] == message["role"] == ASSISTANT and "finish_reason" not in last:
            groups[-1].append(message)
        else:
            groups.append([message])
    return [_joined(group) if len(group) > 1 else group[0] for group in groups]


def join_tokens(messages: list[Message]) -> list[Message]:
    """The output of a call, joined where it is one message per token."""
    if len(messages) > _MANY and all(_is_token(message) for message in messages):
        return join_chunks(messages)
    return messages


def _is_token(message: Message) -> bool:
    return message["role"] == ASSISTANT and "finish_reason" not in message and _single_text(message["parts"])


def _single_text(parts: list[Part]) -> bool:
    return len(parts) == 1 and _kind(parts[0]) == "text"


def _joined(group: list[Message]) -> Message:
    parts: list[Part] = []
    for kind, run in groupby((part for message in group for part in message["parts"]), _kind):
        pieces = list(run)
        if kind is None or len(pieces) == 1:
            parts += pieces
        else:
            parts.append({**pieces[0], "content": "".join(piece["content"] for piece in pieces)})
    joined: Message = {**group[0], "parts": parts}
    if "finish_reason" in group[-1]:
        joined["finish_reason"] = group[-1]["finish_reason"]
    return joined


def _kind(part: Part) -> str | None:
    kind: str = part["type"]
    joinable = kind in ("text", "reasoning") and isinstance(part["content"], str) and "signature" not in part
    return kind if joinable else None
