"""`spanledger serve` as a real process."""

from __future__ import annotations

import base64
import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger.cli import main
from spanledger.config import default_text
from tests.cli.serving import Serving, serving, span_body

pytestmark = pytest.mark.timeout(180)  # processes start and end, which takes long on a busy machine


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def send_by_grpc(address: str, span_id: str, model: str) -> None:
    message = json.loads(span_body(span_id, model))
    span = message["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for key in ("traceId", "spanId"):  # hex in OTLP/JSON, base64 in the JSON that protobuf itself knows
        span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    with grpc.insecure_channel(address) as channel:
        stub: Any = trace_service_pb2_grpc.TraceServiceStub
        stub(channel).Export(json_format.ParseDict(message, ExportTraceServiceRequest()))


def address_of(process: Serving, name: str) -> str:
    """Where something listens. The API says so later, in a line of its own, when its store took long to answer."""
    late = r"|  the API listens  address=(\S+)" if name == "api" else ""
    found = process.wait_for(rf"^  {name} +(?:http://)?(\S+){late}")
    return next(address for address in found.groups() if address)


def runs(api: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["runs", "--api", api, *arguments])


def listed(api: str, *arguments: str) -> list[dict[str, Any]]:
    """Runs by the command; none as long as the store has no tables: a start under load makes them when it is ready."""
    result = runs(api, "--json", *arguments)
    return list(json.loads(result.output)["data"]) if result.exit_code == 0 else []


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds, once it finds something. What was acknowledged is written a moment later."""
    for _ in range(2000):
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("never found")


def test_a_span_sent_by_grpc_and_one_sent_by_http_are_read_by_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        http, api = address_of(process, "otlp over HTTP"), address_of(process, "api")
        send_by_grpc(address_of(process, "otlp over gRPC"), "00f067aa0ba902b7", "gpt-4.1-mini")
        assert post(f"http://{http}/v1/traces", span_body("00f067aa0ba902b8", "gpt-4o-mini")) == 200

        def both() -> list[dict[str, Any]]:
            found = listed(api, "--type", "llm", "--user", "ada")
            return found if len(found) == 2 else []

        found = until(both)
        assert {run["model"] for run in found} == {"gpt-4.1-mini", "gpt-4o-mini"}
        assert {run["usage"]["input_tokens"] for run in found} == {42}

        table = runs(api).output
        assert "42 → 7" in table
        assert "gpt-4o-mini" in table
        page = runs(api, "show", found[0]["run_id"][:8]).output
        assert "input tokens" in page
        assert "chat gpt-4" not in runs(api, "--model", "gpt-5").output
        assert process.end() == 0


def test_what_it_prints_when_it_is_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        http, api = address_of(process, "otlp over HTTP"), address_of(process, "api")
        process.wait_for(rf"^Send to it: +export OTEL_EXPORTER_OTLP_ENDPOINT=http://{http}$")
        process.wait_for(rf"^Look at runs: +python -m spanledger runs --api http://{api}$")
        assert process.lines[0].startswith("spanledger ")
        assert " is ready after " in process.lines[0]


def test_the_health_check_tells_that_it_is_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        with urllib.request.urlopen(f"http://{address_of(process, 'health_check')}/") as response:
            body = json.load(response)
        assert body["status"] == "Server available"
        # On a busy machine it is ready before the store is: what comes meanwhile waits in the log.
        assert body["pipeline"]["exporters"]["clickhouse"]["state"] in ("running", "starting")


def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        url = f"http://{address_of(process, 'otlp over HTTP')}/v1/traces"
        assert post(url, span_body("00f067aa0ba902b7", "gpt-4.1-mini")) == 200
        assert process.end(signal.SIGKILL) == -signal.SIGKILL
    with serving(tmp_path) as process:
        api = address_of(process, "api")
        assert len(until(lambda: listed(api))) == 1


def test_a_port_in_use_is_told_with_its_key(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"127.0.0.1:{other.getsockname()[1]}"
        for key in ("receivers.otlp.protocols.http.endpoint", "receivers.otlp.protocols.grpc.endpoint"):
            folder = tmp_path / key
            folder.mkdir()
            with serving(folder, f"{key}={endpoint}") as process:
                process.wait_for("^Error: invalid configuration: 1 error")
                process.wait_for(f"^--set {key}: {key.replace('.', '::')}: cannot listen on {endpoint}: ")
                assert process.ended() == 1
                assert "Traceback" not in process.output


def test_a_signal_that_no_pipeline_takes_is_not_served(tmp_path: Path) -> None:
    default = default_text()
    logs = default[default.index("    logs:") : default.index("    metrics:")]
    (tmp_path / "traces-and-metrics.yaml").write_text(default.replace(logs, ""))
    with serving(tmp_path, arguments=("--config", "traces-and-metrics.yaml")) as process:
        url = f"http://{address_of(process, 'otlp over HTTP')}"
        assert post(f"{url}/v1/logs", b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}') == 404


def test_listening_beyond_loopback_is_warned_of(tmp_path: Path) -> None:
    with serving(tmp_path, "receivers.otlp.protocols.http.endpoint=0.0.0.0:0") as process:
        process.wait_for(r"  warn   .*anyone who can reach 0\.0\.0\.0:0 can send telemetry")
        process.wait_for(r"^Send to it: +export OTEL_EXPORTER_OTLP_ENDPOINT=http://127\.0\.0\.1:\d+$")


def test_json_logs_are_all_that_is_printed_when_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, "service.telemetry.logs.encoding=json") as process:
        process.wait_for('"msg": "ready"')
        assert process.end() == 0
    lines = [json.loads(line) for line in process.lines]
    assert [line["msg"] for line in lines if line["level"] == "info"] == ["ready", "stopping"]


def test_a_store_that_is_away_stops_neither_the_start_nor_the_senders(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = f"exporters.clickhouse.endpoint=http://127.0.0.1:{unused.getsockname()[1]}"
        with serving(tmp_path, away, arguments=("--grace", "0s")) as process:
            url = f"http://{address_of(process, 'otlp over HTTP')}/v1/traces"
            assert post(url, span_body("00f067aa0ba902b7", "gpt-4.1-mini")) == 200
            assert process.end() == 0
            assert "the API waits for its store" in process.output
            assert "the next start goes on there" in process.output
    with serving(tmp_path) as process:
        api = address_of(process, "api")
        assert len(until(lambda: listed(api))) == 1


def test_two_processes_on_one_folder_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        first.wait_for(" is ready ")
        with serving(tmp_path) as second:
            second.wait_for("^Error: ")
            assert second.ended() == 1
            assert "Traceback" not in second.output


def test_runs_says_what_to_do_when_nothing_answers() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        result = runs(address)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: cannot reach the API at http://{address}: Connection refused\n"
        "Is `spanledger serve` running, with the `api` extension? Name another place with --api URL.\n"
    )
