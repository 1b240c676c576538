"""The head of a gRPC call: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Requests"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from spanledger.model.received import Signal
from spanledger.receiver.http2 import Fields, Malformed
from spanledger.receiver.status import Code, Failure, failure

MAX_METADATA_BYTES: Final = 64 * 1024

_SIGNALS: Final = {
    b"/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    b"/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
    b"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
}
_PSEUDO: Final = frozenset((b":method", b":scheme", b":path", b":authority"))
_OF_CONNECTIONS: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
"""RFC 9113, section 8.2.2: HTTP/2 has no use for them."""
_NAME: Final = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(rb"(?:[^\x00\r\n\t ](?:[^\x00\r\n]*[^\x00\r\n\t ])?)?")
"""Section 8.2.1."""
_TIMEOUT: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_SECONDS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_UNKNOWN_METHOD: Final = failure(
    Code.UNIMPLEMENTED,
    "this method is not served here, only Export of OTLP's TraceService, LogsService, MetricsService",
)
_MALFORMED_TIMEOUT: Final = failure(Code.INTERNAL, "grpc-timeout is malformed")
_REMEMBERED: Final = 64
"""Heads of a listener: of every key that senders show, for three methods."""
_REMEMBERED_SIZE: Final = 4096
"""Bytes of the fields of a head that is worth it."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the fields say; shared by all calls that say the same."""

    signal: Signal
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    """As they came, names in lower case; those with bytes for values are left out."""
    encoding: str = "identity"
    timeout: float | None = None
    """Seconds."""
    content_length: int | None = None
    failure: Failure | None = None
    """The answer that is known already."""
    http: int = 0
    """HTTP status of the answer to what is no gRPC; 0 = it is."""
    metadata: Mapping[str, str] = field(init=False, repr=False)
    """The fields by their names; of those that share one the last."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", dict(self.fields))


TOO_LARGE: Final = Head(
    Signal.TRACES,
    (),
    failure=failure(Code.RESOURCE_EXHAUSTED, f"more than {MAX_METADATA_BYTES} bytes of metadata"),
)


class Heads:
    """Reads the heads of a listener. What differs from call to call is the deadline: without it a head is remembered,
    because Go's clients name another deadline in each, and so send no block of fields twice."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[bytes, bytes], ...], Head] = {}

    def read(self, fields: Fields) -> Head:
        """Raises `Malformed` for what HTTP/2 forbids."""
        at = next((at for at, (name, _) in enumerate(fields) if name == b"grpc-timeout"), None)
        if at is None or (fields[at + 1 : at + 2] and fields[at + 1][0].startswith(b":")):
            return _read(fields)
        usual = (*fields[:at], *fields[at + 1 :])
        head = self._known.get(usual)
        if head is None:
            head = _read(list(usual))
            if sum(len(value) for _, value in head.fields) <= _REMEMBERED_SIZE:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[usual] = head
        seconds = _timeout(fields[at][1])
        if head.failure is not None:
            return head
        if seconds is None:
            return replace(head, failure=_MALFORMED_TIMEOUT)
        return replace(head, timeout=seconds)


def _read(fields: Fields) -> Head:
    pseudo: dict[bytes, bytes] = {}
    found: dict[bytes, bytes] = {}
    size = 0
    for name, value in fields:
        size += len(name) + len(value)
        if _VALUE.fullmatch(value) is None:
            raise Malformed
        if name[:1] == b":":
            if found or name in pseudo or name not in _PSEUDO:
                raise Malformed
            pseudo[name] = value
        elif _NAME.fullmatch(name) is None or name in _OF_CONNECTIONS or (name == b"te" and value != b"trailers"):
            raise Malformed
        else:
            found[name] = value
    method, path = pseudo.get(b":method"), pseudo.get(b":path")
    if not method or not path or not pseudo.get(b":scheme"):
        raise Malformed
    length = found.get(b"content-length")
    if length is not None and not length.isdigit():
        raise Malformed
    if size > MAX_METADATA_BYTES:
        return TOO_LARGE
    signal = _SIGNALS.get(path)
    timeout = found.get(b"grpc-timeout")
    seconds = _timeout(timeout) if timeout is not None else None
    wrong = _UNKNOWN_METHOD if signal is None else None
    if timeout is not None and seconds is None:
        wrong = wrong or _MALFORMED_TIMEOUT
    return Head(
        signal if signal is not None else Signal.TRACES,
        tuple(
            (name.decode("ascii"), value.decode("utf-8", "replace"))
            for name, value in fields
            if not name.startswith(b":") and not name.endswith(b"-bin")
        ),
        found.get(b"grpc-encoding", b"identity").decode("ascii", "replace"),
        seconds,
        int(length) if length is not None and len(length) < 20 else None,
        wrong,
        _http(method, found.get(b"content-type", b"")),
    )


def _http(method: bytes, content_type: bytes) -> int:
    if method != b"POST":
        return 405
    content_type = content_type.lower()
    if content_type.startswith(b"application/grpc") and content_type[16:17] in (b"", b"+", b";"):
        return 0
    return 415


def _timeout(text: bytes) -> float | None:
    found = _TIMEOUT.fullmatch(text)
    return int(found[1]) * _SECONDS[found[2]] if found is not None else None
