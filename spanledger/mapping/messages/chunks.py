"""Streams that were recorded piece by piece: one message again (conventions §8.3 #61)."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

from spanledger.mapping.messages.reader import Part
from spanledger.mapping.messages.roles import ASSISTANT
from spanledger.model.records import Message
from spanledger.model.span import Value

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


def join_deltas(items: list[Value]) -> dict[str, Value] | None:
    """OpenAI's `chat.completion.chunk`s as the `chat.completion` that they add up to; None for any other list."""
    told: dict[int, _Told] = {}
    for item in items:
        choices = item.get("choices") if isinstance(item, dict) else None
        if not isinstance(choices, list):
            return None
        for choice in choices:
            delta = choice.get("delta") if isinstance(choice, dict) else None
            if not isinstance(delta, dict):
                return None
            told.setdefault(_index(choice), _Told()).add(delta, choice.get("finish_reason"))
    return {"choices": [told[index].choice() for index in sorted(told)]} if told else None


class _Told:
    """What the deltas of one choice add up to. Pieces are joined once, at the end."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, dict[str, list[str]]] = {}
        self._reason: Value = None

    def add(self, delta: dict[str, Any], reason: Value) -> None:
        for key in ("content", "reasoning_content", "reasoning", "refusal"):
            piece = delta.get(key)
            if isinstance(piece, str):
                self._texts.setdefault(key, []).append(piece)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if not isinstance(call, dict):
                continue
            function = call.get("function")
            held = self._calls.setdefault(_index(call), {"id": [], "name": [], "arguments": []})
            for source, key in ((call, "id"), (function, "name"), (function, "arguments")):
                piece = source.get(key) if isinstance(source, dict) else None
                if isinstance(piece, str):
                    held[key].append(piece)
        self._reason = reason or self._reason

    def choice(self) -> dict[str, Value]:
        message: dict[str, Any] = {"role": ASSISTANT, **{key: "".join(said) for key, said in self._texts.items()}}
        if self._calls:
            message["tool_calls"] = [
                {
                    "id": next(iter(call["id"]), None),
                    "type": "function",
                    "function": {"name": "".join(call["name"]), "arguments": "".join(call["arguments"])},
                }
                for _, call in sorted(self._calls.items())
            ]
        return {"message": message, "finish_reason": self._reason}


def _index(item: dict[str, Any]) -> int:
    index = item.get("index")
    return index if isinstance(index, int) else 0


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
