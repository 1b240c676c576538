"""The protobuf wire format, read field by field: only as much as is needed around the generated messages.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor import Descriptor

from spanledger.errors import PayloadError

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
GROUP_START: Final = 3
GROUP_END: Final = 4
FIXED32: Final = 5

_GROUPS_AT_MOST = 100


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, start, end) of each field of a message in `data[at:end]`; start and end enclose the
    content. Groups, which proto3 cannot contain, are stepped over. Raises `PayloadError` where the bytes are no
    message."""
    while at < end:
        tag = data[at]
        at += 1
        if tag >= 0x80:
            tag, at = varint(data, at - 1, end)
        kind = tag & 7
        if kind == LENGTH:
            if at < end and data[at] < 0x80:
                length = data[at]
                at += 1
            else:
                length, at = varint(data, at, end)
            stop = at + length
        elif kind == VARINT:
            _, stop = varint(data, at, end)
        elif kind == FIXED64:
            stop = at + 8
        elif kind == FIXED32:
            stop = at + 4
        elif kind == GROUP_START:
            at = _after_group(data, at, end, tag >> 3)
            continue
        else:
            raise PayloadError(f"malformed protobuf: wire type {kind} at byte {at - 1}")
        if stop > end:
            raise PayloadError(f"truncated protobuf: a field that starts at byte {at} runs over the end of its message")
        if not 8 <= tag < 1 << 32:
            raise PayloadError(f"malformed protobuf: field number {tag >> 3} at byte {at - 1}")
        yield tag >> 3, kind, at, stop
        at = stop


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(value below 2^64, position after it)."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift == 70:
            raise PayloadError(f"malformed protobuf: a varint at byte {at} has more than ten bytes")
    raise PayloadError(f"truncated protobuf: it ends inside a varint at byte {at}")


def _after_group(data: bytes, at: int, end: int, number: int) -> int:
    open_groups = [number]
    while open_groups:
        tag, at = varint(data, at, end)
        kind = tag & 7
        if kind == GROUP_START:
            open_groups.append(tag >> 3)
            if len(open_groups) > _GROUPS_AT_MOST:
                raise PayloadError(f"malformed protobuf: groups nested too deeply at byte {at}")
        elif kind == GROUP_END:
            if open_groups.pop() != tag >> 3:
                raise PayloadError(f"malformed protobuf: a group that was never opened ends at byte {at}")
        elif kind == VARINT:
            _, at = varint(data, at, end)
        elif kind == FIXED64:
            at += 8
        elif kind == FIXED32:
            at += 4
        elif kind == LENGTH:
            length, at = varint(data, at, end)
            at += length
        else:
            raise PayloadError(f"malformed protobuf: wire type {kind} at byte {at - 1}")
        if at > end:
            raise PayloadError("truncated protobuf: it ends inside a group")
    return at


def count_messages(descriptor: Descriptor, data: bytes, limit: int) -> int:
    """How many messages are nested in an encoded message of this type, counting no further than just over `limit`."""
    count = 0
    pending = [(descriptor, 0, len(data))]
    while pending and count <= limit:
        message, start, end = pending.pop()
        by_number = message.fields_by_number
        for number, kind, at, stop in fields(data, start, end):
            if kind != LENGTH:
                continue
            known = by_number.get(number)
            if known is not None and known.message_type is not None:
                count += 1
                if count > limit:
                    break
                if stop > at:
                    pending.append((known.message_type, at, stop))
    return count
