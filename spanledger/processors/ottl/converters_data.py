"""Converters between types, of lists and maps, and parsers (pkg/ottl/ottlfuncs/README.md)."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from spanledger.processors.ottl.arguments import Converter, Parameter, parameters
from spanledger.processors.ottl.converters_text import text
from spanledger.processors.ottl.errors import OttlError
from spanledger.processors.ottl.operators import Duration, is_number
from spanledger.processors.ottl.paths import type_name
from spanledger.processors.values import Value, text_of

_INTEGER: Final = re.compile(r"[-+]?\d+")
_LARGEST: Final = (1 << 63) - 1


def _int(value: Value) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    if isinstance(value, Duration):
        return value.ns
    if isinstance(value, str) and len(value) <= 20 and _INTEGER.fullmatch(value):
        found = int(value)
        return found if -_LARGEST - 1 <= found <= _LARGEST else None
    return None


def _double(value: Value) -> float | None:
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str) and len(value) <= 400:
        try:
            return float(value)
        except ValueError:
            return None
    return None


def _bool(value: Value) -> bool | None:
    if isinstance(value, bool):
        return value
    if is_number(value):
        return bool(value)
    words = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
    return words.get(value.lower()) if isinstance(value, str) else None


def _parse_int(value: Value, base: Value) -> int:
    try:
        return int(text(value), base)
    except ValueError:
        raise OttlError("ParseInt: not a whole number of that base") from None


def _parse_json(value: Value) -> Value:
    try:
        return msgspec.json.decode(value if isinstance(value, bytes) else text(value))
    except (msgspec.DecodeError, RecursionError):
        raise OttlError("ParseJSON: not JSON") from None


def _parse_csv(target: Value, headers: Value, delimiter: Value, header_delimiter: Value, mode: Value) -> Value:
    names = text(headers).split(text(header_delimiter or delimiter or ","))
    mark = text(delimiter or ",")
    if mode == "ignoreQuotes":
        fields = text(target).split(mark)
    else:
        try:
            fields = next(csv.reader([text(target)], delimiter=mark, strict=mode != "lazyQuotes"), [])
        except (csv.Error, TypeError):
            raise OttlError("ParseCSV: cannot be read") from None
    if len(fields) != len(names):
        raise OttlError(f"ParseCSV: {len(fields)} fields, {len(names)} headers")
    return dict(zip(names, fields, strict=True))


def _parse_key_value(target: Value, delimiter: Value, pair_delimiter: Value) -> Value:
    between = text(delimiter or "=")
    found: dict[str, Value] = {}
    for pair in _pairs(text(target), None if pair_delimiter is None else text(pair_delimiter)):
        key, middle, value = pair.partition(between)
        if not middle:
            raise OttlError(f"ParseKeyValue: a pair without {between!r}")
        found[key.strip().strip("\"'")] = value.strip().strip("\"'")
    return found


def _pairs(target: str, mark: str | None) -> list[str]:
    """Pairs, where quotes hold delimiters together."""
    pairs: list[str] = []
    current: list[str] = []
    quote = ""
    for char in target:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        if not quote and (char.isspace() if mark is None else char == mark):
            pairs.append("".join(current))
            current = []
        else:
            current.append(char)
    pairs.append("".join(current))
    return [pair for pair in pairs if pair.strip()]


def _len(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, bytes | list | dict):
        return len(value)
    raise OttlError(f"Len wants text, bytes, a list or a map, not {type_name(value)}")


def _is_empty(value: Value) -> bool:
    return value is None or (isinstance(value, str | bytes | list | dict) and not value)


def _coalesce(values: Value) -> Value:
    return next((value for value in values if value is not None), None)


def _contains(target: Value, item: Value) -> bool:
    if not isinstance(target, list):
        raise OttlError(f"ContainsValue wants a list, not {type_name(target)}")
    return any(type(value) is type(item) and value == item for value in target)


def _index(target: Value, value: Value) -> int:
    if isinstance(target, str):
        return target.encode().find(text(value).encode())
    if isinstance(target, list):
        return next((at for at, item in enumerate(target) if type(item) is type(value) and item == value), -1)
    raise OttlError(f"Index wants text or a list, not {type_name(target)}")


def _map(value: Value, of: str) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise OttlError(f"{of} wants a map, not {type_name(value)}")
    return value


def _sort(target: Value, order: Value) -> list[Value]:
    if not isinstance(target, list):
        raise OttlError(f"Sort wants a list, not {type_name(target)}")
    numbers = all(is_number(value) for value in target)
    same = numbers or len({type(value) for value in target}) <= 1
    key: Any = None if same and not any(isinstance(value, dict | list) for value in target) else text_of
    return sorted(target, key=key, reverse=order == "desc")


def _slice_to_map(target: Value, key_path: Value, value_path: Value) -> dict[str, Value]:
    if not isinstance(target, list):
        raise OttlError(f"SliceToMap wants a list, not {type_name(target)}")
    found: dict[str, Value] = {}
    for position, item in enumerate(target):
        key = str(position) if key_path is None else _at(item, key_path)
        found[text(key)] = item if value_path is None else _at(item, value_path)
    return found


def _at(value: Value, path: Value) -> Value:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            raise OttlError(f"SliceToMap: {key!r} is not there")
        value = value[key]
    return value


def _url(value: Value) -> dict[str, Value]:
    try:
        parts = urlsplit(text(value))
        port = parts.port
    except ValueError:
        raise OttlError("URL: cannot be read") from None
    found: dict[str, Value] = {
        "url.original": value,
        "url.scheme": parts.scheme,
        "url.domain": parts.hostname or "",
        "url.path": parts.path,
    }
    if port is not None:
        found["url.port"] = port
    if parts.query:
        found["url.query"] = parts.query
    if parts.fragment:
        found["url.fragment"] = parts.fragment
    name = parts.path.rpartition("/")[2]
    if "." in name:
        found["url.extension"] = name.rpartition(".")[2]
    if parts.username is not None:
        found["url.username"] = parts.username
    if parts.password is not None:
        found["url.password"] = parts.password
    return found


def _is(*types: type) -> Converter:
    return Converter(parameters("value"), lambda value: type(value) in types)


CASTS: Final[dict[str, Callable[[Value], Value]]] = {"int": _int, "double": _double, "string": text_of}
"""What makes a value of a type; None where that is not possible."""
DATA: Final[dict[str, Converter]] = {
    "Bool": Converter(parameters("value"), _bool),
    "Coalesce": Converter(parameters("values"), _coalesce),
    "ContainsValue": Converter(parameters("target", "item"), _contains),
    "Double": Converter(parameters("value"), _double),
    "Index": Converter(parameters("target", "value"), _index),
    "Int": Converter(parameters("value"), _int),
    "IsBool": _is(bool),
    "IsDouble": _is(float),
    "IsEmpty": Converter(parameters("value"), _is_empty),
    "IsInt": _is(int),
    "IsList": _is(list),
    "IsMap": _is(dict),
    "IsString": _is(str),
    "Keys": Converter(parameters("target"), lambda value: list(_map(value, "Keys"))),
    "Len": Converter(parameters("target"), _len),
    "ParseCSV": Converter(parameters("target", "headers", "delimiter?", "headerDelimiter?", "mode?"), _parse_csv),
    "ParseInt": Converter(parameters("target", "base"), _parse_int),
    "ParseJSON": Converter(parameters("target"), _parse_json),
    "ParseKeyValue": Converter(parameters("target", "delimiter?", "pair_delimiter?"), _parse_key_value),
    "SliceToMap": Converter(parameters("target", "keyPath?", "valuePath?"), _slice_to_map),
    "Sort": Converter(parameters("target", Parameter("order", "value", "asc")), _sort),
    "String": Converter(parameters("value"), lambda value: None if value is None else text_of(value)),
    "URL": Converter(parameters("url"), _url),
    "Values": Converter(parameters("target"), lambda value: list(_map(value, "Values").values())),
}
