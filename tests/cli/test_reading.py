"""`spanledger runs`, `usage` and `tail` against the API of a real store."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner, Result

from spanledger.api.parameters import BY, INTERVAL
from spanledger.api.server import ApiServer
from spanledger.api.settings import ApiSettings
from spanledger.cli import main
from spanledger.commands import usage
from spanledger.model.records import Cost, Usage
from tests.exporters.ledger import Ledger
from tests.exporters.records import make_run, recent


@pytest.fixture
async def server(ledger: Ledger) -> AsyncIterator[ApiServer]:
    server = ApiServer(ApiSettings(endpoint="127.0.0.1:0"), ledger.store)
    await server.start()
    yield server
    await server.stop()


def call(seconds: float, total: str | None = "0.5", **facts: Any) -> Any:
    cost = Cost(total=None if total is None else Decimal(total), source="priced" if total else "unknown_model")
    counted = Usage(input_tokens=1000, output_tokens=20, cache_read_tokens=100)
    return make_run(started_at=recent(seconds), usage=counted, cost=cost, billable=True, **facts)


async def invoke(server: ApiServer, *arguments: str) -> Result:
    environment = {"COLUMNS": "120", "SPANLEDGER_API": server.address}
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=environment)


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line.rstrip() for line in result.output.splitlines()]


async def test_usage_is_a_line_for_each_value_and_the_sum(ledger: Ledger, server: ApiServer) -> None:
    await ledger.write(
        call(1, user_id="ada", duration_ns=2_000_000_000),
        call(2, user_id="ada", status="error"),
        call(3, None, user_id="bob"),
        make_run(type="tool", model=None, user_id="bob", started_at=recent(4)),
        call(30 * 86_400),
    )

    shown = lines(await invoke(server, "usage", "--by", "user"))

    assert [line.split() for line in shown] == [
        ["user", "runs", "errors", "calls", "input", "cached", "output", "cost", "p50", "p95"],
        ["ada", "2", "1", "2", "2,000", "200", "40", "$1.00", "2.00s", "2.00s"],
        ["bob", "2", "1", "1,000", "100", "20", "–"],
        ["all", "4", "1", "3", "3,000", "300", "60", "$1.00+", "2.00s", "2.00s"],
    ]


async def test_usage_over_time_names_each_day_once(ledger: Ledger, server: ApiServer) -> None:
    await ledger.write(
        make_run(model="a", started_at=1_772_359_200_000_000_000),
        make_run(model="b", started_at=1_772_359_200_000_000_000),
        make_run(model="a", started_at=1_772_445_600_000_000_000),
    )

    shown = lines(
        await invoke(
            server,
            *("usage", "--interval", "day", "--since", "2026-03-01", "--until", "2026-03-03", "--status", "success"),
        )
    )

    assert [line.split()[:3] for line in shown[1:]] == [
        ["2026-03-01", "a", "1"],
        ["b", "1", "0"],
        ["2026-03-02", "a", "1"],
        ["all", "3", "0"],
    ]


async def test_usage_for_programs_is_what_the_api_said(ledger: Ledger, server: ApiServer) -> None:
    await ledger.write(call(1, tags=["x"]), call(2))

    result = await invoke(server, "usage", "--by", "tag", "--tag", "x", "--json")

    found = json.loads(result.output)
    assert (found["by"], found["totals"]["runs"], found["groups"][0]["key"]) == ("tag", 1, "x")


async def test_nothing_used_says_so(ledger: Ledger, server: ApiServer) -> None:
    assert lines(await invoke(server, "usage")) == ["no runs"]


def test_the_choices_are_those_of_the_api() -> None:
    assert list(usage.BY) == BY.schema["enum"]
    assert list(usage.INTERVALS) == INTERVAL.schema["enum"]


@pytest.mark.parametrize("arguments", [("usage", "--since", "soon"), ("tail", "--late", "soon")])
def test_a_time_that_is_none_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, arguments)

    assert (result.exit_code, "expected" in result.output) == (2, True)


@pytest.mark.parametrize("command", ["runs", "usage", "tail"])
def test_an_api_that_is_not_there_is_told(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--api", "127.0.0.1:1"])

    assert result.exit_code == 1
    assert "cannot reach the API" in result.output
    assert "Is `spanledger serve` running" in result.output


async def test_runs_are_chosen_by_tag_and_text(ledger: Ledger, server: ApiServer) -> None:
    wanted = call(1, tags=["x"], name="planner")
    await ledger.write(wanted, call(2, tags=["x"]), call(3, name="planner"))

    found = json.loads((await invoke(server, "runs", "--tag", "x", "--search", "PLAN", "--json")).output)

    assert [run["run_id"] for run in found["data"]] == [wanted.run_id]


async def test_tail_once_shows_the_newest_last(ledger: Ledger, server: ApiServer) -> None:
    await ledger.write(*(call(seconds, name=f"call {seconds}", user_id="ada") for seconds in range(5)))

    shown = lines(await invoke(server, "tail", "--once", "-n", "2"))

    assert shown[0].split() == ["time", "id", "type", "name", "model", "tokens", "cost", "took", "user"]
    assert [line.split("call ")[1][0] for line in shown[1:]] == ["1", "0"]
    assert all("1,000 → 20" in line and "$0.5" in line and line.endswith("ada") for line in shown[1:])


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What a shell runs in the background ignores SIGINT, and hands that down to everything it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
async def test_tail_shows_what_arrives_until_it_is_interrupted(ledger: Ledger, server: ApiServer) -> None:
    await ledger.write(call(10, name="was there"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spanledger", "tail", "--json", "--every", "0.05", "--api", server.address),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    told = [json.loads(await process.stdout.readline())["name"]]
    await ledger.write(call(5, name="came"))
    told.append(json.loads(await process.stdout.readline())["name"])
    await ledger.write(call(60, name="came late"))
    told.append(json.loads(await process.stdout.readline())["name"])
    process.send_signal(signal.SIGINT)
    rest = await process.stdout.read()

    assert told == ["was there", "came", "came late"]
    assert (rest, await process.wait()) == (b"", 0)


async def test_tail_fits_eighty_columns(ledger: Ledger, server: ApiServer) -> None:
    await ledger.write(call(1, name="a name that is longer than its column", duration_ns=1_240_000_000))

    result = await asyncio.to_thread(
        CliRunner().invoke, main, ["tail", "--once", "--api", server.address], env={"COLUMNS": "80"}
    )

    head, line = lines(result)
    assert head == "time      id        type    name                       tokens       cost    took"
    assert line[20:] == "llm     a name that is lo…     1,000 → 20       $0.5   1.24s"
    assert len(line) == 80


async def test_a_pipe_gets_whole_ids_and_models(ledger: Ledger, server: ApiServer) -> None:
    run = call(1, name="answer the customer", model="gpt-4o-mini-2024-07-18")
    await ledger.write(run)

    result = await asyncio.to_thread(CliRunner().invoke, main, ["runs", "--api", server.address], env={"COLUMNS": None})

    assert lines(result)[1].startswith(f"{run.run_id}  llm   answer the customer  gpt-4o-mini-2024-07-18  ")
