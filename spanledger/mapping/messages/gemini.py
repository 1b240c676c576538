"""Gemini's parts, in camel and in snake case (conventions §3.12)."""

from __future__ import annotations

from typing import Final

from spanledger.mapping.messages.jsontext import bounded
from spanledger.mapping.messages.media import media
from spanledger.mapping.messages.parts import (
    PartReader,
    add_reasoning,
    add_text,
    flat_result,
    server_tool_call,
    tool_call,
    tool_result,
)
from spanledger.mapping.messages.reader import Part, Reader
from spanledger.model.span import Value


def _text(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    if part.get("thought"):
        add_reasoning(parts, part["text"], part.get("thoughtSignature", part.get("thought_signature")))
    else:
        add_text(parts, part["text"])


def _function_call(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    call = part.get("functionCall", part.get("function_call"))
    if not isinstance(call, dict):
        return
    name = call.get("name")
    id_ = call.get("id")
    if not id_ and isinstance(name, str):
        # Gemini's calls often have no id; OTel's instrumentation makes up the same one for call and result.
        id_ = f"{name}_{len(parts)}"
    parts.append(tool_call(id_, name, call.get("args", call.get("arguments"))))


def _function_response(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    answer = part.get("functionResponse", part.get("function_response"))
    if not isinstance(answer, dict):
        return
    name = answer.get("name")
    id_ = answer.get("id")
    if not id_ and isinstance(name, str) and name not in reader.pending_of:
        id_ = f"{name}_{len(parts)}"
    response = answer.get("response")
    failed = isinstance(response, dict) and len(response) == 1 and "error" in response
    parts.append(tool_result(id_, flat_result(reader, response), name, failed or None))


def _inline_data(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    data = part.get("inlineData", part.get("inline_data"))
    if isinstance(data, dict):
        mime = data.get("mimeType", data.get("mime_type"))
        name = data.get("displayName", data.get("display_name"))
        parts.append(media(reader, data.get("data"), mime_type=mime, filename=name, link=False))


def _file_data(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    data = part.get("fileData", part.get("file_data"))
    if isinstance(data, dict):
        mime = data.get("mimeType", data.get("mime_type"))
        parts.append(media(reader, data.get("fileUri", data.get("file_uri")), mime_type=mime))


def _executable_code(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    code = part.get("executableCode", part.get("executable_code"))
    parts.append(server_tool_call(None, "code_execution", bounded(code)))


def _code_result(reader: Reader, part: dict[str, Value], parts: list[Part]) -> None:
    result = part.get("codeExecutionResult", part.get("code_execution_result"))
    failed = isinstance(result, dict) and str(result.get("outcome", "OK")).upper() not in ("OK", "OUTCOME_OK")
    parts.append(tool_result(None, result, "code_execution", failed or None))


UNTYPED: Final[dict[str, PartReader]] = {
    "functionCall": _function_call,
    "function_call": _function_call,
    "functionResponse": _function_response,
    "function_response": _function_response,
    "inlineData": _inline_data,
    "inline_data": _inline_data,
    "fileData": _file_data,
    "file_data": _file_data,
    "executableCode": _executable_code,
    "executable_code": _executable_code,
    "codeExecutionResult": _code_result,
    "code_execution_result": _code_result,
    "text": _text,
}
