"""Who is to come back is told when, where each client looks for it; who is not to, is told nothing of the kind."""

from __future__ import annotations

import pytest
from google.rpc.error_details_pb2 import RetryInfo

from spanledger.errors import Overloaded, PayloadError, PayloadTooLarge, Throttled
from tests.conformance.otlp_client import Served
from tests.receiver.bodies import span, traces


@pytest.mark.parametrize("problem", [Overloaded("full", 2.5), Throttled("slow down", 2.5)])
async def test_grpc_carries_the_delay_in_both_trailers(served: Served, problem: Exception) -> None:
    """The Python SDK reads `google.rpc.retryinfo-bin`, all others the Status."""
    served.memory.failure = problem
    answer = await served.grpc(traces(span()))
    assert answer.delay == 2.5
    own = RetryInfo.FromString(answer.trailers["google.rpc.retryinfo-bin"])
    assert own.retry_delay.ToMilliseconds() == 2500


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (2.5, "3"), (60.0, "60")])
async def test_http_rounds_the_delay_up_to_whole_seconds(served: Served, seconds: float, header: str) -> None:
    served.memory.failure = Throttled("slow down", seconds)
    answer = await served.http(traces(span()))
    assert (answer.code, answer.headers["Retry-After"], answer.delay) == (429, header, seconds)


@pytest.mark.parametrize("problem", [PayloadError("bad"), PayloadTooLarge("large"), RuntimeError("bug")])
async def test_what_is_not_to_be_repeated_carries_no_delay(served: Served, problem: Exception) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo would be sent again for ever, however large it is."""
    served.memory.failure = problem
    over_grpc, over_http = await served.grpc(traces(span())), await served.http(traces(span()))
    assert (over_grpc.delay, over_http.delay) == (None, None)
    assert "google.rpc.retryinfo-bin" not in over_grpc.trailers
    assert "Retry-After" not in over_http.headers
