"""The value types of OTLP/JSON, in every spelling that senders use.

The specification is strict ("JSON Protobuf Encoding": hex ids, camelCase names, enumerations as integers). Senders
are not: protobuf's own JSON printer writes base64 ids and enumeration names, JavaScript long libraries write
`{low, high}`, hand-made exporters write snake_case and plain objects. All of them are read.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from spanledger.model.span import Value
from spanledger.receiver.wire.refusal import Refused, quoted

_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,20}")
_UNPADDED_BASE64: Final = {16: (22, 24), 8: (11, 12)}
"""Length of an id in bytes → its lengths in base64, without and with padding."""
_URL_SAFE: Final = str.maketrans("-_", "+/")
_EXACT_AS_DOUBLE: Final = 1 << 53

Members = Mapping[str, Any]


class KeyValue(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An attribute as the specification has it; see `json_messages`."""

    key: str = ""
    value: Any = None


def field(message: Members, camel: str, snake: str) -> Any:
    """A field by its name, or by its name in the .proto file. null is unset."""
    value = message.get(camel)
    return value if value is not None else message.get(snake)


def kind_of(value: object) -> str:
    """JSON's word for the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "list" if isinstance(value, list) else "object"


def text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise Refused(f"{name}: expected a string, found {kind_of(value)}")


def members(value: Any, name: str) -> Members:
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise Refused(f"{name}: expected an object, found {kind_of(value)}")


def elements(value: Any, name: str) -> list[Any]:
    if isinstance(value, list):
        return value
    if value is None:
        return []
    raise Refused(f"{name}: expected a list, found {kind_of(value)}")


def integer(value: Any, name: str, low: int = -(1 << 63), high: int = (1 << 63) - 1) -> int:
    """An integer: as number, as decimal string, or as the `{low, high}` object of JavaScript's Long."""
    if value.__class__ is str and len(value) < 20 and value.isascii() and value.isdigit():
        number = int(value)  # nearly all are like this; the rest of the spellings costs more to tell apart
    elif isinstance(value, dict) and "low" in value and "high" in value:
        words = integer(value["high"], name) << 32 | integer(value["low"], name) & 0xFFFFFFFF
        number = words & 0xFFFFFFFFFFFFFFFF
        if low < 0 and number >> 63:
            number -= 1 << 64
    elif isinstance(value, str) and _DECIMAL.fullmatch(value):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif value is None:
        return 0
    else:
        number = _whole(double(value, name), value, name)
    if not low <= number <= high:
        raise Refused(f"{name}: {quoted(value if isinstance(value, str) else number)} is outside the range of its type")
    return number


def unsigned(value: Any, name: str) -> int:
    return integer(value, name, 0, (1 << 64) - 1)


def time(value: Any, name: str) -> int:
    """A timestamp. One that went through a double was exact to 256 ns only: it is rounded to microseconds."""
    number = unsigned(value, name)
    if value.__class__ is float and number > _EXACT_AS_DOUBLE:
        return round(number, -3)
    return number


def double(value: Any, name: str) -> float:
    """A floating-point number: as number, or as string (`"NaN"`, `"Infinity"`, `"1.5"`)."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            raise Refused(f"{name}: {quoted(value)} is no number") from None
    raise Refused(f"{name}: expected a number, found {kind_of(value)}")


def _whole(number: float, value: Any, name: str) -> int:
    if not number.is_integer():  # NaN and the infinities are not
        raise Refused(f"{name}: {quoted(value)} is no integer")
    return int(number)


def enumeration(value: Any, name: str, names: Mapping[str, int]) -> int:
    """An enumeration: as integer, or by name, with or without its prefix. An unknown name is refused, an unknown
    number is not: proto3 enumerations are open."""
    if value.__class__ is int and 0 <= value < 100:
        return value
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        number = names.get(value.upper())
        if number is None:
            raise Refused(f"{name}: {quoted(value)} is not known")
        return number
    return integer(value, name, -(1 << 31), (1 << 31) - 1)


def enumeration_names(items: Iterable[tuple[str, int]], prefix: str) -> dict[str, int]:
    """Name → number, under the full names of the .proto file and under those without the prefix."""
    return {spelling: number for name, number in items for spelling in (name, name.removeprefix(prefix))}


def identifier(value: Any, size: int, name: str) -> str:
    """An id of `size` bytes as lower-case hex, or what the sender gave in its place. base64 is told by its length."""
    given = text(value, name)
    if len(given) == 2 * size:
        return given.lower()
    if len(given) in _UNPADDED_BASE64[size]:
        try:
            raw = _base64(given)
        except ValueError:
            return given.lower()
        if len(raw) == size:
            return raw.hex()
    return given.lower()


def binary(value: Any, name: str) -> bytes:
    """base64, standard or URL-safe, padded or not."""
    try:
        return _base64(text(value, name))
    except ValueError:
        raise Refused(f"{name}: {quoted(value)} is no base64") from None


def _base64(given: str) -> bytes:
    bare = given.translate(_URL_SAFE).rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)


class Values:
    """Reads AnyValue, KeyValue lists and what senders write in their place, down to a depth."""

    __slots__ = ("max_depth",)

    def __init__(self, max_depth: int) -> None:
        self.max_depth = max_depth

    def pairs(self, attributes: Any, name: str = "attributes") -> list[tuple[str, Value]]:
        """A list of KeyValue, or a plain JSON object."""
        return self._pairs(attributes, name, 1)

    def _pairs(self, attributes: Any, name: str, depth: int) -> list[tuple[str, Value]]:
        if isinstance(attributes, dict):
            return [(key, self.value(member, key, depth)) for key, member in attributes.items()]
        found = []
        for pair in elements(attributes, name):
            if pair.__class__ is KeyValue:
                value = pair.value
                if value.__class__ is dict and len(value) == 1 and (text_ := value.get("stringValue")).__class__ is str:
                    found.append((pair.key, text_))
                else:
                    found.append((pair.key, self.value(value, pair.key, depth)))
                continue
            if pair.__class__ is not dict:
                raise Refused(f"{name}: expected a key and a value, found {kind_of(pair)}")
            key = pair.get("key")
            if key.__class__ is not str:
                key = text(key, f"key in {name}")
            found.append((key, self.value(pair.get("value"), key if depth == 1 else name, depth)))
        return found

    def value(self, value: Any, key: str, depth: int = 1) -> Value:
        """An AnyValue, or plain JSON in its place."""
        if depth > self.max_depth:
            raise Refused(f"the value of {key[:128]!r} is nested more than {self.max_depth} levels deep")
        if value.__class__ is dict:
            if len(value) == 1:
                content = value.get("stringValue")
                if content.__class__ is str:
                    return content
            return self._tagged(value, key, depth)
        if value.__class__ is list:
            return [self.value(member, key, depth + 1) for member in value]
        if value.__class__ is int:
            return integer(value, key)
        return value

    def _tagged(self, value: dict[str, Any], key: str, depth: int) -> Value:
        known = False
        found: Value = None
        for member, content in value.items():
            read = _MEMBERS.get(member)
            if read is not None:
                known = True
                if content is not None:
                    found = read(self, content, key, depth)
        if known or not value:
            return found
        return {name: self.value(content, key, depth + 1) for name, content in value.items()}

    def _string(self, content: Any, key: str, depth: int) -> Value:
        return text(content, key)

    def _bool(self, content: Any, key: str, depth: int) -> Value:
        if content in ("true", "false"):
            return content == "true"
        if not isinstance(content, bool):
            raise Refused(f"{key}: expected a boolean, found {kind_of(content)}")
        return content

    def _int(self, content: Any, key: str, depth: int) -> Value:
        return integer(content, key)

    def _double(self, content: Any, key: str, depth: int) -> Value:
        return double(content, key)

    def _array(self, content: Any, key: str, depth: int) -> Value:
        if isinstance(content, dict):
            content = content.get("values")
        return [self.value(member, key, depth + 1) for member in elements(content, key)]

    def _kvlist(self, content: Any, key: str, depth: int) -> Value:
        if isinstance(content, dict) and (not content or isinstance(content.get("values"), list | None)):
            content = content.get("values")
        return dict(self._pairs(content, key, depth + 1))

    def _bytes(self, content: Any, key: str, depth: int) -> Value:
        return binary(content, key)

    def _index(self, content: Any, key: str, depth: int) -> Value:
        """An index into a string table that only profiles carry."""
        return None


_MEMBERS: Final[dict[str, Callable[[Values, Any, str, int], Value]]] = {
    "stringValue": Values._string,
    "string_value": Values._string,
    "boolValue": Values._bool,
    "bool_value": Values._bool,
    "intValue": Values._int,
    "int_value": Values._int,
    "doubleValue": Values._double,
    "double_value": Values._double,
    "arrayValue": Values._array,
    "array_value": Values._array,
    "kvlistValue": Values._kvlist,
    "kvlist_value": Values._kvlist,
    "bytesValue": Values._bytes,
    "bytes_value": Values._bytes,
    "stringValueStrindex": Values._index,
    "string_value_strindex": Values._index,
}
