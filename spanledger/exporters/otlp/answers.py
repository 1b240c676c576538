"""What the answer to an OTLP request means for the batch (OTLP specification, "Failures" and "Throttling")."""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from typing import Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from spanledger.exporters.base import WriteResult

_RETRYABLE_HTTP: Final = frozenset({429, 502, 503, 504})
_MISPLACED_HTTP: Final = frozenset({401, 403, 404, 405, 407, 408})
_KEY_HTTP: Final = frozenset({401, 403})
_RETRYABLE_GRPC: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_MISPLACED_GRPC: Final = frozenset(
    {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED}
)
"""These speak of the key or the address and not of the data, so that they are no reason to give data up: the same
request goes through once somebody has put it right."""
_KEY_GRPC: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_TEXT_AT_MOST: Final = 300


def of_http(status: int, retry_after: str | None, text: str) -> WriteResult:
    """Of a status that is not 2xx; `retry_after` is the header."""
    reason = _short(f"HTTP {status} {text}".strip())
    if status in _RETRYABLE_HTTP:
        return WriteResult(retry=reason, retry_after=_seconds(retry_after))
    if status in _MISPLACED_HTTP or 300 <= status < 400:
        return WriteResult(retry=reason, turned_down=status in _KEY_HTTP)
    return WriteResult(refused=reason)


def of_grpc(code: grpc.StatusCode, details: str, trailers: dict[str, bytes | str]) -> WriteResult:
    """Of a code other than OK."""
    reason = _short(f"{code.name}: {details}")
    delay = _retry_info(trailers)
    if code in _RETRYABLE_GRPC or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and delay is not None):
        return WriteResult(retry=reason, retry_after=delay)
    if code in _MISPLACED_GRPC:
        return WriteResult(retry=reason, turned_down=code in _KEY_GRPC)
    return WriteResult(refused=reason)


def _retry_info(trailers: dict[str, bytes | str]) -> float | None:
    """Seconds of `google.rpc.RetryInfo`, if there is one."""
    raw = trailers.get("grpc-status-details-bin")
    if not isinstance(raw, bytes):
        return None
    try:
        status = status_pb2.Status.FromString(raw)
        for detail in status.details:
            info = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                return max(float(info.retry_delay.ToNanoseconds()) / 1e9, 0.0)
    except DecodeError:
        pass
    return None


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds: a number, or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TEXT_AT_MOST else text[: _TEXT_AT_MOST - 1] + "…"
