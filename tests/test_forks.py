"""Pipelines that part: each destination gets what its own pipelines leave, once, also across a restart."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import pytest

from spanledger.config import load_config
from spanledger.model.received import Signal
from spanledger.service import Service
from spanledger.telemetry.metrics import declarations
from tests.cli.serving import span_body

BEGIN = """\
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}
  otlp/other: {protocols: {http: {endpoint: "127.0.0.1:0"}}}
exporters:
  file/a: {path: FOLDER/a.jsonl}
  file/b: {path: FOLDER/b.jsonl}
  otlphttp: {endpoint: "http://127.0.0.1:1"}
processors:
  resource/mark: {attributes: [{key: service.name, value: marked, action: upsert}]}
  transform/rename: {trace_statements: ['set(span.MODEL, Concat(["new", span.MODEL], "-"))']}
  filter/own: {error_mode: ignore, traces: {span: ['MODEL == "dropped"']}}
connectors:
  forward:
  routing:
    default_pipelines: [traces/b]
    table: [{context: span, condition: 'IsMatch(MODEL, "^own")', pipelines: [traces/a]}]
extensions:
  file_storage: {directory: FOLDER/log}
service:
  extensions: [file_storage]
  pipelines:
"""


def service_in(folder: Path, pipelines: str, *, durable: bool = True) -> Service:
    file = folder / "spanledger.yaml"
    text = BEGIN.replace("FOLDER", str(folder)).replace("MODEL", 'attributes["gen_ai.request.model"]') + pipelines
    if not durable:
        text = text.replace("extensions: [file_storage]", "extensions: []")
    file.write_text(text)
    return Service(load_config([file], env={}))


async def send(service: Service, number: int, model: str, receiver: str = "otlp") -> int:
    url = service.endpoints()[f"{receiver} over HTTP"] + "/v1/traces"
    body = span_body(f"00f067aa0ba9{number:04x}", model)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status


def models(folder: Path, which: str) -> list[str]:
    file = folder / f"{which}.jsonl"
    return sorted(json.loads(line)["model"] for line in file.read_text().splitlines()) if file.exists() else []


@pytest.mark.parametrize("durable", [True, False])
async def test_pipelines_with_processors_of_their_own(tmp_path: Path, durable: bool) -> None:
    pipelines = """\
    traces/a: {receivers: [otlp], exporters: [file/a]}
    traces/b: {receivers: [otlp], processors: [filter/own, transform/rename], exporters: [file/b]}
"""
    service = service_in(tmp_path, pipelines, durable=durable)
    await service.start()
    for number, model in enumerate(["own", "dropped", "other"]):
        assert await send(service, number, model) == 200
    assert await service.stop(30) is True
    assert models(tmp_path, "a") == ["dropped", "other", "own"]
    assert models(tmp_path, "b") == ["new-other", "new-own"]


async def test_pipelines_with_receivers_of_their_own(tmp_path: Path) -> None:
    pipelines = """\
    traces/a: {receivers: [otlp], exporters: [file/a]}
    traces/b: {receivers: [otlp/other], exporters: [file/b]}
    traces/both: {receivers: [otlp, otlp/other], processors: [transform/rename], exporters: [file/b]}
"""
    service = service_in(tmp_path, pipelines)
    await service.start()
    assert await send(service, 1, "first") == 200
    assert await send(service, 2, "second", "otlp/other") == 200
    assert await service.stop(30) is True
    assert models(tmp_path, "a") == ["first"]
    # The same span on two ways to one ledger is one run: the later entry of the log stands.
    assert set(models(tmp_path, "b")) <= {"new-first", "second", "new-second"}
    assert "new-first" in models(tmp_path, "b")


async def test_what_pipelines_have_in_common_runs_once(tmp_path: Path) -> None:
    pipelines = """\
    traces/in: {receivers: [otlp], processors: [resource/mark], exporters: [forward]}
    traces/a: {receivers: [forward], exporters: [file/a]}
    traces/b: {receivers: [forward], processors: [transform/rename], exporters: [file/b]}
"""
    service = service_in(tmp_path, pipelines)
    await service.start()
    assert await send(service, 1, "own") == 200
    samples = service.samples()
    assert await service.stop(30) is True
    assert (models(tmp_path, "a"), models(tmp_path, "b")) == (["own"], ["new-own"])
    assert samples.get(declarations.PROCESSOR_INCOMING, "resource/mark", Signal.TRACES) == 1


async def test_routes_by_condition(tmp_path: Path) -> None:
    pipelines = """\
    traces/in: {receivers: [otlp], exporters: [routing]}
    traces/a: {receivers: [routing], exporters: [file/a]}
    traces/b: {receivers: [routing], exporters: [file/b]}
"""
    service = service_in(tmp_path, pipelines)
    await service.start()
    for number, model in enumerate(["own-one", "other", "own-two"]):
        assert await send(service, number, model) == 200
    assert await service.stop(30) is True
    assert models(tmp_path, "a") == ["own-one", "own-two"]
    assert models(tmp_path, "b") == ["other"]


FORKED = """\
    traces/a: {receivers: [otlp], exporters: [file/a, otlphttp]}
    traces/b: {receivers: [otlp], processors: [transform/rename], exporters: [otlphttp]}
"""


async def test_what_waits_goes_where_it_belongs_after_a_restart(tmp_path: Path) -> None:
    """A destination of one pipeline is away; the next start has another exporter in that pipeline's place."""
    service = service_in(tmp_path, FORKED)
    await service.start()
    assert await send(service, 1, "own") == 200
    assert await service.stop(0.5) is False
    moved = """\
    traces/a: {receivers: [otlp], exporters: [file/a]}
    traces/b: {receivers: [otlp], processors: [transform/rename], exporters: [file/b]}
"""
    again = service_in(tmp_path, moved)
    await again.start()
    assert await again.stop(30) is True
    assert (models(tmp_path, "a"), models(tmp_path, "b")) == (["own"], ["new-own"])


async def test_what_waits_for_a_pipeline_that_is_gone_is_a_dead_letter(tmp_path: Path) -> None:
    """It was processed for one destination: no other one is given it, and it is not thrown away."""
    service = service_in(tmp_path, FORKED)
    await service.start()
    assert await send(service, 1, "own") == 200
    assert await service.stop(0.5) is False
    again = service_in(tmp_path, "    traces/a: {receivers: [otlp], exporters: [file/a, file/b]}\n")
    await again.start()
    await again.pipeline.drained()
    letters = [stored.letter for stored in await again.pipeline.log.dead_letters()]
    assert await again.stop(30) is True
    assert [(letter.source, letter.reason) for letter in letters] == [
        ("pipelines", "it was processed for traces/b, which the configuration does not have any more")
    ]
    assert (models(tmp_path, "a"), models(tmp_path, "b")) == (["own"], ["own"])
