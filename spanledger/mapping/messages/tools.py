"""Tools offered to the model, of any family, to `{name, description?, parameters?}` (conventions §2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from spanledger.mapping.messages.detect import plain_input
from spanledger.mapping.messages.indexed import unflatten
from spanledger.mapping.messages.jsontext import bounded, decode, repair_json, starts_json
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.mapping.messages.reader import Reader
from spanledger.model.span import Value

Tool: TypeAlias = dict[str, Any]
"""`name`, `description?`, `parameters?` (a JSON schema as received), `strict?`; `type` where it is no function, and
then `config` with the provider's own settings."""

MAX_TOOLS: Final = 1_000
_SCHEMA_KEYS: Final = (
    "parameters",
    "input_schema",
    "inputSchema",
    "parameters_json_schema",
    "parametersJsonSchema",
    "args_schema",
    "schema",
)
_LISTS: Final = (
    "function_declarations",
    "functionDeclarations",
    "tools",
    "function_tools",
    "output_tools",
    "native_tools",
    "builtin_tools",
    "functions",
)
_NESTED: Final = ("function", "toolSpec", "tool_spec", "custom", "json_schema", "tool")


def read_tools(reader: Reader, value: Value) -> list[Tool]:
    value = _decoded(reader, plain_input(value))
    found: list[Tool] = []
    _collect(value, found, 0)
    return found


def definition_in(message: Mapping[str, Any]) -> Tool | None:
    """The tool that a message of role `tool` offers instead of answering: `{"type": "function", "function": {…}}`."""
    parts = message["parts"]
    if message["role"] != "tool" or len(parts) != 1 or parts[0].get("id") is not None:
        return None
    value = _json(parts[0].get("response", parts[0].get("content")))
    if not isinstance(value, dict) or value.get("type") != "function" or not isinstance(value.get("function"), dict):
        return None
    found: list[Tool] = []
    _collect(value, found, 0)
    return found[0] if found and found[0].get("name") else None


def read_indexed_tools(group: Mapping[str, Value]) -> list[Tool]:
    """`{"0.name": …, "0.parameters": J}` (OpenLLMetry) or `{"0.tool.json_schema": J}` (OpenInference)."""
    found: list[Tool] = []
    for fields in unflatten(group, strip="tool").values():
        schema = _json(fields.get("json_schema"))
        tool: dict[str, Value] = {key: _json(value) if key in _SCHEMA_KEYS else value for key, value in fields.items()}
        if isinstance(schema, dict):
            if "name" not in fields or "name" in schema or "function" in schema:
                tool = {**tool, **schema}
            else:
                tool["parameters"] = schema
        tool.pop("json_schema", None)
        _collect(tool, found, 0)
    return found


def _collect(value: Value, found: list[Tool], depth: int) -> None:
    if depth > 6 or len(found) >= MAX_TOOLS:
        return
    if isinstance(value, list):
        for item in value:
            _collect(item, found, depth + 1)
        return
    if isinstance(value, str):
        decoded = _json(value)
        if isinstance(decoded, (dict, list)):
            _collect(decoded, found, depth + 1)
        elif value.strip():
            found.append({"name": value})
        return
    if isinstance(value, dict):
        _read_tool(value, found, depth)


def _read_tool(body: dict[str, Value], found: list[Tool], depth: int) -> None:
    lists = [body[key] for key in _LISTS if isinstance(body.get(key), list)]
    if lists and not isinstance(body.get("name"), str):
        for tools in lists:
            _collect(tools, found, depth + 1)
        return
    if body.get("role") == "tool" and "content" in body:  # LangGraph callbacks offer tools as messages
        _collect(_json(body["content"]), found, depth + 1)
        return
    for key in _NESTED:
        inner = body.get(key)
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            body = {**body, **inner}
            break
    if all(isinstance(item, dict) for item in body.values()) and body and not isinstance(body.get("name"), str):
        for name, inner in body.items():  # the Vercel AI SDK's object of tools: {"weather": {"description": …}}
            _read_tool({"name": name, **inner}, found, depth + 1) if depth < 6 else None
        return
    tool = _tool(body)
    if tool is not None:
        found.append(tool)


def _tool(body: dict[str, Value]) -> Tool | None:
    kind = body.get("type") or body.get("kind")
    name = body.get("name") or body.get("id")
    if not isinstance(name, str) or not name:
        name = kind
    if not isinstance(name, str) or not name:
        return None
    tool: Tool = {"name": name}
    description = body.get("description")
    if isinstance(description, str) and description:
        tool["description"] = description
    for key in _SCHEMA_KEYS:
        schema = _json(body.get(key))
        if isinstance(schema, dict):
            inner = schema.get("json") if key == "inputSchema" else None  # Bedrock
            tool["parameters"] = bounded(inner if isinstance(inner, dict) else schema)
            break
    if isinstance(body.get("strict"), bool):
        tool["strict"] = body["strict"]
    if isinstance(kind, str) and kind not in _FUNCTION and "parameters" not in tool:
        tool["type"] = kind
        config = {key: value for key, value in body.items() if key not in ("name", "type", "description", "strict")}
        if config:
            tool["config"] = bounded(config)
    return tool


_FUNCTION: Final = frozenset({"function", "custom", "output", "object", "tool"})


def _json(value: Value) -> Value:
    if isinstance(value, str) and starts_json(value):
        found, decoded = decode(value)
        return decoded if found else None
    return value


def _decoded(reader: Reader, value: Value) -> Value:
    if not isinstance(value, str) or not starts_json(value):
        return value
    found, decoded = decode(value)
    if found:
        return decoded
    found, decoded = parse_repr(value)
    if found:
        return decoded
    repaired = repair_json(value)
    if repaired is None:
        return None
    if repaired[1]:
        reader.warn("truncated_json")
    return repaired[0]
