"""Own metrics: what is counted, and how readers see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families

from spanledger.model.distribution import Distribution
from spanledger.telemetry.metrics import declarations as m
from spanledger.telemetry.metrics.document import rewrite
from spanledger.telemetry.metrics.otlp import OtlpPusher, request_of
from spanledger.telemetry.metrics.prometheus import PrometheusServer
from spanledger.telemetry.metrics.samples import Samples
from spanledger.telemetry.metrics.settings import MetricsSettings, PeriodicSettings, PrometheusSettings

ATTRIBUTES = {"service.name": "spanledger", "service.instance.id": "one"}


def some() -> Samples:
    samples = Samples()
    samples.add(m.LOG_REFUSED, 3)
    samples.add(m.QUEUE_SIZE, 1024, "clickhouse", "traces+logs")
    samples.add(m.UPTIME, 1.5)
    samples.add(m.LOG_COMMIT_SECONDS, Distribution((0.1, 1.0), (2, 1, 0), 0.7))
    samples.add(m.PROJECT_ITEMS, 7, "shop")
    return samples


async def scrape(settings: PrometheusSettings, level: str = "normal", accept: str = "") -> str:
    server = PrometheusServer(settings, level, ATTRIBUTES, some)
    await server.start()
    try:
        url = f"http://{server.address}/metrics"
        async with aiohttp.ClientSession(headers={"Accept": accept}) as session, session.get(url) as response:
            assert response.status == 200
            return await response.text()
    finally:
        await server.stop()


def here(**settings: object) -> PrometheusSettings:
    return PrometheusSettings.model_validate({"host": "127.0.0.1", "port": 0, **settings})


def values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(text)
        for sample in family.samples
    }


async def test_prometheus_reads_counters_gauges_and_histograms() -> None:
    text = await scrape(here())
    assert "# TYPE spanledger_log_refused_requests_total counter" in text
    seen = values(text)
    assert seen["spanledger_log_refused_requests_total", frozenset()] == 3
    queue = frozenset({("exporter", "clickhouse"), ("data_type", "traces+logs")})
    assert seen["otelcol_exporter_queue_size", queue] == 1024
    assert seen["otelcol_process_uptime_total", frozenset()] == 1.5
    buckets = [seen["spanledger_log_commit_seconds_bucket", frozenset({("le", le)})] for le in ("0.1", "1.0", "+Inf")]
    assert buckets == [2, 3, 3]
    assert seen["spanledger_log_commit_seconds_sum", frozenset()] == 0.7
    named = frozenset({("service_name", "spanledger"), ("service_instance_id", "one")})
    assert seen["target_info", named] == 1


async def test_openmetrics_is_there_for_those_who_ask() -> None:
    text = await scrape(here(), accept="application/openmetrics-text; version=1.0.0")
    found = {family.name: family.type for family in openmetrics(text)}  # type: ignore[no-untyped-call]
    assert found["spanledger_log_refused_requests"] == "counter"
    assert found["spanledger_log_commit_seconds"] == "histogram"


async def test_the_level_decides_how_much_is_shown() -> None:
    basic, normal, detailed = [await scrape(here(), level) for level in ("basic", "normal", "detailed")]
    assert "spanledger_log_commit_seconds_sum" not in basic
    assert "spanledger_log_commit_seconds_sum" in normal
    assert "spanledger_project_accepted_items_total" not in normal
    assert 'spanledger_project_accepted_items_total{project="shop"} 7.0' in detailed


async def test_names_and_labels_follow_the_keys_of_the_collector() -> None:
    wanted = {"included": ["service.*"], "excluded": ["service.name"]}
    text = await scrape(here(without_type_suffix=True, without_units=False, with_resource_constant_labels=wanted))
    seen = values(text)
    instance = ("service_instance_id", "one")
    assert seen["spanledger_log_refused_requests", frozenset({instance})] == 3
    assert seen["otelcol_process_uptime_seconds", frozenset({instance})] == 1.5


def test_a_level_of_none_and_an_empty_list_have_no_readers() -> None:
    assert MetricsSettings(level="none").pulls() == []
    assert MetricsSettings(readers=[]).pulls() == []
    (default,) = MetricsSettings().pulls()
    assert default.endpoint == "localhost:8888"
    (short,) = MetricsSettings(address="[::1]:9999").pulls()
    assert short.endpoint == "[::1]:9999"


def test_workers_are_added_up_but_for_ages() -> None:
    together = Samples()
    for age, refused in ((2.0, 3), (5.0, 4)):
        worker = some()
        worker.add(m.OLDEST_AGE, age, "clickhouse")
        worker.add(m.LOG_REFUSED, refused)
        together.update(Samples.from_plain(worker.to_plain()))
    assert together.get(m.OLDEST_AGE, "clickhouse") == 5.0
    assert together.get(m.LOG_REFUSED) == 13
    commits = together.get(m.LOG_COMMIT_SECONDS)
    assert isinstance(commits, Distribution)
    assert (commits.counts, commits.count) == ([4, 2, 0], 6)


def test_a_worker_of_another_version_may_count_what_nobody_knows() -> None:
    assert Samples.from_plain({"spanledger_news": [[[], 1]]}).to_plain() == {}


def test_only_counters_outlive_a_process() -> None:
    kept = some().counters()
    assert kept.get(m.QUEUE_SIZE, "clickhouse", "traces+logs") is None
    assert kept.get(m.LOG_REFUSED) == 3


def test_over_otlp_sums_are_cumulative_and_have_no_suffix() -> None:
    request = request_of(some(), "normal", ATTRIBUTES, 10**18)
    (group,) = request.resource_metrics
    assert [attribute.key for attribute in group.resource.attributes] == ["service.name", "service.instance.id"]
    metrics = {metric.name: metric for metric in group.scope_metrics[0].metrics}
    assert "spanledger_project_accepted_items" not in metrics
    refused = metrics["spanledger_log_refused_requests"]
    assert (refused.sum.is_monotonic, refused.sum.aggregation_temporality, refused.unit) == (True, 2, "{requests}")
    assert (refused.sum.data_points[0].as_int, refused.sum.data_points[0].time_unix_nano) == (3, 10**18)
    (queue,) = metrics["otelcol_exporter_queue_size"].gauge.data_points
    assert {one.key: one.value.string_value for one in queue.attributes}["exporter"] == "clickhouse"
    (commits,) = metrics["spanledger_log_commit_seconds"].histogram.data_points
    assert (list(commits.explicit_bounds), list(commits.bucket_counts), commits.count) == ([0.1, 1.0], [2, 1, 0], 3)


@asynccontextmanager
async def collector(answer: Callable[[], int]) -> AsyncIterator[tuple[str, asyncio.Queue[bytes]]]:
    """An OTLP/HTTP server for metrics: its endpoint and the bodies that arrive."""
    bodies: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        assert request.headers["x-key"] == "secret"
        bodies.put_nowait(await request.read())  # aiohttp undoes gzip
        return web.Response(status=answer(), body=ExportMetricsServiceResponse().SerializeToString())

    app = web.Application()
    app.router.add_post("/v1/metrics", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", bodies
    finally:
        await runner.cleanup()


async def test_metrics_are_sent_each_interval_and_once_more_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([500, 200, 200, *[200] * 1000])
    async with collector(lambda: next(answers)) as (endpoint, bodies):
        otlp = {"endpoint": endpoint, "compression": "gzip", "headers": [{"name": "X-Key", "value": "secret"}]}
        settings = PeriodicSettings.model_validate({"interval": 100, "exporter": {"otlp": otlp}})
        pusher = OtlpPusher(settings, "normal", ATTRIBUTES, some)
        await pusher.start()
        for _ in range(2):  # a failure does not end it
            request = ExportMetricsServiceRequest.FromString(await bodies.get())
            assert request.resource_metrics[0].scope_metrics[0].scope.name == "spanledger"
        before = bodies.qsize()
        await pusher.stop()
        assert bodies.qsize() > before
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "own metrics cannot be sent"
    ]
    assert "secret" not in caplog.text


def test_the_document_lists_every_metric() -> None:
    document = Path(__file__).parents[2] / "docs" / "metrics.md"
    text = document.read_text()
    assert rewrite(text) == text, "run: .venv/bin/python -m spanledger.telemetry.metrics.document docs/metrics.md"
    assert [name for name, metric in m.METRICS.items() if f"`{metric.shown}`" not in text] == []
