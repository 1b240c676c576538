"""The read API over HTTP."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from spanledger.access.projects import Projects
from spanledger.access.settings import ProjectsSettings
from spanledger.api.parameters import FILTERS, LIST
from spanledger.api.server import ApiServer
from spanledger.api.settings import ApiSettings
from spanledger.errors import ConfigError, StoreUnavailable
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.store import DEFAULT_PAGE, Cursor, Page, RunFilter
from spanledger.model.ids import uuid8
from spanledger.model.records import RunError
from tests.exporters.ledger import Ledger
from tests.exporters.records import as_json, make_run, make_score, priced, recent


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def get(http: aiohttp.ClientSession, server: ApiServer, path: str) -> tuple[int, dict[str, Any]]:
    async with http.get(f"http://{server.address}{path}") as answer:
        assert answer.headers["Content-Type"] == "application/json"
        return answer.status, await answer.json()


async def test_runs_are_listed_newest_first_page_by_page(
    ledger: Ledger, server: ApiServer, http: aiohttp.ClientSession
) -> None:
    runs = [make_run(started_at=recent(seconds)) for seconds in range(5)]
    await ledger.write(*runs)

    _, first = await get(http, server, "/v1/runs?limit=3")
    status, second = await get(http, server, f"/v1/runs?limit=3&cursor={first['next_cursor']}")

    assert status == 200
    listed = [run["run_id"] for page in (first, second) for run in page["data"]]
    assert listed == [run.run_id for run in runs]
    assert second["next_cursor"] is None


async def test_filters_are_combined_and_may_be_repeated(
    ledger: Ledger, server: ApiServer, http: aiohttp.ClientSession
) -> None:
    wanted = make_run(type="llm", model="a", user_id="u 1", tags=["x"], started_at=1_772_359_200_000_000_000)
    await ledger.write(wanted, make_run(type="llm", model="b"), make_run(type="tool", model="a"))

    _, found = await get(
        http,
        server,
        "/v1/runs?type=llm&type=agent&model=a&user=u+1&tag=x&status=success&name=gpt-4o"
        f"&trace={wanted.trace_id}&from=2026-03-01T11:00:00%2B01:00&to=2026-03-01T10:00:00.000000001Z",
    )

    assert [run["run_id"] for run in found["data"]] == [wanted.run_id]


async def test_a_run_is_given_as_it_was_written(ledger: Ledger, server: ApiServer, http: aiohttp.ClientSession) -> None:
    run = priced("0.000105", input="question", error=RunError(type="E", message="m", stack="s"))
    await ledger.write(run)

    status, found = await get(http, server, f"/v1/runs/{run.run_id}")
    assert status == 200
    assert {name: found[name] for name in as_json(run)} == as_json(run)


async def test_related_are_the_runs_of_the_same_trace(
    ledger: Ledger, server: ApiServer, http: aiohttp.ClientSession
) -> None:
    parent = make_run(trace_id="a" * 32, started_at=recent(9))
    child = make_run(trace_id="a" * 32, started_at=recent(8), parent_run_id=parent.run_id)
    await ledger.write(parent, child, make_run(trace_id="b" * 32))

    _, found = await get(http, server, f"/v1/runs/{child.run_id}/related")

    assert [run["run_id"] for run in found["data"]] == [parent.run_id, child.run_id]


async def test_a_run_without_a_trace_is_related_to_itself(
    ledger: Ledger, server: ApiServer, http: aiohttp.ClientSession
) -> None:
    run = make_run(trace_id="a" * 32)
    run.trace_id = None
    await ledger.write(run)

    _, found = await get(http, server, f"/v1/runs/{run.run_id}/related")

    assert [found["run_id"] for found in found["data"]] == [run.run_id]


async def test_scores_of_a_run(ledger: Ledger, server: ApiServer, http: aiohttp.ClientSession) -> None:
    run = make_run()
    score = make_score(run, "thumb", "up")
    await ledger.write(score)  # before its run

    assert await get(http, server, f"/v1/runs/{run.run_id}/scores") == (200, {"data": [as_json(score)]})


async def test_usage_sums_what_is_billable(ledger: Ledger, server: ApiServer, http: aiohttp.ClientSession) -> None:
    await ledger.write(priced("0.1", user_id="u1"), priced("0.2", user_id="u1", billable=False), priced("0.4"))

    assert await get(http, server, "/v1/runs/usage?user=u1") == (
        200,
        {
            "runs": 2,
            "errors": 0,
            "billable_runs": 1,
            "unpriced_runs": 0,
            "input_tokens": 10,
            "output_tokens": 2,
            "cache_read_tokens": None,
            "cache_write_tokens": None,
            "reasoning_tokens": None,
            "cost": "0.1",
        },
    )


async def test_another_project_is_not_shown(ledger: Ledger, server: ApiServer, http: aiohttp.ClientSession) -> None:
    run = make_run(project_id="other")
    await ledger.write(run)

    assert (await get(http, server, f"/v1/runs/{run.run_id}"))[0] == 404
    assert (await get(http, server, "/v1/runs"))[1]["data"] == []


async def test_the_root_names_the_endpoints(server: ApiServer, http: aiohttp.ClientSession) -> None:
    status, index = await get(http, server, "/")

    assert (status, index["name"]) == (200, "spanledger")
    assert "GET /v1/runs/{id}" in index["endpoints"]
    assert await get(http, server, "/health") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"/v1/runs/{uuid8('nobody')}", "no run has this id"),
        (f"/v1/runs/{uuid8('nobody')}/related", "no run has this id"),
        ("/v1/runs/7", "no run has this id"),
        ("/v2/runs", "nothing is served here; GET / lists the endpoints"),
    ],
)
async def test_what_is_not_there_is_404(
    server: ApiServer, http: aiohttp.ClientSession, path: str, message: str
) -> None:
    assert await get(http, server, path) == (404, {"error": "not_found", "message": message, "details": []})


async def test_another_method_is_405(server: ApiServer, http: aiohttp.ClientSession) -> None:
    async with http.post(f"http://{server.address}/v1/runs") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert await answer.json() == {"error": "method_not_allowed", "message": "expected GET, HEAD", "details": []}


TYPES = "one of llm, embed, rerank, retriever, tool, agent, chain, thread, chat, guardrail, evaluator, custom"
FILTER_NAMES = ", ".join(parameter.name for parameter in FILTERS)
LIST_NAMES = ", ".join(parameter.name for parameter in LIST)
TIME = "a time with its offset, such as 2026-03-01T10:00:00Z"


@pytest.mark.parametrize(
    ("query", "parameter", "found", "expected"),
    [
        ("limit=0", "limit", "0", "an integer from 1 to 500"),
        ("limit=501", "limit", "501", "an integer from 1 to 500"),
        ("limit=ten", "limit", "ten", "an integer from 1 to 500"),
        ("limit=٣", "limit", "٣", "an integer from 1 to 500"),
        ("limit=1&limit=2", "limit", "1, 2", "one value"),
        ("cursor=x", "cursor", "x", "the next_cursor of an earlier answer"),
        ("type=LLM", "type", "LLM", TYPES),
        ("status=ok", "status", "ok", "one of success, error, cancelled, started"),
        ("from=yesterday", "from", "yesterday", TIME),
        ("from=2026-03-01T10:00:00", "from", "2026-03-01T10:00:00", TIME),
        ("to=2026-02-30T10:00:00Z", "to", "2026-02-30T10:00:00Z", TIME),
        ("from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "to", "2026-03-01T00:00:00Z", "a time after from"),
        ("langs=de", "langs", "langs", f"one of {LIST_NAMES}"),
        ("min_cost=-1", "min_cost", "-1", "a number that is not negative"),
        ("duration=5", "duration", "5", "an operator such as gt.5"),
        ("metadata=plan", "metadata", "plan", "key:value"),
        ("sort=name", "sort", "name", "one of started, duration, tokens, cost"),
    ],
)
async def test_a_wrong_parameter_is_named(
    server: ApiServer, http: aiohttp.ClientSession, query: str, parameter: str, found: str, expected: str
) -> None:
    status, body = await get(http, server, f"/v1/runs?{query}")

    assert (status, body["error"]) == (422, "invalid_parameters")
    assert body["message"] == f"{parameter}: expected {expected}"
    assert body["details"] == [{"parameter": parameter, "found": found, "expected": expected}]


async def test_every_wrong_parameter_is_named_at_once(server: ApiServer, http: aiohttp.ClientSession) -> None:
    _, body = await get(http, server, "/v1/runs?limit=0&type=x&day=1")

    assert [detail["parameter"] for detail in body["details"]] == ["day", "type", "limit"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/v1/runs/{uuid8('x')}/scores?limit=1", "no parameters"),
        ("/v1/runs/count?limit=1", f"one of {FILTER_NAMES}"),
    ],
)
async def test_a_parameter_that_does_nothing_is_refused(
    server: ApiServer, http: aiohttp.ClientSession, path: str, expected: str
) -> None:
    status, body = await get(http, server, path)

    assert (status, body["details"][0]["expected"]) == (422, expected)


async def test_a_store_without_tables_is_503(settings: ClickHouseSettings, http: aiohttp.ClientSession) -> None:
    store = ClickHouseStore(settings)
    await store.start()
    server = ApiServer(ApiSettings(endpoint="127.0.0.1:0"), store)
    await server.start()

    async with http.get(f"http://{server.address}/v1/runs") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert await answer.json() == {
            "error": "store_unavailable",
            "message": "the store does not answer now",
            "details": [],
        }

    await server.stop()
    await store.close()


class Broken(ClickHouseStore):
    """Fails with what it is told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def list_runs(
        self, filter_: RunFilter, limit: int = DEFAULT_PAGE, after: Cursor | None = None, *, bounded: bool = False
    ) -> Page:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreUnavailable("select: SELECT secret FROM runs"), 503, "store_unavailable"),
        (RuntimeError("secret"), 500, "internal"),
    ],
)
async def test_nothing_of_the_inside_comes_out(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, error: Exception, status: int, code: str
) -> None:
    server = ApiServer(ApiSettings(endpoint="127.0.0.1:0"), Broken(error))
    await server.start()

    with caplog.at_level(logging.WARNING):
        found, body = await get(http, server, "/v1/runs")
    await server.stop()

    assert (found, body["error"]) == (status, code)
    assert "secret" not in str(body)
    assert "secret" in caplog.text


async def test_a_taken_port_is_named(server: ApiServer, ledger: Ledger) -> None:
    other = ApiServer(ApiSettings(endpoint=server.address), ledger.store)

    with pytest.raises(ConfigError, match=rf"^api: cannot listen on {server.address}: "):
        await other.start()


async def test_the_key_of_a_reader_decides_the_project(ledger: Ledger, http: aiohttp.ClientSession) -> None:
    await ledger.write(make_run(project_id="shop"), make_run(project_id="lab"))
    projects = [
        {"id": name, "public_keys": [f"public-of-{name}"], "private_keys": [f"private-of-{name}"]}
        for name in ("shop", "lab")
    ]
    known = Projects(ProjectsSettings.model_validate({"projects": projects}))
    await known.start()
    server = ApiServer(ApiSettings(endpoint="127.0.0.1:0"), ledger.store, known)
    await server.start()
    try:
        answers = {}
        for key in ("private-of-lab", "public-of-lab", "guess"):
            headers = {"Authorization": f"Bearer {key}"}
            async with http.get(f"http://{server.address}/v1/runs", headers=headers) as answer:
                body = await answer.json()
                answers[key] = (answer.status, [run["project_id"] for run in body.get("data", ())] or body["message"])
        assert answers == {
            "private-of-lab": (200, ["lab"]),
            "public-of-lab": (403, "a public key only sends telemetry; this needs a private key of the project"),
            "guess": (401, "the key is not known"),
        }
        assert (await get(http, server, "/health"))[0] == 200
    finally:
        await server.stop()
