"""What came with a request besides its telemetry: shown to processors, and given to destinations with it, also across
a restart."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc.aio
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.cli import main
from spanledger.config import load_config
from spanledger.service import Service
from tests.cli.serving import span_body
from tests.receiver import bodies
from tests.receiver.servers import TRACE_SERVICE, raw_call

CONFIG = """\
receivers:
  otlp:
    protocols:
      http: {endpoint: "127.0.0.1:0", include_metadata: true}
      grpc: {endpoint: "127.0.0.1:0", include_metadata: true}
  otlp/unseen: {protocols: {http: {endpoint: "127.0.0.1:0"}}}
exporters:
  file/a: {path: FOLDER/a.jsonl}
  file/b: {path: FOLDER/b.jsonl}
  otlp_http:
    endpoint: DESTINATION
    compression: none
    auth: {authenticator: headers_setter}
    retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}
processors:
  attributes:
    actions:
      - {key: user.id, action: upsert, from_context: metadata.X-User}
      - {key: session.id, action: upsert, from_context: client.address}
      - {key: gen_ai.request.model, action: upsert, from_context: X-Model, default_value: not told}
extensions:
  file_storage: {directory: FOLDER/log}
  headers_setter:
    headers:
      - {key: X-Scope-OrgID, from_context: X-Tenant, default_value: nobody}
      - {key: X-Project, from_attribute: project}
connectors:
  routing:
    default_pipelines: [traces/b]
    table: [{context: request, condition: 'request["X-Tenant"] == "acme"', pipelines: [traces/a]}]
service:
  extensions: [file_storage, headers_setter]
  pipelines:
"""


def service_in(folder: Path, pipelines: str, destination: str = "http://127.0.0.1:1") -> Service:
    file = folder / "spanledger.yaml"
    file.write_text(CONFIG.replace("FOLDER", str(folder)).replace("DESTINATION", destination) + pipelines)
    return Service(load_config([file], env={}))


async def post(service: Service, number: int, receiver: str = "otlp", **headers: str) -> int:
    url = service.endpoints()[f"{receiver} over HTTP"] + "/v1/traces"
    body = span_body(f"00f067aa0ba9{number:04x}", "of the span")
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=sent) as response:
        return response.status


def runs(file: Path) -> list[dict[str, object]]:
    records = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [record for record in records if record["record"] == "run"]


async def test_processors_are_shown_headers_and_addresses(tmp_path: Path) -> None:
    pipelines = "    traces: {receivers: [otlp, otlp/unseen], processors: [attributes], exporters: [file/a]}\n"
    service = service_in(tmp_path, pipelines)
    await service.start()
    assert await post(service, 1, X_User="ali", X_Model="of the header") == 200
    assert await post(service, 2, "otlp/unseen", X_User="kasim", X_Model="not shown") == 200
    address = service.endpoints()["otlp over gRPC"]
    async with grpc.aio.insecure_channel(address) as channel:
        body = bodies.traces(bodies.span("chat", attributes={"gen_ai.operation.name": "chat"}))
        metadata = (("x-user", "morgiana"), ("x-user", "her sister"), ("trace-bin", b"\x00"))
        await raw_call(channel, TRACE_SERVICE)(body, metadata=metadata)
    assert await service.stop(30) is True
    found = {(run["user_id"], run["session_id"], run["request_model"]) for run in runs(tmp_path / "a.jsonl")}
    assert found == {
        ("ali", "127.0.0.1", "of the header"),
        ("ada", "127.0.0.1", "not told"),
        ("morgiana;her sister", "127.0.0.1", "not told"),
    }


async def test_requests_are_routed_by_a_header(tmp_path: Path) -> None:
    pipelines = """\
    traces/in: {receivers: [otlp], exporters: [routing]}
    traces/a: {receivers: [routing], exporters: [file/a]}
    traces/b: {receivers: [routing], exporters: [file/b]}
"""
    service = service_in(tmp_path, pipelines)
    await service.start()
    for number, tenant in enumerate(["acme", "shop", "acme"]):
        assert await post(service, number, X_Tenant=tenant) == 200
    assert await post(service, 7) == 200
    assert await service.stop(30) is True
    assert (len(runs(tmp_path / "a.jsonl")), len(runs(tmp_path / "b.jsonl"))) == (2, 2)


class Destination:
    """Takes traces of tenants but for those that it does not know, or of nobody while it is away."""

    def __init__(self) -> None:
        self.away = False
        self.unknown: set[str] = set()
        self.spans: Counter[tuple[str | None, str | None]] = Counter()
        """By tenant and project."""
        self.turned_down = 0
        self.asked = asyncio.Event()
        self.url = ""

    async def respond(self, request: web.Request) -> web.Response:
        body = ExportTraceServiceRequest.FromString(await request.read())
        self.asked.set()
        tenant = request.headers.get("X-Scope-OrgID")
        if self.away:
            return web.Response(status=503)
        if tenant in self.unknown:
            self.turned_down += 1
            return web.Response(status=401, text="no such tenant")
        spans = sum(len(scope.spans) for resource in body.resource_spans for scope in resource.scope_spans)
        self.spans[tenant, request.headers.get("X-Project")] += spans
        return web.Response()


@asynccontextmanager
async def serving() -> AsyncIterator[Destination]:
    destination = Destination()
    application = web.Application()
    application.router.add_post("/v1/traces", destination.respond)
    async with TestServer(application, host="127.0.0.1") as server:
        destination.url = f"http://127.0.0.1:{server.port}"
        yield destination


PASS_ON = "    traces: {receivers: [otlp, otlp/unseen], exporters: [otlp_http]}\n"


async def test_every_tenant_goes_on_under_its_own_header_also_after_a_restart(tmp_path: Path) -> None:
    async with serving() as destination:
        destination.away = True
        service = service_in(tmp_path, PASS_ON, destination.url)
        await service.start()
        for number, tenant in enumerate(["acme", "shop", "acme"]):
            assert await post(service, number, X_Tenant=tenant) == 200
        assert await post(service, 3, "otlp/unseen", X_Tenant="hidden") == 200
        await destination.asked.wait()
        assert await service.stop(0) is False
        assert not destination.spans
        destination.away = False
        service = service_in(tmp_path, PASS_ON, destination.url)
        await service.start()
        assert await service.stop(30) is True
    project = "default"
    assert destination.spans == {("acme", project): 2, ("shop", project): 1, ("nobody", project): 1}


async def test_one_tenants_bad_key_stops_nobody_else(tmp_path: Path) -> None:
    async with serving() as destination:
        destination.unknown = {"thief"}
        service = service_in(tmp_path, PASS_ON, destination.url)
        await service.start()
        for number, tenant in enumerate(["acme", "thief", "shop"]):
            assert await post(service, number, X_Tenant=tenant) == 200
        assert await service.stop(30) is True
        assert destination.spans == {("acme", "default"): 1, ("shop", "default"): 1}
        assert destination.turned_down >= 1

        # What was turned down is a dead letter, and goes on under the same header once somebody has put that right.
        listed = await asyncio.to_thread(queue, tmp_path, "cat", "--dead", "--json")
        assert '"reason":"HTTP 401 no such tenant"' in listed
        assert "thief" not in listed, "what clients sent as headers may be keys"
        destination.unknown = set()
        await asyncio.to_thread(queue, tmp_path, "replay", "--dead")
    assert destination.spans["thief", "default"] == 1


def queue(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["queue", *arguments, "--config", str(folder / "spanledger.yaml")])
    assert result.exit_code == 0, result.output
    return result.output


async def test_more_headers_than_a_log_should_hold_are_refused(tmp_path: Path) -> None:
    service = service_in(tmp_path, PASS_ON)
    await service.start()
    assert await post(service, 1, X_Tenant="a" * 8100) == 200
    assert await post(service, 2, X_Tenant="é" * 3000) == 400
    await service.stop(0)


async def test_a_configuration_that_begins_to_look_at_headers_makes_receivers_show_them(tmp_path: Path) -> None:
    async with serving() as destination:
        before = service_in(tmp_path, "    traces: {receivers: [otlp, otlp/unseen], exporters: [file/a]}\n")
        await before.start()
        assert await post(before, 1, X_Tenant="acme") == 200
        await before.make_way(30)
        config = service_in(tmp_path, PASS_ON, destination.url).config
        service = Service(config, predecessor=before)
        await service.start(30)
        assert await post(service, 2, X_Tenant="acme") == 200
        assert await service.stop(30) is True
    assert destination.spans == {("acme", "default"): 1}
