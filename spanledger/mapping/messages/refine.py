"""What a second carrier of the same conversation knows beyond the first: ids of tool calls, and reasoning.

OpenInference flattens a provider's answer into attributes and drops some of it (Groq: `reasoning_content`, Mistral: the
ids of tool calls), but keeps the whole body beside them. Bodies are only read where they can add something.
"""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.reader import Part
from spanledger.mapping.messages.roles import ASSISTANT
from spanledger.model.records import Message
from spanledger.model.span import Value

_REASONING_MARKS: Final = ('"reasoning', '"thinking"', '"thought"')


def lacks(messages: list[Message], body: Value) -> bool:
    """Whether `body`, the JSON text of the same messages, may hold what they lack."""
    if not isinstance(body, str) or body[:1] not in ("{", "["):
        return False
    if '"id"' in body and any(_without_id(part) for message in messages for part in message["parts"]):
        return True
    return not any(part["type"] == "reasoning" for message in messages for part in message["parts"]) and any(
        mark in body for mark in _REASONING_MARKS
    )


def refined(messages: list[Message], other: list[Message]) -> list[Message]:
    """The messages, with ids of tool calls and with reasoning from the other carrier, where the two run in step."""
    if len(messages) != len(other) or any(
        mine["role"] != theirs["role"] for mine, theirs in zip(messages, other, strict=True)
    ):
        return messages
    return [_refined(mine, theirs) for mine, theirs in zip(messages, other, strict=True)]


def _refined(mine: Message, theirs: Message) -> Message:
    parts = list(mine["parts"])
    for kind in ("tool_call", "tool_call_response"):
        places = [place for place, part in enumerate(parts) if part["type"] == kind]
        twins = [part for part in theirs["parts"] if part["type"] == kind]
        if len(places) != len(twins):
            continue
        for place, twin in zip(places, twins, strict=True):
            if _without_id(parts[place]) and twin.get("id") and twin.get("name") == parts[place].get("name"):
                parts[place] = {**parts[place], "id": twin["id"]}
    if mine["role"] == ASSISTANT and not any(part["type"] == "reasoning" for part in parts):
        parts = [part for part in theirs["parts"] if part["type"] == "reasoning" and part["content"]] + parts
    return {**mine, "parts": parts} if parts != mine["parts"] else mine


def _without_id(part: Part) -> bool:
    return part["type"] in ("tool_call", "tool_call_response") and not part.get("id")
