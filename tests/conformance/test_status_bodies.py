"""Every HTTP failure has a google.rpc.Status as body, in the encoding of the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from spanledger.errors import Overloaded, PermissionDenied, Throttled
from tests.conformance.otlp_client import JSON, PROTOBUF, Answer, Served, json_body, serving
from tests.receiver.bodies import span, traces
from tests.receiver.decoding import json_span
from tests.receiver.servers import OneKey

Ask = Callable[[Served, str], Awaitable[Answer]]
GOOD = {PROTOBUF: traces(span()), JSON: json_body(json_span())}


def failing(problem: Exception) -> Ask:
    async def ask(served: Served, media_type: str) -> Answer:
        served.memory.failure = problem
        return await served.http(GOOD[media_type], media_type)

    return ask


async def undecodable(served: Served, media_type: str) -> Answer:
    return await served.http(b"\x0a\xff", media_type)


async def unknown_path(served: Served, media_type: str) -> Answer:
    return await served.http(GOOD[media_type], media_type, path="/v1/nothing")


async def other_method(served: Served, media_type: str) -> Answer:
    return await served.http(GOOD[media_type], media_type, method="PUT")


async def too_large(served: Served, media_type: str) -> Answer:
    return await served.http(bytes(2000), media_type)


ASKED: list[tuple[int, Ask]] = [
    (400, undecodable),
    (403, failing(PermissionDenied("not yours"))),
    (404, unknown_path),
    (405, other_method),
    (413, too_large),
    (429, failing(Throttled("slow down", 2))),
    (500, failing(RuntimeError("bug"))),
    (503, failing(Overloaded("full", 2))),
]


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON, "application/json; charset=utf-8"])
@pytest.mark.parametrize(("status", "ask"), ASKED, ids=[str(status) for status, _ in ASKED])
async def test_a_failure_has_a_status_in_the_encoding_of_the_request(status: int, ask: Ask, media_type: str) -> None:
    GOOD.setdefault(media_type, GOOD[JSON])
    async with serving(http={"max_request_body_size": 1000}) as served:
        answer = await ask(served, media_type)
    assert (answer.code, answer.media_type) == (status, media_type.partition(";")[0])
    assert answer.status.message


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
async def test_a_stranger_gets_a_status(media_type: str) -> None:
    async with serving(OneKey()) as served:
        answer = await served.http(GOOD[media_type], media_type)
    assert (answer.code, answer.media_type, answer.status.code) == (401, media_type, 16)


@pytest.mark.parametrize("media_type", ["text/plain", "application/grpc"])
async def test_a_type_that_is_none_of_ours_gets_a_status_in_json(served: Served, media_type: str) -> None:
    answer = await served.http(b"x", media_type)
    assert (answer.code, answer.media_type, answer.status.code) == (415, JSON, 3)
    assert answer.status.message.endswith("expected application/x-protobuf or application/json")


async def test_another_method_is_told_which_one_works(served: Served) -> None:
    answer = await served.http(b"", method="GET")
    assert (answer.code, answer.headers["Allow"]) == (405, "POST")


async def test_an_error_message_fits_into_trailers_and_headers(served: Served) -> None:
    served.memory.failure = PermissionDenied("no " * 10_000)
    for answer in (await served.http(GOOD[PROTOBUF]), await served.grpc(GOOD[PROTOBUF])):
        assert len(answer.status.message.encode()) <= 1024
