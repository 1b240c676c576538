"""Header blocks: HPACK (RFC 7541) with what most requests need taken out of the way.

Senders say the same with every request, and from the second on they say it in a few bytes that refer to their table.
A block that leaves the table as it is means the same as long as the table stays so: its meaning is remembered, and then
costs one look-up. The other blocks are read field by field here, with the table and the Huffman code of the package
`hpack`, whose own decoder takes 40 to 60 µs for the head of a call (4.2) where this takes a fourth: Go's clients change
a field with every request.

Answers say little and refer to the static table only.
"""

from __future__ import annotations

from typing import Final, Generic, TypeAlias, TypeVar

from hpack.exceptions import HPACKError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from spanledger.errors import SpanledgerError
from spanledger.receiver.http2.frames import TABLE_SIZE, ErrorCode, Violation

Fields: TypeAlias = list[tuple[bytes, bytes]]

_STATIC_FIELDS: Final = HeaderTable.STATIC_TABLE_LENGTH
_FIELD_OVERHEAD: Final = 32
"""What RFC 9113, section 6.5.2, counts for each field beside its bytes."""
_REMEMBERED: Final = 16
"""Blocks of one connection: it knows three methods and few variants of their heads."""
_REMEMBERED_SIZE: Final = 1024
"""Bytes of a block that is worth it."""
_INTEGER_AT_MOST: Final = 5
"""Bytes that continue an integer."""

_Head = TypeVar("_Head")


class TooLarge(SpanledgerError):
    """The fields are larger than allowed; the table is no longer that of the peer, so no further block can be read."""


class HeaderBlocks(Generic[_Head]):
    """Reads the blocks of one connection, and remembers what was made of their fields."""

    def __init__(self, max_size: int) -> None:
        """`max_size`: bytes of the fields of a block, with 32 for each."""
        self._max_size = max_size
        self._table = HeaderTable()
        self._known: dict[bytes, _Head] = {}
        self._changed = False

    def known(self, block: bytes) -> _Head | None:
        """What was made of the same block, if it still means the same."""
        return self._known.get(block)

    def remember(self, block: bytes, head: _Head) -> None:
        """What was made of the block that was read last, unless it changed the table."""
        if not self._changed and len(block) <= _REMEMBERED_SIZE:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[block] = head

    def read(self, block: bytes) -> Fields:
        """The fields of a block. Raises `Violation` for what is no HPACK, and `TooLarge`."""
        self._changed = False
        try:
            fields = self._read(block)
        except (HPACKError, IndexError):
            raise Violation(ErrorCode.COMPRESSION_ERROR, "a header block that is no HPACK") from None
        finally:
            if self._changed:
                self._known.clear()
        return fields

    def _read(self, block: bytes) -> Fields:
        fields: Fields = []
        table = self._table
        static, added = table.STATIC_TABLE, table.dynamic_entries
        room = self._max_size
        at, end = 0, len(block)
        while at < end:
            first = block[at]
            if first & 0x80:  # section 6.1: a field of the table
                index = first & 0x7F
                at += 1
                if index == 0x7F:
                    index, at = _integer(block, at, index)
                # Most of what there is to read; a call of `get_by_index` for each doubled the time.
                if index > _STATIC_FIELDS:
                    name, value = added[index - _STATIC_FIELDS - 1]
                elif index:
                    name, value = static[index - 1]
                else:
                    raise Violation(ErrorCode.COMPRESSION_ERROR, "a field that is none")
            elif first & 0xE0 == 0x20:  # section 6.3: the size of the table
                if fields:
                    raise Violation(ErrorCode.COMPRESSION_ERROR, "the table's size changes behind a field")
                size = first & 0x1F
                at += 1
                if size == 0x1F:
                    size, at = _integer(block, at, size)
                if size > TABLE_SIZE:
                    raise Violation(ErrorCode.COMPRESSION_ERROR, "the table's size is over what we allowed")
                self._changed = True
                table.maxsize = size
                continue
            else:  # section 6.2: a field of its own
                mask = 0x3F if first & 0x40 else 0x0F
                index = first & mask
                at += 1
                if index == mask:
                    index, at = _integer(block, at, index)
                if index:
                    name = table.get_by_index(index)[0]
                else:
                    name, at = _string(block, at)
                value, at = _string(block, at)
                if first & 0x40:
                    self._changed = True
                    table.add(name, value)
            room -= len(name) + len(value) + _FIELD_OVERHEAD
            if room < 0:
                raise TooLarge
            fields.append((name, value))
        return fields


def _integer(block: bytes, at: int, value: int) -> tuple[int, int]:
    """RFC 7541, section 5.1, behind a prefix that is full; and where it ends."""
    for number in range(_INTEGER_AT_MOST):
        byte = block[at + number]
        value += (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, at + number + 1
    raise Violation(ErrorCode.COMPRESSION_ERROR, "an integer that is too long")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """Section 5.2; and where it ends."""
    first = block[at]
    size = first & 0x7F
    at += 1
    if size == 0x7F:
        size, at = _integer(block, at, size)
    stop = at + size
    if stop > len(block):
        raise Violation(ErrorCode.COMPRESSION_ERROR, "a header block that ends too early")
    text = block[at:stop]
    return (decode_huffman(text) if first & 0x80 else text), stop


def field(name: bytes, value: bytes) -> bytes:
    """A field of an answer, without the table: literal, not indexed, no Huffman code (section 6.2.2)."""
    return b"\x00" + _length(len(name)) + name + _length(len(value)) + value


def status(code: int) -> bytes:
    """The field `:status`; its name is the static table's."""
    return b"\x88" if code == 200 else b"\x08\x03%d" % code


def _length(size: int) -> bytes:
    if size < 0x7F:
        return bytes((size,))
    parts = bytearray((0x7F,))
    size -= 0x7F
    while size >= 0x80:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    parts.append(size)
    return bytes(parts)
