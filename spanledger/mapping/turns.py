"""The turns of a conversation in which the model asks for tools: who asked, what came back, what an SDK left out.

A turn is a run of messages of the assistant with the results of tools that follow it. SDKs lose parts of it in the
requests that repeat the conversation: the calls (their message is empty, or gone), the ids of the results, or
everything but a placeholder. All functions are pure, linear in the messages, and return new lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from spanledger.mapping.messages.jsontext import dump
from spanledger.model.records import Message, Run
from spanledger.model.span import Value

Part = dict[str, Any]

_CALL_PLACEHOLDERS: Final = re.compile(r"(?:\[tool: [^\[\]]+\])+")
_RESULT_PLACEHOLDERS: Final = re.compile(r"(?:\[tool-result: [^\[\]]+\])+")
_SAID: Final = {"text": "content", "tool_call_response": "response"}
_UNSAID: Final = frozenset({"tool_call", "reasoning"})
_PLACEHOLDER: Final = re.compile(r"\[(?:tool|tool-result): ([^\[\]]+)\]")


class Turn:
    """Messages `[start:answered]` of the assistant (none where the SDK dropped them), results `[answered:end]`."""

    __slots__ = ("answered", "before", "calls", "end", "results", "start")

    def __init__(self, start: int, answered: int, end: int, before: int) -> None:
        self.start, self.answered, self.end = start, answered, end
        self.before = before
        """What was said before it, as `_said` counts it."""
        self.calls: list[Part] = []
        self.results: list[Part] = []

    @property
    def is_hollow(self) -> bool:
        """Whether results stand without the calls that they answer, or with no more than their names."""
        return bool(self.results) and all(_is_hollow(call) for call in self.calls)

    @property
    def has_ids(self) -> bool:
        """Whether each result names the call that it answers."""
        return all(result.get("id") is not None for result in self.results)


def _said(before: int, message: Message, within: str) -> int:
    """A number for what was said up to and with a message. Calls and reasoning do not count, for those are what
    SDKs lose; an answer of nothing else counts as not there. What was withheld is like itself only `within` a trace."""
    texts: list[Value] = []
    for part in message["parts"]:
        kind = part["type"]
        if kind in _SAID:
            held = part.get(_SAID[kind])
            texts.append((part.get("name"), within) if held is None else held if isinstance(held, str) else dump(held))
        elif kind not in _UNSAID:
            texts.append(dump(part))
    if not texts:
        if message["role"] == "assistant":
            return before
        texts.append(within)
    return hash((before, message["role"], *texts))


def turns_of(messages: Sequence[Message], within: str = "") -> tuple[list[Turn], int]:
    """The turns in which the assistant spoke or tools answered, in order, and what was said in all.

    `within` is the trace, for conversations whose content was withheld can be told apart no further.
    """
    turns: list[Turn] = []
    at = 0
    index, count = 0, len(messages)
    while index < count:
        role = messages[index]["role"]
        if role not in ("assistant", "tool"):
            at = _said(at, messages[index], within)
            index += 1
            continue
        turn = Turn(index, index, index, at)
        while index < count and messages[index]["role"] == "assistant":
            turn.calls.extend(part for part in messages[index]["parts"] if part["type"] == "tool_call")
            at = _said(at, messages[index], within)
            index += 1
        turn.answered = index
        while index < count and messages[index]["role"] == "tool":
            turn.results.extend(part for part in messages[index]["parts"] if part["type"] == "tool_call_response")
            at = _said(at, messages[index], within)
            index += 1
        turn.end = index
        turns.append(turn)
    return turns, at


def is_empty(messages: Value) -> bool:
    """Whether an answer says nothing."""
    return not any(message["parts"] for message in messages or ())


def with_calls(messages: list[Message], found: Sequence[tuple[Turn, Sequence[Part]]]) -> list[Message]:
    """The conversation with the calls of hollow turns, in order, in their places and their results paired with them."""
    told: list[Message] = []
    done = 0
    for turn, calls in found:
        asked = list(messages[turn.start : turn.answered]) or [{"role": "assistant", "parts": []}]
        kept = [part for part in asked[-1]["parts"] if not (part["type"] == "tool_call" and _is_hollow(part))]
        asked[-1] = {**asked[-1], "parts": [*kept, *calls]}
        told.extend(messages[done : turn.start])
        told.extend(asked)
        told.extend(_paired(calls, messages[turn.answered : turn.end]))
        done = turn.end
    told.extend(messages[done:])
    return told


def with_results(messages: list[Message], executed: Mapping[str, Run]) -> list[Message]:
    """The conversation with what tool runs returned, by call id, in place of results that it does not tell."""
    if all(part.get("response", "") is not None for part in _parts_of_tools(messages)):
        return messages
    told = list(messages)
    for index, message in enumerate(messages):
        if message["role"] != "tool":
            continue
        parts = message["parts"]
        for place, part in enumerate(parts):
            run = executed.get(part.get("id") or "") if part.get("response", "") is None else None
            if run is not None:
                result: Part = {**part, "response": run.output}
                if run.output is None and run.error is not None:
                    result |= {"response": run.error.message, "is_error": True}
                told[index] = {**message, "parts": [*told[index]["parts"][:place], result, *parts[place + 1 :]]}
    return told


def answers(turn: Turn, calls: Sequence[Part]) -> bool:
    """Whether the results of a turn can be those of exactly these calls, in this order."""
    if len(turn.results) != len(calls) or (turn.calls and len(turn.calls) != len(calls)):
        return False
    hollow = turn.calls or [{} for _ in calls]
    return all(
        result.get("id") in (None, call.get("id"))
        and result.get("name") in (None, call.get("name"))
        and known.get("name") in (None, "", call.get("name"))
        for call, result, known in zip(calls, turn.results, hollow, strict=True)
    )


def paired(messages: list[Message]) -> list[Message]:
    """The conversation with the ids that results of tools lost: results come in the order of the calls."""
    if not any(part["type"] == "tool_call_response" and part.get("id") is None for part in _parts_of_tools(messages)):
        return messages
    told: list[Message] = []
    done = 0
    for turn in turns_of(messages)[0]:
        if turn.calls and not turn.is_hollow and any(result.get("id") is None for result in turn.results):
            told.extend(messages[done : turn.answered])
            told.extend(_paired(turn.calls, messages[turn.answered : turn.end]))
            done = turn.end
    return [*told, *messages[done:]] if done else messages


def unfolded(messages: list[Message]) -> list[Message]:
    """Placeholders taken for what they stand for. Mastra writes `[tool: search][tool: fetch]` as the text of an answer
    that asks for tools, and `[tool-result: search][tool-result: fetch]` as their result."""
    if not any(_names(part.get("response"), _RESULT_PLACEHOLDERS) for part in _parts_of_tools(messages)):
        return messages
    told: list[Message] = []
    for message in messages:
        parts = message["parts"]
        names = _names(parts[0].get("content" if parts[0]["type"] == "text" else "response"), None) if parts else []
        if len(parts) != 1 or not names:
            told.append(message)
        elif message["role"] == "assistant":
            calls = [{"type": "tool_call", "id": None, "name": name, "arguments": None} for name in names]
            told.append({**message, "parts": calls})
        elif message["role"] == "tool":
            told.extend(
                {**message, "parts": [{"type": "tool_call_response", "id": None, "name": name, "response": None}]}
                for name in names
            )
        else:
            told.append(message)
    return told


def _names(text: Value, shape: re.Pattern[str] | None) -> list[str]:
    if not isinstance(text, str) or not text.startswith("[tool"):
        return []
    shapes = (shape,) if shape is not None else (_CALL_PLACEHOLDERS, _RESULT_PLACEHOLDERS)
    if not any(shape.fullmatch(text) for shape in shapes):
        return []
    return _PLACEHOLDER.findall(text)


def _is_hollow(call: Part) -> bool:
    return call.get("id") is None and call.get("arguments") is None


def _paired(calls: Sequence[Part], results: Sequence[Message]) -> list[Message]:
    """Results with the ids of the calls that no other result names, where it is plain which is whose."""
    named = {part.get("id") for message in results for part in message["parts"]}
    open_calls = [call for call in calls if call.get("id") not in named]
    lost = [
        part
        for message in results
        for part in message["parts"]
        if part["type"] == "tool_call_response" and part.get("id") is None
    ]
    if len(lost) != len(open_calls) or any(
        part.get("name") not in (None, call.get("name")) or call.get("id") is None
        for part, call in zip(lost, open_calls, strict=True)
    ):
        return list(results)
    ids = iter(open_calls)
    told: list[Message] = []
    for message in results:
        parts = [
            {**part, "id": next(ids)["id"]} if part["type"] == "tool_call_response" and part.get("id") is None else part
            for part in message["parts"]
        ]
        told.append({**message, "parts": parts})
    return told


def _parts_of_tools(messages: Sequence[Message]) -> list[Part]:
    if "tool" not in [message["role"] for message in messages]:  # most conversations
        return []
    return [part for message in messages if message["role"] == "tool" for part in message["parts"]]
