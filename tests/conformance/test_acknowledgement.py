"""An answer means that what was sent is kept: nobody is answered before the intake has taken it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from tests.conformance.otlp_client import Answer, Served
from tests.receiver.bodies import span, traces


def ask(served: Served, protocol: str) -> Awaitable[Answer]:
    body = traces(span("kept"))
    return served.http(body) if protocol == "http" else served.grpc(body)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_no_answer_before_it_is_kept(served: Served, protocol: str) -> None:
    served.memory.gate.clear()
    asking = asyncio.ensure_future(ask(served, protocol))
    await served.memory.entered.wait()
    finished, _ = await asyncio.wait([asking], timeout=0.1)
    assert not finished
    served.memory.gate.set()
    assert (await asking).code in (0, 200)
    assert served.memory.names == ["kept"]


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_no_success_when_it_cannot_be_kept(served: Served, protocol: str) -> None:
    served.memory.failure = OSError("no space left on device")
    answer = await ask(served, protocol)
    assert answer.code in (13, 500)
    assert served.memory.names == []


async def test_requests_of_one_connection_do_not_wait_for_each_other(served: Served) -> None:
    """A client gets more through by sending several at once (specification, "OTLP/gRPC Concurrent Requests")."""
    served.memory.gate.clear()
    asking = [asyncio.ensure_future(served.grpc(traces(span(f"span {number}")))) for number in range(5)]
    await served.memory.entered.wait()
    served.memory.gate.set()
    assert [answer.code for answer in await asyncio.gather(*asking)] == [0] * 5
