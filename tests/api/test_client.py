"""The client of the command line, against the real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from spanledger.api.client import ApiClient, ApiError
from spanledger.api.server import ApiServer
from spanledger.api.settings import ApiSettings
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.model.records import rfc3339
from tests.exporters.ledger import Ledger
from tests.exporters.records import as_json, make_run, make_score, recent


@pytest.fixture
async def api(server: ApiServer) -> AsyncIterator[ApiClient]:
    with ApiClient(server.address) as client:
        yield client


async def test_the_client_reads_what_the_server_serves(ledger: Ledger, api: ApiClient) -> None:
    run = make_run(trace_id="a" * 32, user_id="ü & 1", started_at=recent(1))
    score = make_score(run, "thumb", "up")
    await ledger.write(run, score, make_run(started_at=recent(2)))

    def read() -> None:
        first = api.runs(limit=1)
        assert [found["run_id"] for found in first["data"]] == [run.run_id]
        assert len(api.runs(limit=1, cursor=first["next_cursor"])["data"]) == 1
        assert len(api.runs(filters={"user": "ü & 1", "type": ["llm", "tool"], "model": None})["data"]) == 1
        assert as_json(run).items() <= api.run(run.run_id).items()
        assert [found["run_id"] for found in api.related(run.run_id)] == [run.run_id]
        assert api.scores(run.run_id) == [as_json(score)]
        assert api.usage({"user": "ü & 1"})["runs"] == 1

    await asyncio.to_thread(read)


async def test_a_search_goes_on_where_a_page_ended_early(ledger: Ledger) -> None:
    week = 7 * 86_400
    new, other, third, old = (
        make_run(name=name, started_at=recent(weeks * week))
        for name, weeks in (("needle", 1), ("else", 2), ("else", 3), ("needle", 5))
    )
    await ledger.write(new, other, third, old)
    store = ClickHouseStore(ledger.store.settings, searched_rows=1)
    await store.start()
    server = ApiServer(ApiSettings(endpoint="127.0.0.1:0"), store)
    await server.start()

    def read() -> None:
        with ApiClient(server.address) as api:
            first = api.runs(filters={"search": "NEEDLE"})
            assert [run["run_id"] for run in first["data"]] == [new.run_id]
            assert rfc3339(other.started_at) < first["searched_back_to"] < rfc3339(new.started_at)
            second = api.runs(filters={"search": "NEEDLE"}, cursor=first["next_cursor"])
            assert second["data"] == []
            assert second["searched_back_to"] < first["searched_back_to"]
            found = api.first_runs(10, {"search": "needle"})
            assert [run["run_id"] for run in found["data"]] == [new.run_id, old.run_id]
            assert (found["next_cursor"], "searched_back_to" in found) == (None, False)
            assert "searched_back_to" not in api.runs(limit=1)

    await asyncio.to_thread(read)
    await server.stop()
    await store.close()


async def test_an_error_of_the_server_keeps_its_words(api: ApiClient) -> None:
    with pytest.raises(ApiError, match=r"^no run has this id$") as unknown:
        await asyncio.to_thread(api.run, "7")
    with pytest.raises(ApiError, match=r"^limit: expected an integer from 1 to 500$") as wrong:
        await asyncio.to_thread(api.runs, limit=0)

    assert (unknown.value.status, wrong.value.status) == (404, 422)


async def test_a_server_that_is_away_is_named(unused_tcp_port: int) -> None:
    with pytest.raises(
        ApiError, match=rf"cannot reach the API at http://127.0.0.1:{unused_tcp_port}: Connection refused"
    ):
        await asyncio.to_thread(ApiClient(f"127.0.0.1:{unused_tcp_port}").runs)


async def test_another_server_is_recognised() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="<html>hello</html>")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    with (
        ApiClient(f"http://127.0.0.1:{port}/") as api,
        pytest.raises(ApiError, match=rf"http://127.0.0.1:{port} does not answer as spanledger does \(HTTP 200\)"),
    ):
        await asyncio.to_thread(api.runs)
    await runner.cleanup()


@pytest.mark.parametrize("endpoint", ["", "ftp://host", "http://"])
def test_an_address_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(ApiError, match="expected an address such as"):
        ApiClient(endpoint)
