"""A slow, forgiving protobuf parser for the one item in a million that the generated messages refuse.

protobuf's parser (upb) rejects a message whole when one of its strings is not UTF-8, or when messages nest more than
100 deep, which an array of arrays reaches on level 49. SDKs cut attribute values at a number of bytes, through the
middle of a character, and a batch must not be lost for that. So an item that upb refuses is read again here: bad
bytes become U+FFFD and are noted, values below the depth limit are left out, and what comes back can be read like
the generated message. Bytes that are no protobuf at all still raise `PayloadError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from spanledger.errors import PayloadError
from spanledger.receiver.wire.notes import note
from spanledger.receiver.wire.wire_format import FIXED32, FIXED64, LENGTH, VARINT, fields, varint

_VALUE: Final = "opentelemetry.proto.common.v1.AnyValue"
_PAIR: Final = "opentelemetry.proto.common.v1.KeyValue"

_FROM_VARINT: Final[dict[int, Callable[[int], Any]]] = {
    FieldDescriptor.TYPE_BOOL: bool,
    FieldDescriptor.TYPE_INT64: lambda raw: raw - (1 << 64) if raw >> 63 else raw,
    FieldDescriptor.TYPE_INT32: lambda raw: _int32(raw),
    FieldDescriptor.TYPE_ENUM: lambda raw: _int32(raw),
    FieldDescriptor.TYPE_UINT64: lambda raw: raw,
    FieldDescriptor.TYPE_UINT32: lambda raw: raw & 0xFFFFFFFF,
    FieldDescriptor.TYPE_SINT32: lambda raw: _int32((raw >> 1) ^ -(raw & 1)),
}
_FROM_FIXED64: Final[dict[int, struct.Struct]] = {
    FieldDescriptor.TYPE_FIXED64: struct.Struct("<Q"),
    FieldDescriptor.TYPE_SFIXED64: struct.Struct("<q"),
    FieldDescriptor.TYPE_DOUBLE: struct.Struct("<d"),
}
_FROM_FIXED32: Final[dict[int, struct.Struct]] = {FieldDescriptor.TYPE_FIXED32: struct.Struct("<I")}


class LenientMessage:
    """Reads like a generated message: fields by name, absent ones with their default, `WhichOneof`, `HasField`."""

    __slots__ = ("_descriptor", "_values")

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._values: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            pass
        try:
            field = self._descriptor.fields_by_name[name]
        except KeyError:
            raise AttributeError(name) from None
        if field.is_repeated:
            return []
        if field.message_type is not None:
            return LenientMessage(field.message_type)
        return field.default_value

    def WhichOneof(self, name: str) -> str | None:  # noqa: N802 - the generated messages' name
        members = self._descriptor.oneofs_by_name[name].fields
        return next((member.name for member in members if member.name in self._values), None)

    def HasField(self, name: str) -> bool:  # noqa: N802 - the generated messages' name
        return name in self._values

    def _set(self, field: FieldDescriptor, value: Any) -> None:
        oneof = field.containing_oneof
        if oneof is not None:
            for member in oneof.fields:
                if member.name != field.name:
                    self._values.pop(member.name, None)
        self._values[field.name] = value


def parse(descriptor: Descriptor, data: bytes, max_depth: int) -> tuple[LenientMessage, list[str]]:
    """The message, and what was mended in it, e.g. `invalid_utf8:gen_ai.prompt`. An AnyValue deeper than `max_depth`
    comes back empty: whoever walks the message meets it one level too deep and refuses the item."""
    reader = _Reader(data, max_depth)
    message = LenientMessage(descriptor)
    reader.read(message, 0, len(data), depth=0)
    return message, reader.repairs


class _Reader:
    def __init__(self, data: bytes, max_depth: int) -> None:
        self.data = data
        self.max_depth = max_depth
        self.repairs: list[str] = []
        self._in_pair = False
        self._pair_mended = False
        self._value_name: str | None = None

    def read(self, message: LenientMessage, start: int, end: int, depth: int) -> None:
        """Read fields into a message; a repeated occurrence of a single message is merged, as protobuf demands."""
        descriptor = message._descriptor
        if descriptor.full_name == _VALUE:
            depth += 1
            if depth > self.max_depth:
                return
        outermost_pair = descriptor.full_name == _PAIR and not self._in_pair
        if outermost_pair:
            self._in_pair, self._pair_mended = True, False
        for number, kind, at, stop in fields(self.data, start, end):
            field = descriptor.fields_by_number.get(number)
            if field is None:
                continue
            if field.message_type is not None:
                if kind == LENGTH:
                    self._read_message(message, field, field.message_type, at, stop, depth)
            elif field.is_repeated:
                message._values.setdefault(field.name, []).extend(self._scalars(field, kind, at, stop))
            else:
                for value in self._scalars(field, kind, at, stop):
                    message._set(field, value)
        if outermost_pair:
            self._in_pair = False
            if self._pair_mended:
                note(self.repairs, "invalid_utf8", message.key)

    def _read_message(
        self, parent: LenientMessage, field: FieldDescriptor, type_: Descriptor, start: int, end: int, depth: int
    ) -> None:
        if field.is_repeated:
            child = LenientMessage(type_)
            parent._values.setdefault(field.name, []).append(child)
        else:
            held = parent._values.get(field.name)
            child = held if held is not None else LenientMessage(type_)
            parent._set(field, child)
        outer = self._value_name
        if outer is None and type_.full_name == _VALUE:
            self._value_name = field.name
        self.read(child, start, end, depth)
        self._value_name = outer

    def _scalars(self, field: FieldDescriptor, kind: int, start: int, end: int) -> list[Any]:
        """The values of one occurrence of a field: one, none when the wire type does not fit, several when packed."""
        data, type_ = self.data, field.type
        if kind == LENGTH:
            if type_ == FieldDescriptor.TYPE_STRING:
                return [self._text(field, data[start:end])]
            if type_ == FieldDescriptor.TYPE_BYTES:
                return [data[start:end]]
            return self._packed(type_, start, end) if field.is_repeated else []
        if kind == VARINT and type_ in _FROM_VARINT:
            return [_FROM_VARINT[type_](varint(data, start, end)[0])]
        if kind == FIXED64 and type_ in _FROM_FIXED64:
            return [_FROM_FIXED64[type_].unpack_from(data, start)[0]]
        if kind == FIXED32 and type_ in _FROM_FIXED32:
            return [_FROM_FIXED32[type_].unpack_from(data, start)[0]]
        return []

    def _packed(self, type_: int, start: int, end: int) -> list[Any]:
        shape = _FROM_FIXED64.get(type_) or _FROM_FIXED32.get(type_)
        if shape is not None:
            if (end - start) % shape.size:
                raise PayloadError(f"malformed protobuf: a packed field at byte {start} does not end on a number")
            return [value for (value,) in shape.iter_unpack(self.data[start:end])]
        convert = _FROM_VARINT[type_]
        values = []
        while start < end:
            raw, start = varint(self.data, start, end)
            values.append(convert(raw))
        return values

    def _text(self, field: FieldDescriptor, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            if self._in_pair:
                self._pair_mended = True
            else:
                note(self.repairs, "invalid_utf8", self._value_name or field.name)
            return raw.decode("utf-8", "replace")


def _int32(raw: int) -> int:
    raw &= 0xFFFFFFFF
    return raw - (1 << 32) if raw >> 31 else raw
