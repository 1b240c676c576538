"""Frames of HTTP/2 and their fields: RFC 9113, sections 4, 6 and 7."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

from spanledger.errors import SpanledgerError

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

HEAD: Final = struct.Struct(">HBBBI")
"""Of a frame: length (16 and 8 bits), type, flags, stream."""
HEAD_SIZE: Final = 9
MAX_FRAME: Final = 16_384
"""Bytes of a frame's payload, in both directions: the protocol's default, which no peer may go below."""
MAX_WINDOW: Final = (1 << 31) - 1
FIRST_WINDOW: Final = 65_535
"""Bytes that may be sent before the first WINDOW_UPDATE."""
LAST_STREAM: Final = (1 << 31) - 1

LONG_SIZE: Final = 4
PRIORITY_SIZE: Final = 5
PING_SIZE: Final = 8
TABLE_SIZE: Final = 4096
"""Bytes of HPACK's table, unless SETTINGS say otherwise."""

HEADER_TABLE_SIZE: Final = 1
ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6

_SETTING: Final = struct.Struct(">HI")
_LONG: Final = struct.Struct(">I")


class ErrorCode(IntEnum):
    """RFC 9113, section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class Violation(SpanledgerError):
    """The peer broke a rule that the whole connection depends on: it is closed with this code (section 5.4.1)."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    size = len(payload)
    return HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def settings(values: Mapping[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*pair) for pair in values.items()))


def read_settings(payload: bytes) -> Iterator[tuple[int, int]]:
    """Identifier and value of each. Raises `Violation` for another length and for values out of their range."""
    if len(payload) % _SETTING.size:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of a wrong length")
    for name, value in _SETTING.iter_unpack(payload):
        if name == ENABLE_PUSH and value > 1:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        if name == INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise Violation(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
        if name == MAX_FRAME_SIZE and not MAX_FRAME <= value < 1 << 24:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of its range")
        yield name, value


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, _LONG.pack(increment))


def reset(stream: int, code: ErrorCode) -> bytes:
    return frame(RST_STREAM, 0, stream, _LONG.pack(code))


def goaway(last_stream: int, code: ErrorCode, text: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, _LONG.pack(last_stream) + _LONG.pack(code) + text.encode())


def long(payload: bytes) -> int:
    """Four bytes, without the reserved bit."""
    value: int = _LONG.unpack_from(payload)[0]
    return value & LAST_STREAM


def unpadded(payload: bytes, flags: int) -> bytes:
    """What a payload holds beside its padding (sections 6.1 and 6.2). Raises `Violation`."""
    if not flags & PADDED:
        return payload
    if not payload:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "a padded frame without the length of its padding")
    padding = payload[0]
    if padding >= len(payload):
        raise Violation(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - padding]
