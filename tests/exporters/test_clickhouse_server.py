"""The same exporter and reader against ClickHouse's HTTP interface, healthy and not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from pydantic import ValidationError

from spanledger.errors import StoreError, StoreUnavailable
from spanledger.exporters.base import WRITTEN
from spanledger.exporters.clickhouse import ClickHouseSettings, reader
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.store import RunFilter
from tests.exporters.http_front import Asked, Fault, HttpFront, failure
from tests.exporters.ledger import Ledger, make_settings
from tests.exporters.records import PROJECT, as_json, make_run, priced, recent


@pytest.fixture
async def front(engine: str) -> AsyncIterator[HttpFront]:
    front = HttpFront(Path(engine.removeprefix("chdb://")))
    await front.start()
    yield front
    await front.stop()


@pytest.fixture
async def server(front: HttpFront) -> AsyncIterator[Ledger]:
    settings = make_settings(front.endpoint, username="ledger", password="pass word", timeout="1s", query_timeout="1s")
    exporter, store = ClickHouseExporter(settings), ClickHouseStore(settings)
    await exporter.start()
    await store.start()
    front.asked.clear()
    yield Ledger(exporter, store)
    await store.close()
    await exporter.close()


async def test_a_server_keeps_the_same_ledger(server: Ledger, front: HttpFront) -> None:
    run = priced("0.001", user_id="ü'\\ \t1", metadata={"k": "v"}, input="question", started_at=recent(9))
    others = [make_run(started_at=recent(seconds)) for seconds in range(30)]

    assert await server.write(run, *others) == WRITTEN
    assert await server.write(run, *others) == WRITTEN

    assert await server.store.get_run(PROJECT, run.run_id) == as_json(run)
    page = await server.store.list_runs(RunFilter(PROJECT), 20)
    assert len(page.runs) == 20
    assert len((await server.store.list_runs(RunFilter(PROJECT), 20, page.next)).runs) == 11
    (only,) = (await server.store.list_runs(RunFilter(PROJECT, users=["ü'\\ \t1"]))).runs
    assert only["run_id"] == run.run_id
    assert (await server.store.totals(RunFilter(PROJECT))).cost == Decimal("0.001")


async def test_a_server_is_scanned_and_written_back_to(server: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SCAN_PAGE", 20)
    runs = [priced("1", started_at=recent(number), input="question") for number in range(50)]
    await server.write(*runs)
    everything = RunFilter(PROJECT, billable=True)

    async for page in server.store.scan(everything):
        await server.write(*(msgspec.structs.replace(run, version=2) for run in page))

    pages = [page async for page in server.store.scan(everything)]
    assert sorted((run.run_id, run.version) for page in pages for run in page) == sorted((r.run_id, 2) for r in runs)
    assert await server.store.get_run(PROJECT, runs[0].run_id) == as_json(runs[0]) | {"version": 2}
    assert await server.store.projects(0, recent(-60)) == [PROJECT]


async def test_an_insert_asks_to_be_stored_before_it_is_answered(server: Ledger, front: HttpFront) -> None:
    await server.write(make_run())

    payloads, runs = front.asked
    assert "`run_payloads`" in payloads.sql
    assert "`runs`" in runs.sql
    assert runs.parameters["async_insert"] == "0"
    assert runs.parameters["wait_end_of_query"] == "1"
    assert runs.parameters["insert_deduplication_token"].startswith("runs-")
    assert "database" not in runs.parameters


async def test_async_inserts_are_waited_for_and_deduplicated(front: HttpFront) -> None:
    settings = make_settings(front.endpoint, insert_settings={"async_insert": 1})
    exporter = ClickHouseExporter(settings)
    await exporter.start()
    front.asked.clear()

    await exporter.write([make_run()], "1")
    await exporter.close()

    given = front.asked[-1].parameters
    assert (given["async_insert"], given["wait_for_async_insert"], given["async_insert_deduplicate"]) == ("1", "1", "1")


def once(answer: web.Response, table: str = "`runs`") -> Fault:
    """A fault of the first insert into a table."""
    left = [answer]

    def fault(asked: Asked, data: bytes) -> web.Response | None:
        return left.pop() if left and asked.sql.startswith("INSERT") and table in asked.sql else None

    return fault


@pytest.mark.parametrize(
    "answer",
    [
        (500, "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)"),
        (500, "Code: 252. DB::Exception: Too many parts (3000). (TOO_MANY_PARTS)"),
        (500, "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)"),
        (500, "Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)"),
        (403, "Code: 516. DB::Exception: ledger: Authentication failed. (AUTHENTICATION_FAILED)"),
        (500, "Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)"),
        (502, "<html>Bad Gateway</html>"),
        (503, "no healthy upstream"),
        (429, ""),
    ],
    ids=lambda answer: answer[1][:40] or str(answer[0]),
)
async def test_a_passing_fault_is_a_reason_to_retry(server: Ledger, front: HttpFront, answer: tuple[int, str]) -> None:
    run = make_run()
    front.before = once(failure(answer[1], answer[0]))

    result = await server.write(run, token="1")

    assert result.retry
    assert result.rejected == ()
    assert "pass word" not in result.retry
    assert "127.0.0.1" not in result.retry
    assert await server.write(run, token="1") == WRITTEN
    assert await server.store.get_run(PROJECT, run.run_id) == as_json(run)


async def test_an_exception_behind_a_good_status_is_a_reason_to_retry(server: Ledger, front: HttpFront) -> None:
    text = "Code: 210. DB::Exception: I/O error: Broken pipe. (NETWORK_ERROR)"
    front.before = once(failure(text, status=200))
    run = make_run()

    result = await server.write(run, token="1")

    assert result.retry is not None
    assert "NETWORK_ERROR" in result.retry
    assert await server.write(run, token="1") == WRITTEN
    assert await server.store.get_run(PROJECT, run.run_id) == as_json(run)


async def test_a_fault_after_the_rows_were_stored_counts_them_once(server: Ledger, front: HttpFront) -> None:
    runs = [priced("0.001") for _ in range(5)]
    front.after = once(web.Response(status=504, text="gateway timeout"))

    assert (await server.write(*runs, token="1")).retry
    assert await server.write(*runs, token="1") == WRITTEN

    assert await server.query("SELECT count() FROM {db}.runs") == [(5,)]


async def test_a_server_that_hangs_is_given_up_and_tried_again(server: Ledger, front: HttpFront) -> None:
    """Its time is over (timeout: 1s) and nothing was heard: neither an answer nor an error."""
    run = make_run()
    front.hangs = lambda asked: asked.rows is not None

    answer = await server.write(run, token="hanging")
    assert answer.retry is not None
    assert "timed out" in answer.retry.lower()

    front.hangs = None
    assert await server.write(run, token="hanging") == WRITTEN
    assert (await server.store.totals(RunFilter(PROJECT))).runs == 1


async def test_a_question_to_a_server_that_hangs_ends(server: Ledger, front: HttpFront) -> None:
    front.hangs = lambda asked: asked.sql.startswith(("SELECT", "WITH"))

    with pytest.raises(StoreUnavailable):
        await server.store.totals(RunFilter(PROJECT))


async def test_the_next_host_is_asked_when_one_went_away(front: HttpFront, unused_tcp_port: int, engine: str) -> None:
    """Of an endpoint with several hosts the first that answers is used, at the start and later."""
    second = HttpFront(Path(engine.removeprefix("chdb://")))
    await second.start()
    address = second.endpoint.removeprefix("http://")
    settings = make_settings(f"http://127.0.0.1:{unused_tcp_port},{front.endpoint.removeprefix('http://')},{address}")
    exporter = ClickHouseExporter(settings)
    await exporter.start()
    assert await exporter.write([make_run()], "1") == WRITTEN

    front.before = lambda asked, data: web.Response(status=502, text="no upstream")
    run = make_run()
    assert (await exporter.write([run], "2")).retry is not None
    assert await exporter.write([run], "2") == WRITTEN

    assert any(asked.rows is not None for asked in second.asked)
    await exporter.close()
    await second.stop()


async def test_memory_that_does_not_suffice_halves_the_batch(server: Ledger, front: HttpFront) -> None:
    runs = [make_run(started_at=recent(seconds)) for seconds in range(8)]
    too_much = failure("Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)")
    front.before = once(too_much)

    assert await server.write(*runs) == WRITTEN

    assert len((await server.store.list_runs(RunFilter(PROJECT))).runs) == 8
    assert sum("INSERT" in asked.sql and "`runs`" in asked.sql for asked in front.asked) == 3


async def test_a_record_over_the_limit_of_a_proxy_is_rejected_alone(server: Ledger, front: HttpFront) -> None:
    runs = [make_run(input="x" * (10 if number != 2 else 50_000), attributes={"n": number}) for number in range(4)]

    def limit(asked: Asked, data: bytes) -> web.Response | None:
        large = len(asked.rows or b"") > 40_000
        return web.Response(status=413, text="Request Entity Too Large") if large else None

    front.before = limit

    result = await server.write(*runs)

    assert [rejection.index for rejection in result.rejected] == [2]
    assert "413" in result.rejected[0].reason
    assert len((await server.store.list_runs(RunFilter(PROJECT))).runs) == 3


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (b"", "connection closed by server"),
        (b"Code: 159. DB::Exception: Timeout exceeded: elapsed 10 seconds. (TIMEOUT_EXCEEDED)\n", "Timeout exceeded"),
    ],
    ids=["cut", "exception"],
)
async def test_an_answer_that_ends_in_its_middle_is_unavailable(
    server: Ledger, front: HttpFront, end: bytes, reason: str
) -> None:
    await server.write(make_run(name="x" * 10_000))  # the middle of the answer is the middle of this

    def broken(asked: Asked, data: bytes) -> web.Response | None:
        return web.Response(body=data[: len(data) // 2] + end) if "SELECT `project_id`" in asked.sql else None

    front.after = broken

    with pytest.raises(StoreUnavailable, match=reason):
        await server.store.list_runs(RunFilter(PROJECT))


async def test_a_server_that_goes_away_and_comes_back(server: Ledger, front: HttpFront, engine: str) -> None:
    port = int(front.endpoint.rpartition(":")[2])
    run = make_run()
    await front.stop()

    result = await server.write(run, token="1")
    assert result.retry is not None
    assert result.retry.endswith("(Connection refused)")
    with pytest.raises(StoreUnavailable):
        await server.store.get_run(PROJECT, run.run_id)

    again = HttpFront(Path(engine.removeprefix("chdb://")))
    await again.start(port)
    assert await server.write(run, token="1") == WRITTEN
    assert await server.store.get_run(PROJECT, run.run_id) == as_json(run)
    await again.stop()


async def test_a_server_that_is_away_at_start_is_unavailable(unused_tcp_port: int) -> None:
    exporter = ClickHouseExporter(ClickHouseSettings(endpoint=f"http://127.0.0.1:{unused_tcp_port}"))

    with pytest.raises(StoreUnavailable, match=f"connect to http://127.0.0.1:{unused_tcp_port}: .*Connection refused"):
        await exporter.start()


async def test_a_refused_login_says_who_and_keeps_the_password(front: HttpFront) -> None:
    front.before = lambda asked, data: failure("Code: 516. DB::Exception: me: Authentication failed", 403)
    settings = make_settings(front.endpoint, username="me", password="pass word")
    exporter = ClickHouseExporter(settings)

    with pytest.raises(StoreError, match="refuses the user 'me' or its password") as caught:
        await exporter.start()
    assert not isinstance(caught.value, StoreUnavailable)
    assert "pass word" not in str(caught.value) + repr(settings)


async def test_an_old_server_is_refused(front: HttpFront) -> None:
    front.before = lambda asked, data: web.Response(text="22.8.1.1\tUTC\n") if "version()" in asked.sql else None

    with pytest.raises(StoreError, match=r"ClickHouse 22\.8\.1\.1 is too old; expected 23\.8 or newer"):
        await ClickHouseExporter(make_settings(front.endpoint)).start()


async def test_a_certificate_that_cannot_be_read_is_named(front: HttpFront) -> None:
    settings = make_settings(front.endpoint, tls={"ca_file": "/nowhere/ca.pem"})

    with pytest.raises(StoreError, match=r"^tls::ca_file: cannot read /nowhere/ca\.pem$"):
        await ClickHouseExporter(settings).start()


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "host:8123",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://user:secret@host:8123",
        "http://host:8123/?user=secret",
        "chdb://",
    ],
)
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="expected") as caught:
        ClickHouseSettings(endpoint=endpoint)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"database": "default"},
        {"database": "a`b"},
        {"databse": "a"},
        {"runs_ttl_days": -1},
        {"insert_settings": {"wait_for_async_insert": 0}},
        {"timeout": 5},
        {"endpoint": "http://a,b", "connection_open_strategy": "fastest"},
        {"endpoint": "http://a,b", "connection_params": {"connection_open_strategy": "fastest"}},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClickHouseSettings(**settings)


def hosts(**settings: Any) -> list[str]:
    return [server.host for server in ClickHouseSettings(endpoint="http://a,b,c", **settings).server.tried()]


def test_hosts_are_tried_in_the_order_that_was_asked_for() -> None:
    assert [hosts(), hosts()] == [["a", "b", "c"]] * 2
    first = hosts(connection_open_strategy="round_robin")
    second = hosts(connection_params={"connection_open_strategy": "round_robin"})
    assert second == [*first[1:], first[0]]
    assert sorted(hosts(connection_open_strategy="random")) == ["a", "b", "c"]
