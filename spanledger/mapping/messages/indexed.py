"""Messages flattened into indexed attribute keys (conventions §3.3): OpenLLMetry's `gen_ai.prompt.N.*`, and
OpenInference's `llm.input_messages.N.message.*`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from spanledger.mapping.messages.chunks import join_tokens
from spanledger.mapping.messages.content import is_part, json_content
from spanledger.mapping.messages.jsontext import bytes_text, clean, decode, plain
from spanledger.mapping.messages.message import is_tool_definition, read_message, role_of, said
from spanledger.mapping.messages.openai import read_calls
from spanledger.mapping.messages.parts import generic, typed_output
from spanledger.mapping.messages.reader import MAX_MESSAGES, Part, Reader
from spanledger.mapping.messages.roles import ASSISTANT, TOOL
from spanledger.model.records import Message
from spanledger.model.span import Value

MAX_INDEX: Final = 10_000
"""`gen_ai.prompt.999999999.role` is no message; Langfuse caps at 10,001 as well."""

_IGNORED: Final = ("content_filter_results", "prompt_filter_results")
"""What Azure's filters found; no content."""

_KNOWN: Final = frozenset(
    {
        "content",
        "finish_reason",
        "function_call",
        "id",
        "index",
        "name",
        "reasoning",
        "refusal",
        "role",
        "tool_call",
        "tool_call_id",
        "tool_calls",
    }
)


def unflatten(group: Mapping[str, Value], strip: str = "") -> dict[int, dict[str, Value]]:
    """`{"0.role": "user", "0.tool_calls.1.id": "c"}` → `{0: {"role": "user", "tool_calls": {"1": {"id": "c"}}}}`.

    Sorted by index; gaps are fine. `strip` is a part of the path after the index that is left out when it is there.
    """
    messages: dict[int, dict[str, Value]] = {}
    for key, value in group.items():
        if value is None:
            continue
        path = key.split(".", 12)
        if len(path) < 2 or not path[0].isdecimal() or len(path[0]) > 6:
            continue
        index = int(path[0])
        if index > MAX_INDEX:
            continue
        if len(path) == 2 and isinstance(value, str) and (index not in messages or path[1] not in messages[index]):
            messages.setdefault(index, {})[path[1]] = clean(value)  # most
            continue
        start = 2 if strip and path[1] == strip and len(path) > 2 else 1
        node = messages.setdefault(index, {})
        for step in path[start:-1]:
            inner = node.get(step)
            if not isinstance(inner, dict):
                inner = {} if inner is None else {"": inner}
                node[step] = inner
            node = inner
        last = path[-1]
        held = node.get(last)
        value = _scalar(value)
        if isinstance(held, dict) and not isinstance(value, dict):
            held.setdefault("", value)
        else:
            node[last] = value
    return dict(sorted(messages.items()))


def in_order(value: Value) -> list[Value]:
    """The entries of an indexed sub-tree by their number; a JSON list or a list as it is."""
    if isinstance(value, str):
        found, value = decode(value)
        if not found:
            return []
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    numbered = [(int(key), entry) for key, entry in value.items() if key.isdecimal() and len(key) <= 6]
    return [entry for _, entry in sorted(numbered, key=lambda pair: pair[0])]


def read_indexed(reader: Reader, group: Mapping[str, Value], out: list[Message]) -> None:
    """OpenLLMetry up to 0.4, Koog, Laminar, LiteLLM: `N.role`, `N.content`, `N.tool_calls.K.name`, …"""
    for fields in unflatten(group).values():
        content = fields.get("content")
        is_plain = len(fields) == 2 and isinstance(content, str) and not content[:1].isspace()
        message = said(fields.get("role"), content) if is_plain else None
        if message is not None and not reader.is_waiting() and len(out) < MAX_MESSAGES:
            out.append(message)
            reader.foldable = message if message["role"] == ASSISTANT else None
            continue
        role = role_of(reader, fields.get("role"), reader.default_role)
        if is_tool_definition(role, content) and "tool_call_id" not in fields:
            continue
        calls = read_calls(in_order(fields.get("tool_calls")) or fields.get("tool_call"))
        if isinstance(fields.get("function_call"), dict):
            calls += read_calls(fields["function_call"])
        body: dict[str, Value] = {
            key: fields[key]
            for key in ("name", "finish_reason", "reasoning", "refusal", "tool_call_id")
            if key in fields
        }
        body["content"] = _content(content, role, has_calls=bool(calls))
        before = len(out)
        if role == TOOL and calls:  # Koog
            role = ASSISTANT
        if calls:
            body["tool_calls"] = [_as_call(call) for call in calls]
        read_message(reader, body, role, out)
        if len(out) > before:
            for key, value in fields.items():
                if key not in _KNOWN and key not in _IGNORED:
                    out[-1]["parts"].append(generic(key, value))
    if reader.output:
        fold_parallel_calls(out)


def _as_call(call: Part) -> dict[str, Value]:
    return {"id": call["id"], "name": call["name"], "arguments": call["arguments"]}


def _content(content: Value, role: str, *, has_calls: bool) -> Value:
    """Content that is a JSON list of parts is parsed; a JSON copy of the calls, or an empty one, is dropped."""
    if isinstance(content, dict):
        return [item for item in in_order(content) if is_part(item)] or content.get("")
    if not isinstance(content, str):
        return content
    if has_calls and content in ('""', "[]", "null", "None", "{}"):
        return None
    if content[:2] in ("[{", "[ ", "[\n") or content[:1].isspace():
        blocks = json_content(content)
        if blocks is not None:
            return blocks
        if role == TOOL or has_calls:
            found, decoded = decode(content, 1)
            if found and isinstance(decoded, list) and decoded and all(_is_call(item) for item in decoded):
                return None if has_calls else decoded
    return content


def _is_call(value: Value) -> bool:
    if not isinstance(value, dict):
        return False
    return ("id" in value and "function" in value) or ("name" in value and ("args" in value or "arguments" in value))


def fold_parallel_calls(messages: list[Message]) -> None:
    """Koog, LiteLLM and the Responses API of some instrumentations write each parallel call as an output of its own."""
    kept: list[Message] = []
    for message in messages:
        last = kept[-1] if kept else None
        if last is not None and _folds(last, message):
            last["parts"].extend(message["parts"])
            if "finish_reason" in message:
                last.setdefault("finish_reason", message["finish_reason"])
        else:
            kept.append(message)
    messages[:] = kept


def _folds(last: Message, message: Message) -> bool:
    if last["role"] != ASSISTANT or message["role"] != ASSISTANT or not message["parts"] or not last["parts"]:
        return False
    kinds = {part["type"] for part in last["parts"]}
    if kinds == {"reasoning"}:  # an answer follows its own reasoning
        return True
    return kinds <= {"tool_call", "reasoning"} and all(part["type"] == "tool_call" for part in message["parts"])


def read_openinference(reader: Reader, group: Mapping[str, Value], out: list[Message]) -> None:
    """`N.message.role`, `N.message.contents.M.message_content.*`, `N.message.tool_calls.K.tool_call.*`."""
    for fields in unflatten(group, strip="message").values():
        calls = read_calls([_inner(call, "tool_call") for call in in_order(fields.get("tool_calls"))])
        contents: list[Value] = []
        for item in in_order(fields.get("contents")):
            block = _block(item, bool(calls))
            if block is not None:
                contents.append(block)
        body: dict[str, Value] = {
            key: fields[key]
            for key in ("name", "tool_call_id", "refusal", "finish_reason", "reasoning")
            if key in fields
        }
        if fields.get("function_call_name"):  # older than parallel calls
            arguments = fields.get("function_call_arguments_json")
            calls += read_calls([{"name": fields["function_call_name"], "arguments": arguments}])
        content = fields.get("content")
        if isinstance(content, dict):
            content = content.get("")
        if contents:
            body["contents"] = contents
        if calls:
            body["tool_calls"] = [_as_call(call) for call in calls]
        role = role_of(reader, fields.get("role"), reader.default_role)
        if role == TOOL and "function" in fields and content is None and not contents:
            _read_results(reader, in_order(fields["function"]), out)
            continue
        if contents and role != TOOL and not body.get("tool_call_id"):
            content = None  # `contents` says the same and more
        if content is not None:
            body["content"] = _tool_output(content) if role == TOOL else content
        read_message(reader, body, role, out)
    if reader.output:
        fold_parallel_calls(out)
        out[:] = join_tokens(out)


def _read_results(reader: Reader, results: list[Value], out: list[Message]) -> None:
    """OpenInference for AutoGen puts the results of parallel calls into one message: `function.K`, each an object
    `{name, content, call_id, is_error}` as JSON."""
    for result in results:
        value = decode(result, 1)[1] if isinstance(result, str) else result
        read_message(reader, value if isinstance(value, dict) else {"content": value}, TOOL, out)


def _inner(value: Value, key: str) -> Value:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else value


def _block(item: Value, has_calls: bool) -> Value:
    """One entry of `contents` as a content block."""
    if not isinstance(item, dict):
        return item
    call = item.get("tool_call")
    block = item.get("message_content")
    block = dict(block) if isinstance(block, dict) else {}
    if isinstance(call, dict):
        return {"type": "function", **call}
    kind = block.get("type")
    if kind in ("tool_use", "tool-call") and has_calls:
        return None
    if kind == "tool_use" and isinstance(block.get("tool_call"), dict):
        return {"type": "function", **block["tool_call"]}
    if kind == "tool_use" and isinstance(block.get("tool_use"), dict):
        return {**block["tool_use"], "type": "tool_use"}
    if kind == "tool_result" and isinstance(block.get("tool_result"), dict):
        return {**block["tool_result"], "type": "tool_result"}
    for name in ("image", "audio", "video", "file"):
        inner = block.get(name)
        if isinstance(inner, dict) and isinstance(inner.get(name), dict):  # image.image.url
            block[name] = {**inner, **inner[name]}
    if kind is None and "text" in block:
        block["type"] = "text"
    return block or None


def _tool_output(content: Value) -> Value:
    """OpenInference for Vercel keeps the AI SDK's `{"type": "json", "value": …}` as text."""
    if isinstance(content, str) and content.startswith('{"type":"') and '"value":' in content:
        found, decoded = decode(content, 1)
        if found and isinstance(decoded, dict) and len(decoded) == 2:
            return typed_output(decoded)[0]
    return content


def read_completions(reader: Reader, group: Mapping[str, Value], out: list[Message]) -> None:
    """OpenInference for completions: `N.prompt.text`, `N.completion.text`."""
    for fields in unflatten(group).values():
        for key in ("prompt", "completion"):
            inner = fields.get(key)
            text = inner.get("text") if isinstance(inner, dict) else None
            if isinstance(text, str) and text:
                read_message(reader, {"content": text}, reader.default_role, out)


def _scalar(value: Value) -> Value:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bytes):
        return bytes_text(value)
    return plain(value)
