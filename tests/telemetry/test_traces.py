"""Spans of spanledger about itself: `service::telemetry::traces`."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest

from spanledger.config import InvalidConfiguration, load_config
from spanledger.service import Service
from tests.cli.serving import span_body
from tests.receiver.certificates import Authority
from tests.telemetry.span_receiver import attributes, over_grpc, over_http

BODY = span_body("00f067aa0ba902b7", "gpt-4o-mini")
REMOTE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ROAD = ["exporter/file", "log/append", "mapping", "receiver/otlp/TraceDataReceived"]


def batch(otlp: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"batch": {"schedule_delay": 20, "exporter": {"otlp": otlp}, **settings}}


def service_with(folder: Path, traces: dict[str, Any], **more: Any) -> Service:
    config: dict[str, dict[str, Any]] = {
        "receivers": {
            "otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:0"}, "grpc": {"endpoint": "127.0.0.1:0"}}}
        },
        "exporters": {"file": {"path": str(folder / "runs.jsonl")}},
        "extensions": {"file_storage": {"directory": str(folder / "log")}},
        "service": {
            "extensions": ["file_storage"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            "telemetry": {"metrics": {"level": "none"}, "traces": traces},
        },
    }
    for section, settings in more.items():
        config[section].update(settings)
    file = folder / "spanledger.yaml"
    file.write_text(json.dumps(config))
    return Service(load_config([file], env={}))


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[str]:
    await service.start()
    try:
        yield service.endpoints()["otlp over HTTP"]
    finally:
        await service.stop(10)


async def post(url: str, body: bytes = BODY, **headers: str) -> int:
    headers = {"Content-Type": "application/json", **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/traces", data=body, headers=headers) as answer,
    ):
        return answer.status


async def test_a_request_is_followed_from_the_receiver_to_the_store(tmp_path: Path) -> None:
    async with over_http() as receiver:
        async with running(service_with(tmp_path, {"processors": [batch({"endpoint": receiver.endpoint})]})) as url:
            assert await post(url) == 200
            await receiver.until(lambda: len(receiver.spans) >= len(ROAD))
        assert sorted(span.name for span in receiver.spans) == ROAD
        (request,) = receiver.named("receiver/otlp/TraceDataReceived")
        (append,) = receiver.named("log/append")
        (mapping,) = receiver.named("mapping")
        (export,) = receiver.named("exporter/file")
    assert request.kind == 2
    assert request.parent_span_id == b""
    assert attributes(request)["accepted_items"] == 1
    assert attributes(request)["http.response.status_code"] == 200
    assert (append.trace_id, append.parent_span_id) == (request.trace_id, request.span_id)
    assert (mapping.trace_id, mapping.parent_span_id) == (request.trace_id, append.span_id)
    assert attributes(mapping)["records"] == 1
    assert [(link.trace_id, link.span_id) for link in export.links] == [(append.trace_id, append.span_id)]
    assert export.trace_id != request.trace_id
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in receiver.spans)


async def test_the_resource_is_that_of_the_metrics(tmp_path: Path) -> None:
    async with over_http() as receiver:
        traces = {"processors": [{"simple": {"exporter": {"otlp": {"endpoint": receiver.endpoint}}}}]}
        telemetry = {"metrics": {"level": "none"}, "traces": traces, "resource": {"deployment": "test"}}
        service = service_with(tmp_path, {}, service={"telemetry": telemetry})
        async with running(service) as url:
            assert await post(url) == 200
            await receiver.until(lambda: len(receiver.spans) >= len(ROAD))
        resource = receiver.requests[0].resource_spans[0].resource
    found = {one.key: one.value.string_value for one in resource.attributes}
    assert found.keys() == {"service.name", "service.version", "service.instance.id", "deployment"}
    assert found["service.name"] == "spanledger"


async def test_the_senders_span_is_the_parent_where_a_propagator_is_named(tmp_path: Path) -> None:
    async with over_http() as receiver:
        traces = {"processors": [batch({"endpoint": receiver.endpoint})], "propagators": ["tracecontext"]}
        async with running(service_with(tmp_path, traces)) as url:
            assert await post(url, traceparent=REMOTE, tracestate="vendor=1") == 200
            await receiver.until(lambda: len(receiver.spans) >= len(ROAD))
        (request,) = receiver.named("receiver/otlp/TraceDataReceived")
    assert request.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert request.parent_span_id.hex() == "00f067aa0ba902b7"
    assert request.trace_state == "vendor=1"


async def test_headers_of_a_trace_mean_nothing_without_a_propagator(tmp_path: Path) -> None:
    async with over_http() as receiver:
        async with running(service_with(tmp_path, {"processors": [batch({"endpoint": receiver.endpoint})]})) as url:
            assert await post(url, traceparent=REMOTE) == 200
            await receiver.until(lambda: len(receiver.spans) >= len(ROAD))
        (request,) = receiver.named("receiver/otlp/TraceDataReceived")
    assert request.trace_id.hex() != "4bf92f3577b34da6a3ce929d0e0e4736"
    assert request.parent_span_id == b""


async def test_over_grpc_the_parent_stands_in_the_metadata(tmp_path: Path) -> None:
    async with over_http() as receiver:
        traces = {"processors": [batch({"endpoint": receiver.endpoint})], "propagators": ["tracecontext"]}
        service = service_with(tmp_path, traces)
        async with running(service), grpc.aio.insecure_channel(service.endpoints()["otlp over gRPC"]) as channel:
            export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export", bytes, bytes)
            with pytest.raises(grpc.aio.AioRpcError):
                await export(b"\xff", metadata=[("traceparent", REMOTE)])
            await receiver.until(lambda: len(receiver.spans) >= 1)
        (request,) = receiver.named("receiver/otlp/TraceDataReceived")
    assert request.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert attributes(request)["transport"] == "grpc"
    assert request.status.code == 2
    assert request.status.message != ""


async def test_a_request_that_is_refused_is_an_error(tmp_path: Path) -> None:
    async with over_http() as receiver:
        async with running(service_with(tmp_path, {"processors": [batch({"endpoint": receiver.endpoint})]})) as url:
            assert await post(url, b"{") == 400
            await receiver.until(lambda: len(receiver.spans) >= 1)
        (request,) = receiver.spans
    assert request.status.code == 2
    assert attributes(request)["http.response.status_code"] == 400


async def test_a_share_of_the_traces_is_recorded_and_none_at_zero(tmp_path: Path) -> None:
    async with over_http() as receiver:
        traces = {
            "processors": [batch({"endpoint": receiver.endpoint})],
            "propagators": ["tracecontext"],
            "sampler": {"parent_based": {"root": {"trace_id_ratio_based": {"ratio": 0}}}},
        }
        async with running(service_with(tmp_path, traces)) as url:
            assert await post(url) == 200
            assert await post(url, span_body("00f067aa0ba902b8", "gpt-4o"), traceparent=REMOTE) == 200
            await receiver.until(lambda: len(receiver.spans) >= len(ROAD))
        assert {span.trace_id.hex() for span in receiver.named("mapping")} == {"4bf92f3577b34da6a3ce929d0e0e4736"}


async def test_attempts_of_an_exporter_are_events_of_its_span(tmp_path: Path) -> None:
    answers = iter([503, *[200] * 100])
    async with over_http() as receiver, over_http(lambda: next(answers)) as next_one:
        exporters = {"otlp_http": {"endpoint": next_one.endpoint, "retry_on_failure": {"initial_interval": "1ms"}}}
        pipelines = {"traces": {"receivers": ["otlp"], "exporters": ["otlp_http"]}}
        traces = {"processors": [batch({"endpoint": receiver.endpoint})]}
        telemetry = {"metrics": {"level": "none"}, "traces": traces}
        given = {"exporters": exporters, "service": {"pipelines": pipelines, "telemetry": telemetry}}
        async with running(service_with(tmp_path, {}, **given)) as url:
            assert await post(url) == 200
            await receiver.until(lambda: len(receiver.named("exporter/otlp_http/traces")) >= 1)
        (export,) = receiver.named("exporter/otlp_http/traces")
    (event,) = export.events
    assert event.name == "retry"
    reason = {one.key: one.value.string_value for one in event.attributes}["reason"]
    assert reason.startswith("HTTP 503")
    assert export.status.code == 0


async def test_spans_that_come_back_to_it_make_no_others(tmp_path: Path) -> None:
    async with over_http() as receiver:
        service = service_with(tmp_path, {"processors": [batch({"endpoint": receiver.endpoint})]})
        async with running(service) as url:
            assert await post(url) == 200
            await receiver.until(lambda: len(receiver.spans) >= len(ROAD))
            for request in list(receiver.requests):  # as a Collector in between would
                body = request.SerializeToString()
                assert await post(url, body, **{"Content-Type": "application/x-protobuf"}) == 200
            await service.pipeline.drained()
            assert service.pipeline.status().accepted_items == 1 + len(ROAD)
        assert sorted(span.name for span in receiver.spans) == ROAD


async def test_a_refusal_of_what_it_sends_to_itself_is_no_span(tmp_path: Path) -> None:
    async with over_http() as receiver:
        async with running(service_with(tmp_path, {"processors": [batch({"endpoint": receiver.endpoint})]})) as url:
            assert await post(url) == 200
            await receiver.until(lambda: len(receiver.spans) >= len(ROAD))
            agent = receiver.headers[0]["user-agent"]
            assert await post(url, b"{", **{"User-Agent": agent}) == 400
        assert sorted(span.name for span in receiver.spans) == ROAD


async def test_a_receiver_that_is_away_costs_one_line_and_no_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([503, 503, *[200] * 100])
    with caplog.at_level(logging.INFO):
        async with over_http(lambda: next(answers)) as receiver:
            traces = {"processors": [batch({"endpoint": receiver.endpoint}, max_queue_size=2)]}
            async with running(service_with(tmp_path, traces)) as url:
                assert await post(url) == 200
                await receiver.until(lambda: len(receiver.spans) > 0)
    said = [record.getMessage() for record in caplog.records if "own spans" in record.getMessage()]
    assert said == ["own spans cannot be sent", "own spans are sent again"]
    assert receiver.refused == 2


async def test_the_end_does_not_wait_for_a_receiver_that_is_away(tmp_path: Path) -> None:
    traces = {"processors": [batch({"endpoint": "http://127.0.0.1:1"})]}
    service = service_with(tmp_path, traces)
    await service.start()
    assert await post(service.endpoints()["otlp over HTTP"]) == 200
    assert await service.stop(10) is True


async def test_over_grpc_with_a_key_and_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue()
    async with over_grpc(authority.grpc_server(files)) as receiver:
        otlp = {
            "protocol": "grpc",
            "endpoint": receiver.endpoint,
            "certificate": str(authority.file),
            "client_certificate": files["cert_file"],
            "client_key": files["key_file"],
            "headers": {"X-Key": "secret"},
            "headers_list": "x-key=not-this,x-team=a%20b",
            "compression": "gzip",
        }
        async with running(service_with(tmp_path, {"processors": [batch(otlp)]})) as url:
            assert await post(url) == 200
            await receiver.until(lambda: len(receiver.spans) >= len(ROAD))
        assert sorted(span.name for span in receiver.spans) == ROAD
        assert receiver.headers[0]["x-key"] == "secret"
        assert receiver.headers[0]["x-team"] == "a b"


@pytest.mark.parametrize("traces", [{}, {"level": "none", "processors": [batch({"endpoint": "http://127.0.0.1:1"})]}])
async def test_without_a_receiver_nothing_is_made(tmp_path: Path, traces: dict[str, Any]) -> None:
    service = service_with(tmp_path, traces)
    async with running(service) as url:
        assert await post(url) == 200
        assert not service.tracer.active


async def test_another_configuration_takes_the_spans_elsewhere(tmp_path: Path) -> None:
    async with over_http() as first, over_http() as second:
        before = service_with(tmp_path, {"processors": [batch({"endpoint": first.endpoint})]})
        await before.start()
        file = tmp_path / "spanledger.yaml"
        file.write_text(file.read_text().replace(first.endpoint, second.endpoint))
        service = Service(load_config([file], env={}), predecessor=before)
        await before.make_way(10)
        await service.start(10)  # the receiver goes on as it is
        await before.stop(10)
        assert await post(service.endpoints()["otlp over HTTP"]) == 200
        await second.until(lambda: len(second.spans) >= len(ROAD))
        await service.stop(10)
        assert (len(first.spans), sorted(span.name for span in second.spans)) == (0, ROAD)


@pytest.mark.parametrize(
    ("traces", "told"),
    [
        ({"sampling": 1}, "sampling"),
        ({"processors": [{"batch": {"exporter": {"console": {}}}}]}, "console"),
        ({"processors": [{}]}, "must have one of batch and simple"),
        ({"propagators": ["jaeger"]}, "tracecontext"),
        ({"sampler": {"jaeger_remote": {}}}, "jaeger_remote"),
        ({"sampler": {"always_on": {}, "always_off": {}}}, "must have one of always_on, always_off"),
        ({"processors": [batch({"endpoint": "http://127.0.0.1:4318", "client_key": "key.pem"})]}, "client_certificate"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(tmp_path: Path, traces: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfiguration, match=told) as refused:
        service_with(tmp_path, traces)
    assert "telemetry::traces" in str(refused.value)
