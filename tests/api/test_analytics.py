"""Threads, users and sums over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from spanledger.api.server import ApiServer
from spanledger.model.records import rfc3339
from tests.exporters.ledger import Ledger
from tests.exporters.records import make_run, make_score, priced, recent


@pytest.fixture
async def http(server: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{server.address}") as session:
        yield session


async def get(http: aiohttp.ClientSession, path: str, status: int = 200) -> Any:
    async with http.get(path) as answer:
        body = await answer.json()
        assert answer.status == status, body
        return body


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


async def test_a_thread_is_read_as_a_conversation(ledger: Ledger, http: aiohttp.ClientSession) -> None:
    first = priced(
        "1",
        session_id="s 1",
        user_id="ada",
        input=[said("user", "hi")],
        output=[said("assistant", "hello")],
        started_at=recent(9),
    )
    second = priced(
        "2",
        session_id="s 1",
        input=[said("user", "hi"), said("assistant", "hello"), said("user", "bye")],
        output=[said("assistant", "see you")],
        started_at=recent(8),
    )
    inner = priced("4", session_id="s 1", parent_run_id=second.run_id, started_at=recent(7))
    await ledger.write(first, second, inner, make_score(second, "thumb", "down"), make_run(session_id="other"))

    threads = await get(http, "/v1/threads?search=S")
    (thread,) = threads["data"]
    assert (thread["id"], thread["first_message"], thread["user_id"]) == ("s 1", "hi", "ada")
    assert (thread["runs"], thread["cost"], threads["next_cursor"]) == (3, "7", None)
    whole = await get(http, "/v1/threads/s%201")
    assert [run["run_id"] for run in whole["runs"]] == [first.run_id, second.run_id, inner.run_id]
    turns = (await get(http, "/v1/threads/s%201/messages"))["data"]
    assert [(turn["input"], turn["output"], turn["feedback"]) for turn in turns] == [
        ([said("user", "hi")], [said("assistant", "hello")], None),
        ([said("user", "bye")], [said("assistant", "see you")], {"thumb": "down"}),
    ]
    assert (await get(http, "/v1/threads/nobody", 404))["error"] == "not_found"


async def test_pages_of_threads(ledger: Ledger, http: aiohttp.ClientSession) -> None:
    await ledger.write(*(make_run(session_id=f"s{number}", started_at=recent(number)) for number in range(5)))

    first = await get(http, "/v1/threads?limit=3")
    second = await get(http, f"/v1/threads?limit=3&cursor={first['next_cursor']}")

    assert [thread["id"] for page in (first, second) for thread in page["data"]] == ["s0", "s1", "s2", "s3", "s4"]
    assert (first["more"], second["more"], second["next_cursor"]) == (True, False, None)


async def test_users_with_what_they_cost(ledger: Ledger, http: aiohttp.ClientSession) -> None:
    await ledger.write(
        priced("1", user_id="ada", model="a", user_props={"name": "Ada"}),
        priced("2", user_id="ada", model="b"),
        priced("9", user_id="bob"),
    )

    users = (await get(http, "/v1/users?sort=cost"))["data"]
    assert [(user["id"], user["cost"], user["runs"]) for user in users] == [("bob", "9", 1), ("ada", "3", 2)]
    ada = await get(http, "/v1/external-users/ada")
    assert [(model["key"], model["cost"]) for model in ada["models"]] == [("b", "2"), ("a", "1")]
    await get(http, "/v1/users/nobody", 404)


async def test_sums_by_model_and_hour(ledger: Ledger, http: aiohttp.ClientSession) -> None:
    at = recent(1)
    hour = at // 3_600_000_000_000 * 3_600_000_000_000
    await ledger.write(
        priced("1", model="a", duration_ns=10, started_at=at),
        priced("2", model="a", duration_ns=30, status="error", started_at=at),
        priced("4", model="b", started_at=at),
    )

    found = await get(http, f"/v1/analytics?by=model&interval=hour&from={rfc3339(at - 10**12)}&top=1")

    assert (found["totals"]["runs"], found["totals"]["cost"]) == (3, "7")
    assert [(group["key"], group["cost"]) for group in found["groups"]] == [("b", "4")]
    assert [(line["at"], line["key"]) for line in found["series"]] == [(rfc3339(hour), "b")]
    (both,) = (await get(http, "/v1/analytics?by=model&model=a"))["groups"]
    assert (both["errors"], both["duration_ns"]["p50"], both["ttft_ns"]) == (1, 20, None)


async def test_too_many_intervals_are_refused(http: aiohttp.ClientSession) -> None:
    refused = await get(http, "/v1/analytics?interval=minute&from=2020-01-01T00:00:00Z", 422)
    assert refused["details"][0]["parameter"] == "interval"
    refused = await get(http, "/v1/analytics?interval=minute", 422)
    assert refused["details"][0]["parameter"] == "from"


async def test_values_to_filter_by(ledger: Ledger, http: aiohttp.ClientSession) -> None:
    await ledger.write(make_run(tags=["x", "y"]), make_run(tags=["x"]))

    assert (await get(http, "/v1/filters/tags"))["data"] == [{"value": "x", "runs": 2}, {"value": "y", "runs": 1}]
    assert (await get(http, "/v1/filters/colours", 422))["details"][0]["found"] == "colours"


PAGE = ("/", "/page/{file}")
"""What people get, not programs."""


async def test_the_document_describes_what_is_served(server: ApiServer, http: aiohttp.ClientSession) -> None:
    document = await get(http, "/openapi.json")

    assert document["openapi"] == "3.1.0"
    served = {
        (route.method, route.resource.canonical)
        for route in server.application().router.routes()
        if route.resource is not None and route.method != "HEAD" and route.resource.canonical not in PAGE
    }
    assert served == {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert document["components"]["schemas"]["Run"]["properties"]["usage"]["properties"]["input_tokens"]
