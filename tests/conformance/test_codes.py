"""Failures have the codes of the specification, and both protocols tell the same."""

from __future__ import annotations

import pytest

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
from spanledger.receiver.status import HTTP_STATUS, Code
from tests.conformance.otlp_client import Served
from tests.receiver.bodies import span, traces

FAILURES = [
    (PayloadError("bad"), 3, 400),
    (PayloadTooLarge("large"), 8, 413),
    (Unauthenticated("who"), 16, 401),
    (PermissionDenied("no"), 7, 403),
    (NotServed("what"), 12, 404),
    (Overloaded("full", 1), 14, 503),
    (Throttled("slow down", 1), 8, 429),
    (LogError("disk"), 14, 503),
    (StoreUnavailable("away"), 14, 503),
    (RuntimeError("bug"), 13, 500),
]


@pytest.mark.parametrize(
    ("failure", "code", "http"), FAILURES, ids=[type(failure).__name__ for failure, _, _ in FAILURES]
)
async def test_a_failure_is_the_same_over_grpc_and_http(
    served: Served, failure: Exception, code: int, http: int
) -> None:
    served.memory.failure = failure
    over_http, over_grpc = await served.http(traces(span())), await served.grpc(traces(span()))
    assert (over_grpc.code, over_http.code) == (code, http)
    assert over_grpc.status == over_http.status
    assert over_http.status.code == code


def test_every_grpc_code_has_the_http_status_of_the_collector() -> None:
    assert {code.name: status for code, status in HTTP_STATUS.items()} == {
        "OK": 200,
        "CANCELLED": 503,
        "UNKNOWN": 500,
        "INVALID_ARGUMENT": 400,
        "DEADLINE_EXCEEDED": 503,
        "NOT_FOUND": 500,
        "ALREADY_EXISTS": 500,
        "PERMISSION_DENIED": 403,
        "RESOURCE_EXHAUSTED": 429,
        "FAILED_PRECONDITION": 500,
        "ABORTED": 503,
        "OUT_OF_RANGE": 503,
        "UNIMPLEMENTED": 404,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DATA_LOSS": 503,
        "UNAUTHENTICATED": 401,
    }
    assert set(HTTP_STATUS) == set(Code)


async def test_an_unexpected_failure_tells_nothing_of_the_inside(served: Served) -> None:
    served.memory.failure = RuntimeError("table secrets at 10.0.0.1")
    for answer in (await served.http(traces(span())), await served.grpc(traces(span()))):
        assert answer.status.message == "internal error"
        assert not answer.status.details
