"""The table from failures to the answers of both protocols."""

from __future__ import annotations

import json
import logging

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from spanledger.errors import (
    LogError,
    NotServed,
    Overloaded,
    PayloadError,
    PayloadTooLarge,
    PermissionDenied,
    SchemaError,
    StoreUnavailable,
    Throttled,
    Unauthenticated,
)
from spanledger.model.received import Encoding
from spanledger.receiver.status import HTTP_STATUS, Code, Failure, failure, failure_of


@pytest.mark.parametrize(
    ("problem", "code", "http", "retry_after", "message"),
    [
        (PayloadError("no"), Code.INVALID_ARGUMENT, 400, None, "no"),
        (PayloadTooLarge("big"), Code.RESOURCE_EXHAUSTED, 413, None, "big"),
        (Unauthenticated("who"), Code.UNAUTHENTICATED, 401, None, "who"),
        (PermissionDenied("not you"), Code.PERMISSION_DENIED, 403, None, "not you"),
        (Throttled("slow down", 2.5), Code.RESOURCE_EXHAUSTED, 429, 2.5, "slow down"),
        (NotServed("no pipeline"), Code.UNIMPLEMENTED, 404, None, "no pipeline"),
        (Overloaded("full", 2.5), Code.UNAVAILABLE, 503, 2.5, "full"),
        (LogError("disk x"), Code.UNAVAILABLE, 503, 5.0, "the request cannot be stored now, send it again"),
        (StoreUnavailable("db x"), Code.UNAVAILABLE, 503, 5.0, "the request cannot be stored now, send it again"),
        (SchemaError("table x"), Code.INTERNAL, 500, None, "internal error"),
        (ZeroDivisionError("x"), Code.INTERNAL, 500, None, "internal error"),
    ],
)
def test_every_exception_has_an_answer(
    problem: Exception, code: Code, http: int, retry_after: float | None, message: str
) -> None:
    assert failure_of(problem) == Failure(code, http, message, retry_after)


def test_unexpected_exceptions_are_logged_with_their_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "spanledger.receiver.status"):
        failure_of(ZeroDivisionError("the reason"))
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (30, "30"), (None, None)]
)
def test_retry_after_is_rounded_up_and_at_least_one(seconds: float | None, header: str | None) -> None:
    assert Failure(Code.UNAVAILABLE, 503, "", seconds).retry_after_seconds() == header


def test_grpc_trailers_carry_the_delay_twice() -> None:
    trailers = dict(Failure(Code.UNAVAILABLE, 503, "full", 1.5).trailers())
    assert set(trailers) == {"grpc-status-details-bin", "google.rpc.retryinfo-bin"}
    status = Status.FromString(trailers["grpc-status-details-bin"])
    assert (status.code, status.message) == (14, "full")
    details = RetryInfo()
    assert AnyMessage.Unpack(status.details[0], details)
    for retry in (details, RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"])):
        assert retry.retry_delay.ToMilliseconds() == 1500


def test_what_is_not_to_be_repeated_carries_no_delay() -> None:
    trailers = dict(failure(Code.RESOURCE_EXHAUSTED, "too large", http=413).trailers())
    assert set(trailers) == {"grpc-status-details-bin"}
    assert list(Status.FromString(trailers["grpc-status-details-bin"]).details) == []


def test_bodies_are_status_messages_in_both_encodings() -> None:
    problem = Failure(Code.UNAVAILABLE, 503, "voll ü", 0.5)
    assert Status.FromString(problem.body(Encoding.PROTOBUF)) == problem.status()
    assert json.loads(problem.body(Encoding.JSON)) == {
        "code": 14,
        "message": "voll ü",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.500s"}],
    }


def test_messages_are_cut_to_fit_into_trailers() -> None:
    status = failure(Code.INVALID_ARGUMENT, "ü" * 10_000).status()
    assert status.message == "ü" * 510 + "…"


def test_every_grpc_code_has_an_http_status() -> None:
    assert set(HTTP_STATUS) == set(Code)
