"""Lists of runs over HTTP: Lunary's parameters and shape beside ours, sorting, counting, search."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from spanledger.api.server import ApiServer
from spanledger.model.records import Usage
from tests.exporters.ledger import Ledger
from tests.exporters.records import make_run, make_score, priced, recent


@pytest.fixture
async def http(server: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{server.address}") as session:
        yield session


async def names(http: aiohttp.ClientSession, query: str) -> str:
    async with http.get(f"/v1/runs?{query}") as answer:
        body = await answer.json()
        assert answer.status == 200, body
        return "".join(run["name"] for run in body["data"])


@pytest.fixture
async def runs(ledger: Ledger) -> None:
    parent = make_run(name="p", type="agent", started_at=recent(1))
    child = priced(
        "0.5",
        name="c",
        model="gpt-5",
        user_id="ada",
        tags=["x"],
        metadata={"plan": "pro"},
        parent_run_id=parent.run_id,
        duration_ns=2_000_000_000,
        usage=Usage(input_tokens=100, output_tokens=20),
        input="Where is the lighthouse?",
        prompt={"name": "greeting", "version": "7"},
        started_at=recent(2),
    )
    tool = make_run(name="t", type="tool", status="error", duration_ns=1_000_000, started_at=recent(3))
    await ledger.write(parent, child, tool, make_score(child, "thumb", "up"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "pct"),
        ("search=LIGHTHOUSE", "c"),
        ("type=trace", "p"),
        ("type=trace&type=tool", "pt"),
        ("root=false", "c"),
        ("metadata=plan:pro", "c"),
        ("metadata=plan.pro", "c"),
        ("models=gpt-5,other", "c"),
        ("users=ada", "c"),
        ("tags=x,y", "c"),
        ("templates=7,8", "c"),
        ("templates=greeting", "c"),
        ("templates=8", ""),
        ("feedback=up", "c"),
        ("feedback=down", ""),
        ("min_duration=1", "c"),
        ("max_duration=0.5", "t"),
        ("duration=lte.0.001", "t"),
        ("cost=gt.0.4", "c"),
        ("min_cost=0.6", ""),
        ("tokens=completion.eq.20", "c"),
        ("tokens=total.gt.120", ""),
        ("min_tokens=120", "c"),
        ("date=before.2020-01-01T00:00:00Z", ""),
        ("sort=duration&order=asc", "tcp"),
        ("sortField=cost&sortDirection=desc&limit=1", "c"),
        ("page=1&limit=2", "t"),
    ],
)
async def test_lists_can_be_narrowed_and_sorted(
    runs: None, http: aiohttp.ClientSession, query: str, expected: str
) -> None:
    assert await names(http, query) == expected


async def test_all_that_match_are_counted_on_demand(runs: None, http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/runs?limit=1&total=true&type=llm&type=tool") as answer:
        assert (await answer.json())["total"] == 2
    async with http.get("/v1/runs/count?type=tool") as answer:
        assert await answer.json() == {"count": 1}


async def test_lunarys_fields_stand_beside_ours(runs: None, http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/runs?type=llm") as answer:
        (run,) = (await answer.json())["data"]

    assert run["cost"]["total"] == "0.5"
    assert (run["id"], run["createdAt"], run["duration"]) == (run["run_id"], run["started_at"], 2.0)
    assert run["tokens"] == {"prompt": 100, "cachedPrompt": None, "completion": 20, "total": 120}
    assert (run["user"]["externalId"], run["feedback"], run["isPublic"]) == ("ada", {"thumb": "up"}, False)


async def test_the_shape_of_lunary_is_lunarys_alone(runs: None, http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/runs?type=llm&shape=lunary") as answer:
        (listed,) = (await answer.json())["data"]
    async with http.get(f"/v1/runs/{listed['id']}?shape=lunary") as answer:
        run: dict[str, Any] = await answer.json()

    assert "run_id" not in listed
    assert (listed["cost"], listed["input"]) == (0.5, [{"role": "user", "content": "Where is the lighthouse?"}])
    assert (run["feedbacks"], run["parentFeedback"]) == ([{"thumb": "up"}], None)


async def test_usage_by_name_for_a_number_of_days(runs: None, http: aiohttp.ClientSession) -> None:
    async with http.get("/v1/runs/usage?days=1000&daily=true&userId=ada") as answer:
        (line,) = await answer.json()

    assert line["date"] == f"{line['date']:.10}"
    assert {name: value for name, value in line.items() if name != "date"} == {
        "name": "c",
        "type": "llm",
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "cost": 0.5,
        "errors": 0,
        "success": 1,
    }
