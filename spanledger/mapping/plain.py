"""Inputs and outputs that are no messages: JSON values out of the wrappers that SDKs put around them."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger.mapping.coerce import text
from spanledger.mapping.facts import Facts
from spanledger.mapping.messages import parse_json
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.model.span import Event, Value


def structured(value: Value) -> Value:
    """The value, parsed when it is the JSON text of an object, a list or a string."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str) and value[:1] in ("{", "[", '"'):
        ok, parsed = parse_json(value)
        if ok:
            return parsed
    return value


def open_typed(span: Facts) -> None:
    """Take LangWatch's `{"type": "chat_messages", "value": …}` apart, where nothing else tells input and output."""
    if span.typed_input is not None and span.raw_input is None:
        span.raw_input = _typed(span.typed_input, 0)
    if span.typed_output is not None and span.raw_output is None:
        span.raw_output = _typed(span.typed_output, 0)


def _typed(value: Value, depth: int) -> Value:
    document = structured(value)
    if isinstance(document, dict) and "value" in document and document.keys() <= {"type", "value"} and depth < 4:
        held = document["value"]
        if document.get("type") == "list" and isinstance(held, list):
            return [_typed(element, depth + 1) for element in held]
        return held
    return value


def unwrap_call(value: Value) -> Value:
    """Take the arguments out of a wrapper: Traceloop's `{"args", "kwargs"}` and `{"inputs": …}`."""
    if isinstance(value, dict):
        if "inputs" in value and value.keys() <= {"inputs", "tags", "metadata", "kwargs"}:
            return structured(value["inputs"])
        if "kwargs" in value and value.keys() <= {"args", "kwargs", "sanitize_inputs_outputs"}:  # the last: smolagents
            positional, named = value.get("args"), value.get("kwargs")
            if named and not positional:
                return named
            if not named and isinstance(positional, list) and len(positional) == 1:
                return structured(positional[0])
        if "arguments" in value and value.keys() <= {"arguments", "tool_name", "name", "id", "type"}:
            return structured(value["arguments"])
        if value.keys() == {"input_str"}:
            return structured(value["input_str"])
    return value


def unwrap_result(value: Value) -> Value:
    """Take the result out of a wrapper: `{"output": …}`, LangChain's ToolMessage dump."""
    if isinstance(value, dict):
        if value.keys() <= {"output", "kwargs"} and "output" in value:
            return unwrap_result(structured(value["output"]))
        if value.keys() == {"result"}:
            return structured(value["result"])
        kwargs = value.get("kwargs")
        if isinstance(value.get("lc"), int) and isinstance(kwargs, dict) and "content" in kwargs:
            return structured(kwargs["content"])
        if value.get("type") == "tool" and "content" in value and "tool_call_id" in value:
            return structured(value["content"])
        content = value.get("content")
        if isinstance(content, str) and value.get("role") == "tool":
            return structured(content)
    return value


def tool_message(value: Value) -> dict[str, Value]:
    """The fields of a LangChain ToolMessage, which knows the tool's own name where the span has only its class."""
    value = structured(value)
    if isinstance(value, dict):
        if "output" in value and value.keys() <= {"output", "kwargs"}:
            return tool_message(value["output"])
        kwargs = value.get("kwargs")
        if isinstance(value.get("lc"), int) and isinstance(kwargs, dict):
            value = kwargs
        if "tool_call_id" in value and "content" in value:
            return dict(value)
    return {}


def plain_input(span: Facts) -> Value:
    """Input of an agent or a chain as it was received, out of its wrappers."""
    value = span.raw_input if span.raw_input is not None else span.prompt
    return unwrap_call(structured(value)) if value is not None else None


def plain_output(span: Facts) -> Value:
    """Output of an agent or a chain as it was received, out of its wrappers."""
    if span.final_result is not None:
        return structured(span.final_result)
    value = span.raw_output if span.raw_output is not None else span.completion
    return unwrap_result(structured(value)) if value is not None else None


def tool_input(span: Facts, events: Sequence[Event]) -> Value:
    """Arguments of a tool call, parsed when they are JSON."""
    for value in (span.tool_input, span.raw_input, span.prompt):
        if value is not None:
            given = unwrap_call(structured(value))
            if value is span.tool_input:
                given = _printed(given, span)
            if not _is_schema(given):
                return given
    for event in events:
        if event.name in ("gen_ai.tool.message", "gen_ai.tool.input"):
            for key in ("content", "gen_ai.tool.call.arguments", "gen_ai.tool.input", "arguments"):
                if key in event.attributes:
                    return structured(event.attributes[key])
    if span.input_messages is not None:
        return structured(span.input_messages)
    return None


def _printed(given: Value, span: Facts) -> Value:
    """OpenLIT's decorator prints the keyword arguments of a function, and the positional ones beside them."""
    if isinstance(given, str) and given[:1] == "{":
        given = parse_repr(given)[1] if parse_repr(given)[0] else given
    positional = span.rest.get("function.args")
    if given == {} and isinstance(positional, str) and positional != "()":
        ok, values = parse_repr(positional)
        if ok and isinstance(values, list):
            return values[0] if len(values) == 1 else values
    return given


def _is_schema(value: Value) -> bool:
    """OpenInference's tool.parameters holds the JSON schema of the arguments with some instrumentations, or that of
    each argument by its name (smolagents)."""
    if not isinstance(value, dict) or not value:
        return False
    if isinstance(value.get("properties"), dict) and "type" in value:
        return True
    return all(isinstance(held, dict) and held.keys() >= {"type", "description"} for held in value.values())


def tool_output(span: Facts, events: Sequence[Event]) -> Value:
    """Result of a tool call, parsed when it is JSON."""
    for value in (span.tool_output, span.raw_output, span.completion):
        if value is not None:
            return unwrap_result(structured(value))
    for event in events:
        if event.name in ("gen_ai.choice", "gen_ai.tool.output", "tool.output"):
            for key in ("message", "content", "gen_ai.tool.call.result", "gen_ai.tool.output", "output"):
                if key in event.attributes:
                    return structured(event.attributes[key])
    if span.output_messages is not None:
        return structured(span.output_messages)
    return None


def name_text(value: Value) -> str | None:
    """A name as text, out of a JSON string if need be."""
    found = text(value)
    if found is not None and found[:1] == '"' and found[-1:] == '"' and len(found) > 1:
        return text(parse_json(found)[1])
    return found


def looks_like_messages(value: Value) -> bool:
    """Whether an agent's or a chain's value is a conversation that the normal form can hold."""
    if isinstance(value, dict):
        inner = value.get("messages")
        return isinstance(inner, list) and bool(inner)
    if isinstance(value, list) and value:
        first = value[0]
        return isinstance(first, dict) and "role" in first and ("content" in first or "parts" in first)
    return False
