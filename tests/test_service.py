"""A process assembled from a configuration, within the test's own event loop."""

from __future__ import annotations

import asyncio
import errno
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from spanledger.config import load_config
from spanledger.errors import ConfigError, LogError
from spanledger.service import Service
from spanledger.telemetry.components import degraded, of_status
from spanledger.telemetry.metrics import declarations
from tests.cli.serving import span_body

CONFIG = """\
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  file/runs: {{path: {folder}/runs.jsonl}}
  file/metrics: {{path: {folder}/metrics.jsonl}}
  file/all: {{path: {folder}/all.jsonl}}
extensions:
  file_storage: {{directory: {folder}/log}}
  health_check: {{endpoint: "127.0.0.1:0"}}
service:
  extensions: [health_check, file_storage]
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/runs, file/all]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics, file/all]}}
"""
METRICS = {
    "resourceMetrics": [
        {
            "scopeMetrics": [
                {
                    "metrics": [
                        {
                            "name": "gen_ai.client.token.usage",
                            "gauge": {"dataPoints": [{"timeUnixNano": "1772359200000000000", "asInt": "49"}]},
                        }
                    ]
                }
            ]
        }
    ]
}


def service_in(folder: Path) -> Service:
    file = folder / "spanledger.yaml"
    file.write_text(CONFIG.format(folder=folder))
    return Service(load_config([file], env={}))


async def post(service: Service, path: str, body: bytes, **headers: str) -> int:
    url = service.endpoints()["otlp over HTTP"] + path
    headers = {"Content-Type": "application/json", **headers}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status


def kinds(file: Path) -> list[str]:
    return sorted(json.loads(line)["record"] for line in file.read_text().splitlines())


async def test_each_exporter_gets_the_records_of_its_pipelines(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    await service.start()
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
    assert await post(service, "/v1/metrics", json.dumps(METRICS).encode()) == 200
    assert await service.stop(30) is True
    assert kinds(tmp_path / "runs.jsonl") == ["run"]
    assert kinds(tmp_path / "metrics.jsonl") == ["metric"]
    assert kinds(tmp_path / "all.jsonl") == ["metric", "run"]


async def test_a_file_takes_records_or_telemetry_as_it_came(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    config = CONFIG.format(folder=tmp_path).replace("runs.jsonl}", "runs.pb, format: proto}")
    file.write_text(config.replace("metrics.jsonl}", "metrics.jsonl, content: telemetry}"))
    service = Service(load_config([file], env={}))
    await service.start()
    assert await post(service, "/v1/traces", span_body("00f067aa0ba90001", "gpt-4o")) == 200
    assert await post(service, "/v1/metrics", json.dumps(METRICS).encode()) == 200
    assert await service.stop(30) is True
    assert kinds(tmp_path / "all.jsonl") == ["metric", "run"]
    raw = (tmp_path / "runs.pb").read_bytes()
    assert int.from_bytes(raw[:4], "big") == len(raw) - 4
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert "resourceMetrics" in json.loads(line)


async def test_the_same_request_twice_is_one_record(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    await service.start()
    for _ in range(2):
        assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
    await service.stop(30)
    assert kinds(tmp_path / "runs.jsonl") == ["run"]


async def test_it_is_ready_between_start_and_stop(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    assert service.not_ready() == "starting"
    await service.start()
    assert service.not_ready() is None
    await service.stop(0)
    assert service.not_ready() == "stopping"


async def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    first = service_in(tmp_path)
    await first.start()
    second = service_in(tmp_path)
    with pytest.raises(LogError):
        await second.start()
    await first.stop(0)
    third = service_in(tmp_path)
    await third.start()
    await third.stop(0)


async def test_the_status_counts_what_was_accepted(tmp_path: Path) -> None:
    service = service_in(tmp_path)
    assert service.status() == {}
    await service.start()
    await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini"))
    status: dict[str, Any] = service.status()["pipeline"]
    assert (status["accepted_requests"], status["accepted_items"]) == (1, 1)
    assert set(status["exporters"]) == {"file/runs", "file/metrics", "file/all"}
    await service.stop(0)


async def test_exporters_that_pass_telemetry_on_have_metrics_by_signal(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    away = "otlphttp: {endpoint: 'http://127.0.0.1:9'}"
    text = CONFIG.replace("exporters:\n", f"exporters:\n  {away.replace('{', '{{').replace('}', '}}')}\n")
    file.write_text(text.format(folder=tmp_path).replace("file/runs, file/all", "file/runs, file/all, otlphttp"))
    service = Service(load_config([file], env={}))
    await service.start()
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
    size = service.samples().get(declarations.QUEUE_SIZE, "otlphttp", "traces")
    await service.stop(0)
    assert isinstance(size, int | float)
    assert size > 0


async def test_what_it_did_is_told_to_prometheus(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    reader = 'telemetry: {metrics: {level: detailed, address: "127.0.0.1:0"}}'
    text = CONFIG.format(folder=tmp_path).replace("service:\n", f"service:\n  {reader}\n")
    file.write_text(text)
    service = Service(load_config([file], env={}))
    await service.start()
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
    assert await post(service, "/v1/metrics", b"{") == 400
    await service.pipeline.drained()
    url = service.endpoints()["metrics"]
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        lines = set((await response.text()).splitlines())
    await service.stop(0)
    assert lines >= {
        'otelcol_receiver_accepted_spans_total{receiver="otlp",transport="http"} 1.0',
        'otelcol_exporter_sent_spans_total{exporter="file/runs"} 1.0',
        'otelcol_exporter_send_failed_spans_total{exporter="file/runs"} 0.0',
        'otelcol_exporter_queue_size{data_type="traces",exporter="file/runs"} 0.0',
        'spanledger_receiver_refused_requests_total{reason="invalid",receiver="otlp",transport="http"} 1.0',
        'spanledger_exporter_state{exporter="file/runs",state="running"} 1.0',
        'spanledger_mapping_records_total{kind="llm"} 1.0',
        'spanledger_project_accepted_items_total{project="default"} 1.0',
        "spanledger_log_commit_seconds_count 1.0",
        "spanledger_trace_memory_traces 1.0",
        "spanledger_ready 1.0",
    }


KEYED = """\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:0"}}
      http: {{endpoint: "127.0.0.1:0", auth: {{authenticator: bearertokenauth}}}}
exporters:
  file: {{path: {folder}/runs.jsonl}}
extensions:
  bearertokenauth: {{token: one-token-for-all, project: everyone}}
  file_storage: {{directory: {folder}/log}}
service:
  extensions: [bearertokenauth, file_storage]
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
"""


async def test_a_receiver_asks_the_extension_that_its_protocol_names(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    file.write_text(KEYED.format(folder=tmp_path))
    service = Service(load_config([file], env={}))
    await service.start()
    body = span_body("00f067aa0ba902b7", "gpt-4o-mini")
    assert await post(service, "/v1/traces", body) == 401
    assert await post(service, "/v1/traces", body, Authorization="Bearer one-token-for-all") == 200
    assert await service.stop(30) is True
    (run,) = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert run["project_id"] == "everyone"


async def test_projects_ask_everyone_where_nothing_else_is_said(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    projects = "projects: {{projects: [{{id: shop, public_keys: [public-of-shop]}}]}}"
    keyed = KEYED.replace("bearertokenauth: {{token: one-token-for-all, project: everyone}}", projects)
    keyed = keyed.replace("[bearertokenauth,", "[projects,").replace(", auth: {{authenticator: bearertokenauth}}", "")
    file.write_text(keyed.format(folder=tmp_path))
    service = Service(load_config([file], env={}))
    await service.start()
    body = span_body("00f067aa0ba902b7", "gpt-4o-mini")
    assert await post(service, "/v1/traces", body) == 401
    assert await post(service, "/v1/traces", body, Authorization="Bearer public-of-shop") == 200
    assert await service.stop(30) is True


@pytest.mark.parametrize(
    ("authenticator", "words"),
    [
        ("projects", 'references extension "projects", which is not in service::extensions'),
        ("file_storage", 'references extension "file_storage", which knows no keys'),
    ],
)
def test_an_authenticator_that_is_none_is_a_mistake(tmp_path: Path, authenticator: str, words: str) -> None:
    file = tmp_path / "spanledger.yaml"
    named = KEYED.replace("authenticator: bearertokenauth", f"authenticator: {authenticator}")
    file.write_text(named.format(folder=tmp_path))
    with pytest.raises(ConfigError) as raised:
        load_config([file], env={})
    assert words in str(raised.value)


PROCESSED = """\
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
processors:
  filter: {{traces: {{span: ['attributes["gen_ai.request.model"] == "unwanted"']}}}}
  attributes: {{actions: [{{key: user.id, action: hash}}]}}
  python: own_processor:{function}
exporters:
  file: {{path: {folder}/runs.jsonl}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [filter, attributes, python], exporters: [file]}}
"""
OWN = """\
def shorten(run):
    if run.record == "run":
        if run.model == "unwanted":
            return False
        run.name = "own " + run.name
    return run

def broken(run):
    raise ZeroDivisionError

def mark(span, scope, resource):
    added = span.attributes.add()
    added.key = "user.id"
    added.value.string_value = "ada"
"""


async def test_processors_change_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_processor.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "spanledger.yaml"
    file.write_text(PROCESSED.format(folder=tmp_path, function="mark"))
    service = Service(load_config([file], env={}))
    await service.start()
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b8", "unwanted")) == 200
    assert await service.stop(30) is True
    (run,) = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert (run["model"], run["user_id"]) == ("gpt-4o-mini", "ada")


async def test_functions_may_take_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_processor.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "spanledger.yaml"
    text = PROCESSED.format(folder=tmp_path, function="mark").replace(
        "[filter, attributes, python]", "[python/a, python/b]"
    )
    own = "".join(
        f"  python/{name}: {{function: own_processor:{function}, on: records}}\n"
        for name, function in (("a", "broken"), ("b", "shorten"))
    )
    file.write_text(text.replace("  python: own_processor:mark\n", own))
    service = Service(load_config([file], env={}))
    await service.start()
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b8", "unwanted")) == 200
    assert await service.stop(30) is True
    (run,) = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert (run["model"], run["name"]) == ("gpt-4o-mini", "own gpt-4o-mini")


async def test_a_function_that_is_not_there_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_processor.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "spanledger.yaml"
    file.write_text(PROCESSED.format(folder=tmp_path, function="maark"))
    service = Service(load_config([file], env={}))
    with pytest.raises(ConfigError, match=r"spanledger\.yaml:6.*own_processor has no maark"):
        await service.start()


async def test_a_log_that_cannot_be_written_makes_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = service_in(tmp_path)
    await service.start()

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("os.fdatasync", broken)
        patched.setattr("os.fsync", broken)
        assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 503
        assert service.not_ready() is not None
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
    assert service.not_ready() is None
    assert await service.stop(30) is True


async def test_a_store_that_is_away_is_degraded_and_not_dead(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    text = CONFIG.format(folder=tmp_path).replace(f"path: {tmp_path}/all.jsonl", 'endpoint: "http://127.0.0.1:1"')
    file.write_text(text.replace("file/all", "otlphttp"))
    service = Service(load_config([file], env={}))
    await service.start()
    assert await post(service, "/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
    while not (trouble := degraded(of_status(service.status()))):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)
    assert list(trouble) == ["exporter:otlphttp"]
    assert service.not_ready() is None
    await service.stop(0)
