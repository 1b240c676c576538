"""Texts that are not UTF-8, mended in the bytes, so that generated messages can read them.

SDKs cut attribute values at a number of bytes, through the middle of a character; protobuf's parser refuses the whole
request for that.
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from spanledger.errors import PayloadError
from spanledger.receiver.wire.wire_format import LENGTH, fields

_DEEPEST = 100
"""Messages in messages; protobuf's parser goes no deeper."""


def mended(descriptor: Descriptor, data: bytes, depth: int = 0) -> bytes:
    """The same message with U+FFFD in the place of bad bytes. Raises `PayloadError` where the bytes are no message."""
    if depth > _DEEPEST:
        raise PayloadError(f"more than {_DEEPEST} messages in messages")
    out: list[bytes] = []
    changed = False
    for number, kind, start, stop in fields(data, 0, len(data)):
        content = data[start:stop]
        field = descriptor.fields_by_number.get(number)
        if kind == LENGTH:
            new = content
            if field is not None and field.type == FieldDescriptor.TYPE_STRING:
                new = content.decode("utf-8", "replace").encode()
            elif field is not None and field.message_type is not None:
                new = mended(field.message_type, content, depth + 1)
            changed = changed or new != content
            content = _varint(len(new)) + new
        out += (_varint(number << 3 | kind), content)
    return b"".join(out) if changed else data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
