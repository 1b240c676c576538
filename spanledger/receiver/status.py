"""Which failure becomes which gRPC code, HTTP status and google.rpc.Status body: one table for both servers.

OTLP specification "Failures" and "OTLP/HTTP Response"; what senders repeat is decided there, and differs between the
transports: gRPC RESOURCE_EXHAUSTED is repeated only with RetryInfo, HTTP only 429, 502, 503 and 504.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from enum import IntEnum

from google.protobuf import json_format
from google.rpc import error_details_pb2, status_pb2

from spanledger.errors import (
    LogError,
    NotServed,
    Overloaded,
    PayloadError,
    PayloadTooLarge,
    PermissionDenied,
    StoreUnavailable,
    Throttled,
    Unauthenticated,
)
from spanledger.model.received import Encoding

_log = logging.getLogger(__name__)

_MESSAGE_AT_MOST = 1024
"""Bytes. gRPC sends a message twice in its trailers, and clients take 8 KiB of them."""


class Code(IntEnum):
    """google.rpc.Code."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_STATUS: dict[Code, int] = {
    Code.OK: 200,
    Code.CANCELLED: 503,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 503,
    Code.NOT_FOUND: 500,
    Code.ALREADY_EXISTS: 500,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 500,
    Code.ABORTED: 503,
    Code.OUT_OF_RANGE: 503,
    Code.UNIMPLEMENTED: 404,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 503,
    Code.UNAUTHENTICATED: 401,
}
"""As the OpenTelemetry Collector translates (receiver/otlpreceiver/internal/errors). `Failure.http` may be finer."""

_RETRY_LATER = 5.0
"""Seconds, where whoever failed names no delay."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is no success, for either transport."""

    code: Code
    http: int
    message: str
    retry_after: float | None = None
    """Seconds; set exactly when the sender should send the same again."""

    def status(self) -> status_pb2.Status:
        """The google.rpc.Status of this failure, with RetryInfo where it is to be repeated."""
        status = status_pb2.Status(code=int(self.code), message=shortened(self.message))
        retry = self.retry_info()
        if retry is not None:
            status.details.add().Pack(retry)
        return status

    def body(self, encoding: Encoding) -> bytes:
        """The HTTP response body, in the encoding of the request."""
        if encoding is Encoding.PROTOBUF:
            return bytes(self.status().SerializeToString())
        return json_format.MessageToJson(self.status(), indent=None).encode()

    def retry_info(self) -> error_details_pb2.RetryInfo | None:
        if self.retry_after is None:
            return None
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(round(self.retry_after * 1e9))
        return retry

    def retry_after_seconds(self) -> str | None:
        """The `Retry-After` header: whole seconds, rounded up and never 0, which would make senders hammer."""
        return None if self.retry_after is None else str(max(1, math.ceil(self.retry_after)))

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """gRPC trailing metadata. The Python SDK reads the delay from `google.rpc.retryinfo-bin` (exporter-otlp-proto-
        grpc, exporter.py), all others from `grpc-status-details-bin`."""
        trailers: tuple[tuple[str, bytes], ...] = (("grpc-status-details-bin", self.status().SerializeToString()),)
        retry = self.retry_info()
        if retry is not None:
            trailers += (("google.rpc.retryinfo-bin", retry.SerializeToString()),)
        return trailers


def failure(code: Code, message: str, http: int | None = None) -> Failure:
    """A failure that is not to be repeated; its HTTP status is the table's unless given."""
    return Failure(code, HTTP_STATUS[code] if http is None else http, message)


def failure_of(problem: Exception) -> Failure:
    """The answer to an exception. Those that are no part of `spanledger.errors`' promise to senders are logged here
    and answered without their text: it may name tables, paths or addresses."""
    match problem:
        case PayloadTooLarge():
            return failure(Code.RESOURCE_EXHAUSTED, str(problem), http=413)
        case PayloadError():
            return failure(Code.INVALID_ARGUMENT, str(problem))
        case Unauthenticated():
            return failure(Code.UNAUTHENTICATED, str(problem))
        case PermissionDenied():
            return failure(Code.PERMISSION_DENIED, str(problem))
        case NotServed():
            return failure(Code.UNIMPLEMENTED, str(problem))
        case Overloaded():
            return Failure(Code.UNAVAILABLE, 503, str(problem), max(problem.retry_after, 0.0))
        case Throttled():
            return Failure(Code.RESOURCE_EXHAUSTED, 429, str(problem), max(problem.retry_after, 0.0))
        case LogError() | StoreUnavailable():
            _log.error("cannot accept telemetry: %s", problem)
            return Failure(Code.UNAVAILABLE, 503, "the request cannot be stored now, send it again", _RETRY_LATER)
        case _:
            _log.error("request failed", exc_info=problem)
            return failure(Code.INTERNAL, "internal error")


def shortened(message: str, limit: int = _MESSAGE_AT_MOST) -> str:
    """A message of at most so many bytes in UTF-8."""
    encoded = message.encode("utf-8", "replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode("utf-8", "ignore") + "…"
