"""Lunary's SDKs, told nothing but LUNARY_API_URL: everything they report is in the ledger."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from tests.e2e.applications import PROGRAMS, Application, node_application, python_application
from tests.e2e.ledger import billed_tokens, running, tree
from tests.e2e.script import Tokens

# The test may have to install what its program needs.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def application(language: str) -> Application:
    folder = PROGRAMS / f"lunary-{language}"
    return python_application(folder) if language == "python" else node_application(folder)


@pytest.mark.parametrize("language", ["python", "js"])
@pytest.mark.parametrize("port", ["api", "receiver"])
async def test_everything_that_the_sdk_reports_arrives(language: str, port: str, tmp_path: Path) -> None:
    program = application(language)
    async with running(tmp_path / "ledger") as ledger:
        environment = {
            "LUNARY_API_URL": ledger.api if port == "api" else ledger.http,
            "LUNARY_PUBLIC_KEY": "any",
        }
        await program.run(otlp=ledger.http, environment=environment)
        await ledger.drain()
        runs = await ledger.runs()
        async with aiohttp.ClientSession(ledger.api) as http:
            async with http.get("/v1/runs?feedback=up") as answer:
                liked = (await answer.json())["data"]
            async with http.get("/v1/threads") as answer:
                (thread,) = (await answer.json())["data"]  # the Python SDK sends a hash of its id
            async with http.get(f"/v1/threads/{thread['id']}/messages") as answer:
                turns = (await answer.json())["data"]

    by_type = {run["type"]: run for run in runs if run["type"] != "chat"}
    assert sorted(by_type) == ["agent", "llm", "tool"], tree(runs)
    model, agent, tool = by_type["llm"], by_type["agent"], by_type["tool"]
    assert billed_tokens(runs) == Tokens(input=1000, output=100)
    # gpt-4o-mini: 0.15 input and 0.60 output a million: (1000 * 0.15 + 100 * 0.60) / 1e6
    assert (model["model"], model["cost"]["total"]) == ("gpt-4o-mini", "0.00021")
    assert (agent["name"], tool["name"], agent["tags"]) == ("planner", "weather", ["e2e"])
    assert (agent["user_id"], tool["user_id"]) == ("ada", "ada")  # the tool's is inherited
    assert {run["status"] for run in runs} == {"success"}
    assert agent["parent_run_id"] is None
    assert tool["parent_run_id"] in (agent["run_id"], model["run_id"])
    assert len(liked) == 1
    assert [said["content"] for turn in turns for message in _messages(turn) for said in message["parts"]] == [
        "Hello?",
        "Yes?",
    ]


def _messages(turn: dict[str, list[dict[str, list[dict[str, str]]]] | None]) -> list[dict[str, list[dict[str, str]]]]:
    return [*(turn["input"] or []), *(turn["output"] or [])]


async def test_the_python_sdk_scores_a_run(tmp_path: Path) -> None:
    run_id = "8a7f3c1e-0000-4000-8000-000000000001"
    async with running(tmp_path / "ledger") as ledger:
        environment = {"LUNARY_API_URL": ledger.api, "LUNARY_PUBLIC_KEY": "any"}
        await application("python").run(run_id, otlp=ledger.http, environment=environment)
        await ledger.drain()
        async with aiohttp.ClientSession() as http, http.get(f"{ledger.api}/v1/runs/{run_id}/scores") as answer:
            (score,) = (await answer.json())["data"]

    assert (score["name"], score["value"], score["comment"]) == ("quality", 0.5, "so so")
