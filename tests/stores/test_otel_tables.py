"""Runs and, beside them, the tables of the Collector's exporter, from one exporter of a running service."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import aiohttp

from spanledger.config import load_config
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.service import Service
from tests.exporters.ledger import opened
from tests.exporters.otel_requests import attribute, logs, metrics, point, span, spans

_databases = itertools.count(1)
CONFIG = """\
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  clickhouse: {{endpoint: {endpoint}, database: {database}, otel_tables: true, runs_ttl_days: 0, payloads_ttl_days: 0}}
extensions:
  file_storage: {{directory: {folder}/log}}
service:
  extensions: [file_storage]
  pipelines:
    traces: {{receivers: [otlp], exporters: [clickhouse]}}
    logs: {{receivers: [otlp], exporters: [clickhouse]}}
    metrics: {{receivers: [otlp], exporters: [clickhouse]}}
"""
CALL = [attribute("gen_ai.operation.name", string_value="chat"), attribute("gen_ai.request.model", string_value="m")]


async def serve(file: Path, *requests: tuple[str, bytes]) -> dict[str, Any]:
    """Start, send, stop once everything is delivered. The metrics of the process."""
    service = Service(load_config([file], env={}))
    await service.start()
    try:
        url = service.endpoints()["otlp over HTTP"]
        async with aiohttp.ClientSession(headers={"Content-Type": "application/x-protobuf"}) as session:
            for signal, body in requests:
                async with session.post(f"{url}/v1/{signal}", data=body) as answer:
                    assert answer.status == 200
        await service.pipeline.drained()
        counts: dict[str, Any] = service.status()["pipeline"]
        return counts
    finally:
        await service.stop(5)


async def test_runs_and_tables_hold_what_came_once(engine: str, tmp_path: Path) -> None:
    database = f"both_{next(_databases)}"
    file = tmp_path / "spanledger.yaml"
    file.write_text(CONFIG.format(endpoint=engine, database=database, folder=tmp_path))
    sent = [
        ("traces", spans(span(1, attributes=CALL), span(2, attributes=CALL)).body),
        ("logs", logs({"time_unix_nano": "1772359200000000000", "body": {"string_value": "hi"}}).body),
        ("metrics", metrics({"name": "gen_ai.client.token.usage", "gauge": {"data_points": [point(as_int="4")]}}).body),
    ]

    first = await serve(file, *sent)
    await serve(file, *sent)  # a sender that never heard the answers

    assert set(first["exporters"]) == {
        *("clickhouse", "clickhouse:traces", "clickhouse:logs", "clickhouse:metrics"),
    }
    with opened(ClickHouseSettings(endpoint=engine, database=database)) as connection:
        counts = {
            table: connection.query(f"SELECT count() FROM {database}.{table}")[0][0]
            for table in ("runs FINAL", "metrics FINAL", "otel_traces", "otel_logs", "otel_metrics_gauge")
        }
    assert counts == {"runs FINAL": 2, "metrics FINAL": 1, "otel_traces": 2, "otel_logs": 1, "otel_metrics_gauge": 1}
