"""AnyValue as plain Python and back, and attributes by key.

Values are `str | int | float | bool | bytes | None | list | dict`; an unset AnyValue is None.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence
from typing import Any, TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Value: TypeAlias = Any
Attributes: TypeAlias = MutableSequence[KeyValue]
"""A repeated field of KeyValue."""


def plain(value: AnyValue) -> Value:
    """The value of an AnyValue."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return plain_map(value.kvlist_value.values)
    return getattr(value, kind)


def plain_map(attributes: Iterable[KeyValue]) -> dict[str, Value]:
    """Attributes as a dict; of a key that is there twice the first counts, as for every reader of OTLP."""
    found: dict[str, Value] = {}
    for attribute in attributes:
        if attribute.key not in found:
            found[attribute.key] = plain(attribute.value)
    return found


def write(target: AnyValue, value: Value) -> None:
    """Set an AnyValue. What no AnyValue can hold becomes its text; integers beyond 64 bits too."""
    target.Clear()
    if value is None:
        return
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, str):
        target.string_value = value.encode("utf-8", "replace").decode() if not value.isascii() else value
    elif isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, list | tuple):
        target.array_value.SetInParent()
        for item in value:
            write(target.array_value.values.add(), item)
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        for key, item in value.items():
            added = target.kvlist_value.values.add()
            added.key = str(key)
            write(added.value, item)
    else:
        target.string_value = str(value)


def find(attributes: Iterable[KeyValue], key: str) -> KeyValue | None:
    """The attribute of a key."""
    for attribute in attributes:
        if attribute.key == key:
            return attribute
    return None


def put(attributes: Any, key: str, value: Value) -> None:
    """Set an attribute, new or not."""
    attribute = find(attributes, key)
    if attribute is None:
        attribute = attributes.add()
        attribute.key = key
    write(attribute.value, value)


def remove(attributes: Attributes, key: str) -> bool:
    """Delete an attribute, all of them where the key is there twice; whether there was one."""
    positions = [position for position, attribute in enumerate(attributes) if attribute.key == key]
    for position in reversed(positions):
        del attributes[position]
    return bool(positions)


def replace_all(attributes: Any, values: dict[str, Value]) -> None:
    """Set all attributes."""
    del attributes[:]
    for key, value in values.items():
        attribute = attributes.add()
        attribute.key = key
        write(attribute.value, value)


def text_of(value: Value) -> str:
    """A value as text, as the Collector writes it: JSON for lists and maps, hexadecimal for bytes, Go's booleans."""
    import base64

    import msgspec

    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode()
    return str(value)
