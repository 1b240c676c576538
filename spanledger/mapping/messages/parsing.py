"""What `spanledger.mapping.messages` offers, apart from what single modules of it do: see there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spanledger.mapping.messages import detect, events, indexed, tools, vercel
from spanledger.mapping.messages.events import Direction
from spanledger.mapping.messages.jsontext import parse_json, plain, repair_json
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.mapping.messages.reader import BLOB_LIMIT, Reader
from spanledger.mapping.messages.roles import ASSISTANT, TOOL, USER
from spanledger.model.records import Message
from spanledger.model.span import Value


def parse_printed(value: Value) -> Value:
    """The value of JSON text, else of text that Python's `repr` printed (LiteLLM), else the value as it is."""
    ok, parsed = parse_json(value)
    if not ok and isinstance(value, str):
        ok, parsed = parse_repr(value)
    return parsed if ok else value


def parse_messages(
    value: Value,
    *,
    default_role: str,
    warnings: list[str],
    key: str,
    strict: bool = False,
    nested: bool = False,
    blob_limit: int = BLOB_LIMIT,
) -> list[Message]:
    """Messages of an attribute: JSON text (up to 3 layers), a Python repr, a structured value, bytes or plain text.

    Wrappers (`messages`, `choices`, LangChain's `generations`, request and response bodies, …) are unwrapped.
    `default_role` is `user` for input and `assistant` for output. What has no message shape becomes one text message;
    with `strict` it gives [], for values that may or may not be conversations. Placeholders give [].

    Texts of messages are never parsed, as a prompt may well be JSON, except for a list of typed parts in OTel's text
    part (OpenLLMetry for LangChain). `nested` is for scopes that put a JSON list of messages there (`@traceloop/*`).
    """
    reader = _reader(warnings, key, default_role, strict=strict, blob_limit=blob_limit)
    out: list[Message] = []
    detect.read_any(reader, value, out)
    if nested:
        detect.open_nested(reader, out)
    reader.settle()
    return out


def parse_instructions(value: Value, *, warnings: list[str], key: str, blob_limit: int = BLOB_LIMIT) -> list[Message]:
    """System instructions: text, a list of texts, parts or messages; one system message, or []."""
    reader = Reader(warnings, key, blob_limit=blob_limit)
    value = detect.plain_input(value)
    if isinstance(value, str):
        found, decoded = parse_json(value) if value[:1] in ("[", "{", '"') else (False, None)
        if not found and value[:1] == "[":
            repaired = repair_json(value)
            if repaired is not None and repaired[1] and repaired[0]:
                reader.warn("truncated_json")
                found, decoded = True, repaired[0]
        if found and (isinstance(decoded, (list, str)) or (isinstance(decoded, dict) and _has_content(decoded))):
            value = decoded
    out: list[Message] = []
    if value:
        detect.read_instructions(reader, value, out)
    return out


def indexed_messages(
    group: Mapping[str, Value], *, default_role: str, warnings: list[str], key: str, blob_limit: int = BLOB_LIMIT
) -> list[Message]:
    """Messages of a flattened group, `{"0.role": …, "0.content": …, "0.tool_calls.0.name": …}`: what stands below
    `gen_ai.prompt.` or `gen_ai.completion.`. Keys without an index in front are ignored."""
    reader = _reader(warnings, key, default_role, blob_limit=blob_limit)
    out: list[Message] = []
    indexed.read_indexed(reader, group, out)
    reader.settle()
    return out


def openinference_messages(
    group: Mapping[str, Value], *, default_role: str, warnings: list[str], key: str, blob_limit: int = BLOB_LIMIT
) -> list[Message]:
    """Messages of what stands below `llm.input_messages.` or `llm.output_messages.` (`{"0.message.role": …}`), or
    below `llm.prompts.` or `llm.choices.` (`{"0.prompt.text": …}`)."""
    reader = _reader(warnings, key, default_role, blob_limit=blob_limit)
    out: list[Message] = []
    if any(".message." in name for name in group):
        indexed.read_openinference(reader, group, out)
    else:
        indexed.read_completions(reader, group, out)
    reader.settle()
    return out


def event_message(
    name: str, body: Value, attributes: Mapping[str, Value], *, warnings: list[str], blob_limit: int = BLOB_LIMIT
) -> tuple[Direction, list[Message]] | None:
    """Direction and messages of one span event or log record (`gen_ai.user.message`, `gen_ai.choice`,
    `gen_ai.content.prompt`, …); None for events that carry no message under this name.

    A list, because one event may hold several results of tools (Strands, botocore). `body` is None for span events;
    the body then stands in `gen_ai.event.content` (Azure AI, Semantic Kernel) or in the attributes (Strands).
    """
    carrier = events.CONTENT_EVENTS.get(name)
    if carrier is not None:
        attribute, direction = carrier
        role = ASSISTANT if direction == "output" else USER
        value = attributes.get(attribute, body)
        return direction, parse_messages(value, default_role=role, warnings=warnings, key=attribute)
    output = name in (events.CHOICE, events.LLAMA_INDEX_ANSWER)
    if not output and name not in events.ROLES:
        return None
    reader = Reader(warnings, name, output=output, blob_limit=blob_limit)
    out: list[Message] = []
    if name == events.LLAMA_INDEX_ANSWER:
        fields = events.llama_index_answer(attributes)
    else:
        fields = events.event_body(body, attributes)
    events.read_event(reader, name, fields, out)
    return ("output" if output else "input"), out


def pydantic_events(
    value: Value, *, warnings: list[str], key: str, blob_limit: int = BLOB_LIMIT
) -> tuple[list[Message], list[Message]]:
    """(input, output) of Pydantic AI's and Logfire's `events` and `all_messages_events`.

    Output is what follows the first `gen_ai.choice`; without one, the assistant's messages at the end.
    """
    found, items = parse_json(value)
    if not found and isinstance(value, str):
        repaired = repair_json(value)
        if repaired is not None:
            items, cut = repaired
            if cut and items:
                Reader(warnings, key).warn("truncated_json")
    if not isinstance(items, list):
        return [], []
    choice = next(
        (i for i, item in enumerate(items) if isinstance(item, dict) and item.get("event.name") == events.CHOICE), None
    )
    before = Reader(warnings, key, strict=True, blob_limit=blob_limit)
    after = Reader(warnings, key, strict=True, output=True, blob_limit=blob_limit)
    given: list[Message] = []
    answer: list[Message] = []
    if choice is None:
        detect.read_value(before, items, given)
        start = len(given)
        while start and given[start - 1]["role"] == ASSISTANT:
            start -= 1
        given, answer = given[:start], given[start:]
    else:
        detect.read_value(before, items[:choice], given)
        detect.read_value(after, items[choice:], answer)
    indexed.fold_parallel_calls(answer)
    return given, answer


def vercel_prompt(value: Value, *, warnings: list[str], key: str, blob_limit: int = BLOB_LIMIT) -> list[Message]:
    """Input of the Vercel AI SDK: `ai.prompt` (`{"system", "prompt" | "messages"}`) or `ai.prompt.messages`."""
    return parse_messages(value, default_role=USER, warnings=warnings, key=key, blob_limit=blob_limit)


def vercel_response(
    text: Value,
    reasoning: Value,
    tool_calls: Value,
    object_: Value,
    files: Value,
    *,
    warnings: list[str],
    blob_limit: int = BLOB_LIMIT,
) -> list[Message]:
    """One message of the Vercel AI SDK's `ai.response.text`, `.reasoning`, `.toolCalls`, `.object` and `.files`."""
    reader = Reader(warnings, "ai.response", output=True, blob_limit=blob_limit)
    parts = vercel.result_parts(reader, plain(text), plain(reasoning), plain(tool_calls), plain(object_), plain(files))
    out: list[Message] = []
    if parts:
        reader.emit(out, ASSISTANT, parts)
    return out


def tool_definitions(value: Value, *, warnings: list[str], key: str) -> list[dict[str, Any]] | None:
    """Tools offered to the model, `{name, description?, parameters?}`: JSON text, a list of JSON texts or names, a
    structured value, or an object that holds them (`model_request_parameters`); None when there are none."""
    return tools.read_tools(Reader(warnings, key), value) or None


def split_definitions(messages: list[Message]) -> tuple[list[Message], list[dict[str, Any]]]:
    """Messages, and the tools that LangGraph's instrumentations put among them as results of tools."""
    if "tool" not in [message["role"] for message in messages]:
        return messages, []
    kept: list[Message] = []
    found: list[dict[str, Any]] = []
    for message in messages:
        definition = tools.definition_in(message)
        if definition is None:
            kept.append(message)
        else:
            found.append(definition)
    return (kept, found) if found else (messages, [])


def indexed_tool_definitions(group: Mapping[str, Value]) -> list[dict[str, Any]] | None:
    """Tools below `llm.request.functions.` (`{"0.name": …}`) or `llm.tools.` (`{"0.tool.json_schema": …}`)."""
    return tools.read_indexed_tools(group) or None


def request_messages(body: Value, *, warnings: list[str], key: str, blob_limit: int = BLOB_LIMIT) -> list[Message]:
    """Input messages of a provider's whole request body; [] when it holds none."""
    return _body_messages(Reader(warnings, key, blob_limit=blob_limit), body)


def response_messages(body: Value, *, warnings: list[str], key: str, blob_limit: int = BLOB_LIMIT) -> list[Message]:
    """Output messages of a provider's whole response body; [] when it holds none."""
    return _body_messages(Reader(warnings, key, output=True, blob_limit=blob_limit), body)


def _body_messages(reader: Reader, body: Value) -> list[Message]:
    body = detect.plain_input(body)
    if isinstance(body, str):
        found, decoded = parse_json(body)
        if not found:
            repaired = repair_json(body)
            if repaired is None:
                return []
            decoded, cut = repaired
            if cut:
                reader.warn("truncated_json")
        body = decoded
    out: list[Message] = []
    if isinstance(body, (dict, list)):
        detect.read_value(reader, body, out)
    reader.settle()
    return out


def _has_content(decoded: dict[str, Value]) -> bool:
    return any(name in decoded for name in ("parts", "content", "text"))


def _reader(
    warnings: list[str], key: str, default_role: str, *, strict: bool = False, blob_limit: int = BLOB_LIMIT
) -> Reader:
    return Reader(warnings, key, output=default_role in (ASSISTANT, TOOL), strict=strict, blob_limit=blob_limit)
