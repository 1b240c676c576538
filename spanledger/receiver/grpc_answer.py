"""The answer to a gRPC call: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Responses"."""

from __future__ import annotations

import binascii
import re
from typing import Final

from spanledger.receiver.http2 import field, status
from spanledger.receiver.status import Failure

HEAD: Final = status(200) + field(b"content-type", b"application/grpc")
OK: Final = field(b"grpc-status", b"0")
"""Trailers."""

HINT: Final = b"this port speaks gRPC; OTLP over HTTP has another one\n"
"""For who speaks HTTP/2 and no gRPC."""

_ENCODED: Final = re.compile(rb"[^\x20-\x24\x26-\x7e]")
"""Bytes of a `grpc-message` that are percent-encoded."""


def message(body: bytes) -> bytes:
    """With its prefix."""
    return b"\x00" + len(body).to_bytes(4, "big") + body


def refusal(failure: Failure, *more: tuple[bytes, bytes]) -> bytes:
    """Head and trailers in one, with further fields."""
    told = failure.status()
    fields = [
        (b"grpc-status", b"%d" % failure.code),
        (b"grpc-message", percent_encoded(told.message)),
        *((name.encode(), _base64(value)) for name, value in failure.trailers()),
        *more,
    ]
    return HEAD + b"".join(field(name, value) for name, value in fields)


def no_grpc(http: int) -> bytes:
    """Head of the answer to what is no gRPC, with an HTTP status; the body is `HINT`."""
    return status(http) + field(b"content-type", b"text/plain")


def percent_encoded(text: str) -> bytes:
    return _ENCODED.sub(_encoded, text.encode())


def _encoded(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _base64(value: bytes) -> bytes:
    return binascii.b2a_base64(value, newline=False).rstrip(b"=")
