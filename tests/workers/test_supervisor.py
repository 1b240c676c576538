"""`spanledger serve` with workers, as real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.serving import Serving, serving, span_body
from tests.workers.senders import PatientSender

pytestmark = pytest.mark.timeout(300)  # processes start and end many times, which takes long on a busy machine

CONFIG = """\
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}
exporters: {debug: {verbosity: detailed}}
extensions: {file_storage: {directory: ./log}, health_check: {endpoint: "127.0.0.1:0"}}
service:
  extensions: [file_storage, health_check]
  workers: 2
  telemetry: {metrics: {address: "127.0.0.1:0"}}
  pipelines: {traces: {receivers: [otlp], exporters: [debug]}}
"""


def supervised(folder: Path, *arguments: str) -> Serving:
    (folder / "workers.yaml").write_text(CONFIG)
    return Serving(folder, "--config", "workers.yaml", *arguments)


def health(process: Serving) -> tuple[int, dict[str, Any]]:
    address = process.wait_for(r"^  health_check +(\S+)")[1]
    try:
        with urllib.request.urlopen(address) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def workers(process: Serving) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = health(process)[1]["workers"]
    return found


def accepted(process: Serving) -> int:
    """Spans that the workers together have accepted, as Prometheus is told."""
    with urllib.request.urlopen(process.wait_for(r"^  metrics +(\S+)")[1]) as response:
        text = response.read().decode()
    line = r'^otelcol_receiver_accepted_spans_total{receiver="otlp",transport="http"} (\S+)$'
    return sum(int(float(value)) for value in re.findall(line, text, re.MULTILINE))


def until_ready(process: Serving, unlike: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The workers, once all are ready and each of them is another process than in `unlike`."""
    for _ in range(2000):
        now = workers(process)
        if all(now[n]["state"] == "ready" and now[n]["pid"] != was["pid"] for n, was in unlike.items()):
            return now
        time.sleep(0.02)
    raise AssertionError(f"never ready: {now}")


def until_counted(process: Serving, spans: int) -> None:
    """Until the workers have told of so many spans."""
    for _ in range(2000):
        if accepted(process) == spans:
            return
        time.sleep(0.02)
    raise AssertionError(f"never counted: {accepted(process)}")


def test_workers_share_the_ports_and_a_dead_one_is_started_again(tmp_path: Path) -> None:
    process = supervised(tmp_path)
    try:
        url = process.wait_for(r"over HTTP +(\S+)")[1] + "/v1/traces"
        status, body = health(process)
        assert (status, set(body["workers"])) == (200, {"1", "2"})
        before = body["workers"]

        for number in range(20):  # connections are spread by their port
            request = urllib.request.Request(
                url, span_body(f"{number + 1:016x}", "gpt-4o"), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request) as response:
                assert response.status == 200
        until_counted(process, 20)
        os.kill(before["1"]["pid"], signal.SIGKILL)
        after = until_ready(process, {"1": before["1"]})
        assert after["1"]["restarts"] == 1
        assert after["2"]["pid"] == before["2"]["pid"]
        process.wait_for("a worker died: killed by SIGKILL  worker=1")

        process.process.send_signal(signal.SIGHUP)
        until_ready(process, after)
        process.wait_for("all workers are replaced")
        assert accepted(process) == 20  # counters go on from process to process
        assert process.end() == 0
        process.wait_for("process  stopping  worker=2")
        assert {path.name for path in (tmp_path / "log").iterdir()} == {"supervisor", "worker-1", "worker-2"}
    finally:
        process.process.kill()
        process.process.wait()


@pytest.mark.timeout(180)  # a dozen processes start one after the other, two seconds of CPU each
def test_no_request_is_lost_while_the_workers_are_replaced(tmp_path: Path) -> None:
    process = supervised(tmp_path)
    try:
        sender = PatientSender(process.wait_for(r"over HTTP +http://(\S+)")[1], 0)
        sender.start()
        for number in (1, 2):
            sender.further()
            process.process.send_signal(signal.SIGHUP)
            process.wait_for_number("all workers are replaced", number)
        sender.further()
        (tmp_path / "workers.yaml").write_text(CONFIG.replace("exporters: [debug]", "exporters: [debgu]"))
        process.process.send_signal(signal.SIGHUP)
        process.wait_for("the workers go on as they are, the new configuration cannot be used")
        sender.further()
        sender.end()
        assert process.end() == 0
    finally:
        process.process.kill()
        process.process.wait()
    assert sender.failed == []
    assert [span_id for span_id in sender.acknowledged if span_id not in process.output] == []


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    process = supervised(tmp_path)
    pids = [worker["pid"] for worker in workers(process).values()]
    process.end(signal.SIGKILL)
    for pid in pids:
        for _ in range(2000):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                break
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":  # nobody adopted it yet
                break
            time.sleep(0.02)
        else:
            raise AssertionError(f"worker {pid} lives on")


def test_a_port_that_others_have_is_told_with_its_key(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"127.0.0.1:{other.getsockname()[1]}"
        process = supervised(tmp_path, "--set", f"receivers.otlp.protocols.grpc.endpoint={endpoint}")
        process.wait_for(f"receivers::otlp::protocols::grpc::endpoint: cannot listen on {endpoint}: ")
        assert process.ended() == 1


def test_a_worker_that_cannot_start_ends_all(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "worker-1").write_text("this is no folder")
    process = supervised(tmp_path)
    process.wait_for("cannot use log/worker-1 for the log")
    assert process.ended() == 1


def test_a_second_supervisor_of_the_same_logs_is_refused(tmp_path: Path) -> None:
    first = supervised(tmp_path)
    try:
        first.wait_for(" is ready with 2 workers ")
        second = supervised(tmp_path)
        second.wait_for(r"^Error: the log in .*supervisor is in use by process")
        assert second.ended() == 1
    finally:
        first.end()


def test_an_embedded_store_takes_one_process(tmp_path: Path) -> None:
    with serving(tmp_path, arguments=("--workers", "2")) as process:
        process.wait_for('service::workers: cannot be more than 1 with exporter "clickhouse"')
        assert process.ended() == 1
