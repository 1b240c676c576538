"""One conversation out of several carriers: attributes, span events, log records (conventions §0.4 rule 8)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, TypeAlias

from spanledger.mapping.messages.jsontext import decode, dump, starts_json
from spanledger.mapping.messages.reader import Part
from spanledger.mapping.messages.roles import DEVELOPER, SYSTEM, TOOL
from spanledger.model.records import Message
from spanledger.model.span import Value

_Key: TypeAlias = tuple[str, ...]
_LEADING: Final = (SYSTEM, DEVELOPER)


def merge_messages(*carriers: list[Message]) -> list[Message]:
    """The union of the carriers of one conversation, in order, as a new list.

    A message that two carriers hold appears once, from the carrier that says more of it (parts, ids, finish reason);
    on a tie the earlier carrier wins. Messages that only one carrier has keep their place between their neighbours.
    Equal messages within one carrier are kept (people repeat themselves), except results of tools with one id.
    The carriers stay as they are; messages that were not put together from two are shared with them.
    """
    merged: list[Message] = []
    for carrier in carriers:
        if carrier:
            merged = _merge(merged, carrier) if merged else list(carrier)
    return _without_repeated_results(merged)


def completed(messages: list[Message], fuller: list[Message]) -> list[Message]:
    """Messages with what a fuller carrier of the same conversation still has, as a new list where anything changed.

    OpenInference loses ids of calls (Haystack), empty arguments (OpenAI Agents), all but the last of several
    results (Anthropic for JavaScript) and all but the first choice (OpenAI for JavaScript), while the whole body
    stands beside it. The fuller carrier is taken whole where it holds more; else only gaps are filled.
    """
    if len(fuller) >= len(messages) and _told(fuller) > _told(messages):
        return fuller
    changed = False
    result = messages
    for kind in ("tool_call", "tool_call_response"):
        mine, theirs = _parts(result, kind), _parts(fuller, kind)
        if len(mine) != len(theirs) or not any(_lacks(part) for part in mine):
            continue
        if any(_contradict(part, other) for part, other in zip(mine, theirs, strict=True)):
            continue
        if not changed:
            result, changed = [_copy(message) for message in messages], True
            mine = _parts(result, kind)
        for part, other in zip(mine, theirs, strict=True):
            for key, value in other.items():
                if part.get(key) is None:
                    part[key] = value
    return result


def _told(messages: list[Message]) -> int:
    """How much is said: messages with content, and results of tools."""
    speaking = sum(1 for message in messages if any(_speaks(part) for part in message["parts"]))
    return speaking + sum(1 for part in _parts(messages, "tool_call_response") if part["response"] is not None)


def _speaks(part: Part) -> bool:
    return part.get("content", part.get("response", part)) is not None


def _parts(messages: list[Message], kind: str) -> list[Part]:
    return [part for message in messages for part in message["parts"] if part["type"] == kind]


def _lacks(part: Part) -> bool:
    """Whether something of a call or a result is not there."""
    return part["id"] is None or part["arguments" if part["type"] == "tool_call" else "response"] is None


def _contradict(part: Part, other: Part) -> bool:
    keys = ("id", "name") if part["type"] == "tool_call" else ("id",)
    return any(part.get(key) is not None and other.get(key) is not None and part[key] != other[key] for key in keys)


def text_of(messages: Iterable[Message]) -> str:
    """All text parts, one per line."""
    return "\n".join(
        part["content"]
        for message in messages
        for part in message["parts"]
        if part["type"] == "text" and isinstance(part["content"], str)
    )


def _merge(base: list[Message], other: list[Message]) -> list[Message]:
    same = 0
    for mine, theirs in zip(base, other, strict=False):
        if mine != theirs:
            break
        same += 1
    if same == len(other):
        return base
    result = base[:same]
    places: dict[_Key, list[int]] = {}
    for index in range(same, len(base)):
        places.setdefault(_key(base[index]), []).append(index)
    waiting: list[Message] = []
    done = same  # messages of `base` that stand in `result`
    for message in other[same:]:
        place = _twin(base, places, message, done)
        if place is None:
            waiting.append(message)
            continue
        result += base[done:place]
        result += waiting
        waiting = []
        result.append(_richer(base[place], message))
        done = place + 1
    if done or not waiting:
        return result + waiting + base[done:]
    split = _leading(base)  # no message in common: instructions of either first, then one after the other
    lead = _leading(waiting)
    return [*base[:split], *waiting[:lead], *base[split:], *waiting[lead:]]


def _leading(messages: list[Message]) -> int:
    for index, message in enumerate(messages):
        if message["role"] not in _LEADING:
            return index
    return len(messages)


def _twin(base: list[Message], places: dict[_Key, list[int]], message: Message, start: int) -> int | None:
    key = _key(message)
    indexes = places.get(key)
    if indexes is not None:
        found = bisect_left(indexes, start)
        if found < len(indexes):
            return indexes[found]
    if start < len(base) and base[start]["role"] == message["role"] and (not key[1:] or not _key(base[start])[1:]):
        return start  # one of the two is without content: its capture was off
    return None


def _key(message: Message) -> _Key:
    """Role and what was said; ids, reasoning and media do not count, as carriers differ in them."""
    role = message["role"]
    texts: list[str] = []
    others: list[str] = []
    for part in message["parts"]:
        kind = part["type"]
        if kind == "text":
            if part["content"]:
                texts.append(part["content"].strip())
        elif kind == "tool_call":
            others.append(f"call:{part['name']}:{_canonical(part['arguments'])}")
        elif kind == "tool_call_response":
            others.append(f"result:{_canonical(part['response'])}")
        elif kind == "refusal":
            others.append(f"refusal:{part['content']}")
    if texts:
        others.insert(0, "\n".join(texts))
    return (SYSTEM if role == DEVELOPER else role, *others)


def _canonical(value: Value) -> str:
    if isinstance(value, str) and starts_json(value):
        found, decoded = decode(value)
        if found:
            value = decoded
    if (
        isinstance(value, list)
        and value
        and all(isinstance(item, dict) and item.get("type") == "text" for item in value)
    ):
        value = "\n".join(str(item.get("content")) for item in value)
    if isinstance(value, dict):
        value = dict(sorted(value.items()))
    return value if isinstance(value, str) else dump(value)


def _richer(first: Message, second: Message) -> Message:
    chosen, other = (first, second) if _weight(first) >= _weight(second) else (second, first)
    message = _copy(chosen)
    for key in ("name", "finish_reason"):
        if key not in message and key in other:
            message[key] = other[key]
    ids = [part["id"] for part in other["parts"] if part["type"] in ("tool_call", "tool_call_response")]
    mine = [part for part in message["parts"] if part["type"] in ("tool_call", "tool_call_response")]
    if len(ids) == len(mine):
        for part, id_ in zip(mine, ids, strict=True):
            if part["id"] is None:
                part["id"] = id_
    return message


def _weight(message: Message) -> int:
    weight = 0
    for part in message["parts"]:
        weight += 3
        if part.get("id"):
            weight += 1
        if part.get("redacted") or part.get("omitted"):
            weight -= 2
        if part["type"] in ("text", "reasoning") and part["content"] is None:
            weight -= 1
        if part["type"] == "tool_call_response" and part["response"] is None:
            weight -= 2
    return weight


def _without_repeated_results(messages: list[Message]) -> list[Message]:
    """Botocore's instrumentation writes each result as an event of its own, and inside the user's message again."""
    ids = [message["parts"][0].get("id") for message in messages if message["role"] == TOOL and message["parts"]]
    if len(ids) == len(set(ids)):
        return messages
    called = {part["name"] for message in messages for part in message["parts"] if part["type"] == "tool_call"}
    seen: set[tuple[str, str]] = set()
    kept: list[Message] = []
    for message in messages:
        if message["role"] == TOOL and len(message["parts"]) == 1:
            part: Part = message["parts"][0]
            id_ = part.get("id")
            if id_ and id_ not in called:  # Microsoft.Extensions.AI uses the tool's name as the id of every call
                mark = (id_, _canonical(part.get("response")))
                if mark in seen:
                    continue
                seen.add(mark)
        kept.append(message)
    return kept


def _copy(message: Message) -> Message:
    return {**message, "parts": [dict(part) for part in message["parts"]]}
