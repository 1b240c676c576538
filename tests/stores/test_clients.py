"""Clients of a whole service on each store: what Lunary's SDKs and a gateway tell, and what people change."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from spanledger.config import load_config
from spanledger.service import Service
from tests.stores.ledger import make_store_settings

RUN = "8a7f3c1e-0000-4000-8000-000000000001"
CONFIG = """\
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  {kind}: {{endpoint: "{endpoint}", database: {database}, runs_ttl_days: 0, payloads_ttl_days: 0}}
extensions:
  file_storage: {{directory: {folder}/log}}
  api: {{endpoint: "127.0.0.1:0"}}
  projects:
    projects:
      - {{id: default, public_keys: [public-key-1], private_keys: [private-key-1]}}
service:
  extensions: [file_storage, api, projects]
  pipelines:
    traces: {{receivers: [otlp], exporters: [{kind}]}}
"""


class Place:
    """Services on one store and one log, one after the other."""

    def __init__(self, config: Path) -> None:
        self._config = config

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Client]:
        """A service; at the end everything that it accepted is in the store."""
        service = Service(load_config([self._config], env={}))
        await service.start()
        try:
            async with aiohttp.ClientSession() as session:
                yield Client(service, session)
        finally:
            assert await service.stop(60)


class Client:
    def __init__(self, service: Service, session: aiohttp.ClientSession) -> None:
        found = service.endpoints()
        self._bases = {"receiver": found["otlp over HTTP"], "api": found["api"]}
        self._session = session

    async def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "private-key-1", at: str = "api", **headers: str
    ) -> tuple[int, Any]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
        url = self._bases[at] + path
        async with self._session.request(method, url, data=data, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text


@pytest.fixture
async def place(store_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    settings = await make_store_settings(store_kind, request)
    config = tmp_path / "spanledger.yaml"
    endpoint = settings.endpoint if isinstance(settings.endpoint, str) else settings.endpoint.get_secret_value()
    config.write_text(CONFIG.format(kind=store_kind, endpoint=endpoint, database=settings.database, folder=tmp_path))
    yield Place(config)
    if store_kind == "postgres":
        await request.getfixturevalue("postgres").drop_database(settings.database)


def event(what: str, **more: Any) -> dict[str, Any]:
    return {"event": what, "type": "llm", "runId": RUN, "timestamp": "2026-03-01T10:00:00Z", **more}


START = event("start", name="gpt-4o-mini", input=[{"role": "user", "content": "Hi"}], userId="ada")
END = event(
    "end",
    timestamp="2026-03-01T10:00:02Z",
    output={"role": "assistant", "content": "Hello"},
    tokensUsage={"prompt": 1000, "completion": 100},
)


async def test_a_run_that_began_before_a_restart_ends_after_it(place: Place) -> None:
    async with place.serving() as client:
        body = gzip.compress(json.dumps({"events": [START]}).encode())
        status, answer = await client.ask(
            "POST", "/v1/runs/ingest", body, key="public-key-1", at="receiver", **{"Content-Encoding": "gzip"}
        )
        assert (status, answer) == (200, {"results": [{"id": RUN, "success": True}]})
    async with place.serving() as client:
        for _ in range(2):  # the Python SDK repeats a batch whose answer it lost
            assert (await client.ask("POST", "/api/report", {"events": [END]}, key="public-key-1"))[0] == 200
    async with place.serving() as client:
        _, run = await client.ask("GET", f"/v1/runs/{RUN}")
        _, usage = await client.ask("GET", "/v1/runs/usage")

    assert (run["status"], run["user_id"], run["usage"]["input_tokens"]) == ("success", "ada", 1000)
    assert run["input"][0]["parts"] == [{"type": "text", "content": "Hi"}]
    assert run["output"][0]["parts"] == [{"type": "text", "content": "Hello"}]
    assert (usage["runs"], usage["input_tokens"], usage["cost"]) == (1, 1000, run["cost"]["total"])


async def test_people_score_tag_show_and_delete_a_run(place: Place) -> None:
    at = f"/v1/runs/{RUN}"
    async with place.serving() as client:
        await client.ask("POST", "/v1/runs/ingest", {"events": [START, END]})
        assert (await client.ask("PATCH", f"{at}/feedback", {"thumb": "up", "comment": "nice"}))[0] == 200
        assert (await client.ask("PATCH", f"{at}/score", {"label": "quality", "value": 0.5}))[0] == 200
        assert (await client.ask("PATCH", f"{at}/feedback", {"thumb": "down"}, key="public-key-1"))[0] == 403
        assert (await client.ask("PATCH", f"{at}/feedback", {"thumb": "sideways"}))[0] == 422
    async with place.serving() as client:
        assert await client.ask("GET", f"{at}/feedback", key="public-key-1") == (
            200,
            {"thumb": "up", "comment": "nice"},
        )
        assert (await client.ask("GET", f"{at}/public", key="public-key-1"))[0] == 404
        assert (await client.ask("PATCH", f"{at}/tags", {"tags": ["a", "b", "a"]})) == (200, {"tags": ["a", "b"]})
        assert (await client.ask("PATCH", f"{at}/visibility", {"visibility": True}))[0] == 200
        _, run = await client.ask("GET", at)
        assert (run["tags"], run["isPublic"], run["output"][0]["role"]) == (["a", "b"], True, "assistant")
        assert [score["label"] for score in run["scores"]] == ["quality"]
        assert (await client.ask("GET", f"{at}/public", key="public-key-1"))[0] == 200
        assert [each["run_id"] for each in (await client.ask("GET", "/v1/runs?tag=b&feedback=up"))[1]["data"]] == [RUN]
        await client.ask("PATCH", f"{at}/feedback", {"thumb": None})
        await client.ask("POST", "/v1/runs/ingest", {"events": [START, END]})  # again: changes nothing
    async with place.serving() as client:
        assert (await client.ask("GET", f"{at}/feedback"))[1] == {"comment": "nice"}
        assert (await client.ask("GET", at))[1]["tags"] == ["a", "b"]
        assert (await client.ask("DELETE", at, key="public-key-1"))[0] == 403
        assert (await client.ask("DELETE", at))[0] == 204
        assert (await client.ask("DELETE", at))[0] == 404
        assert (await client.ask("GET", at))[0] == 404


async def test_a_gateways_documents_become_runs(place: Place) -> None:
    document = {
        "timestamp": "2026-03-01T10:00:02.000Z",
        "attributes": {
            "id": "m1",
            "provider": "openai",
            "model": "gpt-4o-mini",
            "request": {"messages": [{"role": "user", "content": "=Hi"}]},
            "response": {
                "choices": [{"message": {"role": "assistant", "content": "Hello"}}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 2},
            },
            "metadata": {"latency": 1000, "cost": 0.5},
        },
    }
    lines = b"\n".join(json.dumps(each).encode() for each in (document, document))
    async with place.serving() as client:
        status, answer = await client.ask("POST", "/v1/logs/gateway", lines, key="public-key-1")
        assert (status, [result["success"] for result in answer["results"]]) == (200, [True, True])
        assert (await client.ask("POST", "/v1/logs/gateway", b"[{", key="public-key-1"))[0] == 400
    async with place.serving() as client:
        _, found = await client.ask("GET", "/v1/runs")
        (run,) = found["data"]
        assert (run["external_id"], run["usage"]["input_tokens"], run["cost"]["reported"]) == ("m1", 10, "0.5")
        _, lines_of_csv = await client.ask("GET", "/v1/runs/export?exportFormat=csv")
        head, line = lines_of_csv.splitlines()
        assert head.startswith("run_id,")
        assert ",'=Hi," in line  # a spreadsheet would run what begins with =
        _, exported = await client.ask("GET", "/v1/runs/export?exportFormat=jsonl")
        assert exported["run_id"] == run["run_id"]
        assert exported["output"][0]["parts"][0]["content"] == "Hello"
        inferences = {
            "function_name": "gpt-4o-mini",
            "filters": {"type": "not", "child": {"type": "or", "children": []}},
        }
        status, found = await client.ask("POST", "/v1/inferences/list_inferences", inferences)
        assert (status, [each["inference_id"] for each in found["inferences"]]) == (200, [run["run_id"]])
        status, found = await client.ask("POST", "/v1/inferences/get_inferences", {"ids": ["none", run["run_id"]]})
        assert [each["processing_time_ms"] for each in found["inferences"]] == [1000]
        for wrong in ({"filters": {"type": "metric_rank"}}, {"limit": 0}, {"colour": 1}, {"before": "none"}):
            assert (await client.ask("POST", "/v1/inferences/list_inferences", wrong))[0] == 422


async def test_feedback_of_lsds_clients_is_kept_and_asked_for(place: Place) -> None:
    other = RUN.replace("000001", "000009")
    async with place.serving() as client:
        for run_id in (RUN, other):
            events = [{**event, "runId": run_id} for event in (START, END)]
            await client.ask("POST", "/v1/runs/ingest", {"events": events})
    async with place.serving() as client:
        for metric, value in (("solved", True), ("comment", "fine"), ("demonstration", [{"role": "assistant"}])):
            given = {"metric_name": metric, "inference_id": RUN, "value": value}
            status, answer = await client.ask("POST", "/feedback", given)
            assert (status, set(answer)) == (200, {"feedback_id"})
        for wrong in (
            {"metric_name": "solved", "value": True},
            {"metric_name": "solved", "value": "yes", "inference_id": RUN},
            {"metric_name": "comment", "value": 1, "inference_id": RUN},
            {"metric_name": "solved", "value": True, "inference_id": RUN, "episode_id": "a"},
        ):
            assert (await client.ask("POST", "/v1/feedback", wrong))[0] == 422
        nowhere = {"metric_name": "solved", "value": True, "episode_id": "a" * 32}
        assert (await client.ask("POST", "/v1/feedback", nowhere))[0] == 422
    async with place.serving() as client:

        async def listed(**asked: Any) -> list[dict[str, Any]]:
            status, found = await client.ask("POST", "/v1/inferences/list_inferences", asked)
            assert status == 200, found
            return list(found["inferences"])

        with_one = {"type": "demonstration_feedback", "has_demonstration": True}
        solved = {"type": "boolean_metric", "metric_name": "solved", "value": True}
        shown = await listed(output_source="demonstration")
        assert [(each["inference_id"], each["output"]) for each in shown] == [(RUN, [{"role": "assistant"}])]
        assert [each["inference_id"] for each in await listed(filters=with_one)] == [RUN]
        assert [each["inference_id"] for each in await listed(filters={"type": "not", "child": with_one})] == [other]
        assert [each["inference_id"] for each in await listed(filters=solved)] == [RUN]
        by_metric: dict[str, Any] = {"by": "metric", "name": "solved"}
        for direction in ("descending", "ascending"):  # an inference without the metric comes last
            found = await listed(order_by=[by_metric | {"direction": direction}], limit=1)
            assert [each["inference_id"] for each in found] == [RUN]
        found = await listed(order_by=[by_metric], offset=1)
        assert [each["inference_id"] for each in found] == [other]
        for refused in (
            {"order_by": [{"by": "metric"}]},
            {"order_by": [{"by": "timestamp", "name": "solved"}]},
            {"order_by": [{"by": "search_relevance"}]},
            {"order_by": [by_metric], "before": RUN},
        ):
            assert (await client.ask("POST", "/v1/inferences/list_inferences", refused))[0] == 422
        asked = {"ids": [RUN, other], "output_source": "demonstration"}
        _, found = await client.ask("POST", "/v1/inferences/get_inferences", asked)
        assert [each["inference_id"] for each in found["inferences"]] == [RUN]
        assert (await client.ask("GET", f"/v1/runs/{RUN}/feedback"))[1] == {"comment": "fine"}


async def test_lunarys_filters_are_connected_and_threads_listed(place: Place) -> None:
    chat = event("chat", type="message", runId=RUN.replace("1", "3"), parentRunId="thread-1", userId="ada")
    chat["message"] = {"role": "user", "content": "Is it raining?"}
    tool = event("start", type="tool", runId=RUN.replace("1", "4"), name="get_weather", input="Rome")
    async with place.serving() as client:
        events = [START, END, chat, tool, {**tool, "event": "end", "output": "rain"}]
        status, answer = await client.ask("POST", "/v1/runs/ingest", {"events": events})
        assert [each["success"] for each in answer["results"]] == [True] * 5
    async with place.serving() as client:

        async def types(query: str) -> list[str]:
            status, found = await client.ask("GET", f"/v1/runs?{query}")
            assert status == 200, found
            return sorted(run["type"] for run in found["data"])

        assert await types("OR&models=gpt-4o-mini&tools=get_weather") == ["llm", "tool"]
        assert await types("AND&models=gpt-4o-mini&tools=get_weather") == []
        assert await types("models=gpt%252D4o%252Dmini") == ["llm"]  # encoded twice, as the dashboard does
        assert await types("OR&type=llm&type=tool&users=ada") == ["chat", "llm", "tool"]
        status, found = await client.ask("GET", "/v1/runs?OR&languages=en")
        assert status == 422, found
        _, found = await client.ask("GET", "/v1/runs?type=thread&total=true")
        (thread,) = found["data"]

    assert (thread["id"], thread["type"], thread["messagesCount"], found["total"]) == ("thread-1", "thread", 1, 1)
    assert thread["firstMessage"] == {"role": "user", "content": "Is it raining?"}
    assert thread["user"]["id"] == "ada"
