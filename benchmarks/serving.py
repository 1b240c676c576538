"""A running `spanledger serve`, the load it is put under, and the CPU time that its process tree takes for it."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc

_TICKS = os.sysconf("SC_CLK_TCK")
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_SENDERS = 4
_SETTINGS = (
    "receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
    "receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
    "extensions.health_check.endpoint=127.0.0.1:0",
    "service.telemetry.logs.level=warn",
)
_TO_NOWHERE = (
    "exporters.debug={}",
    *(f"service.pipelines.{s}.exporters=[debug]" for s in ("traces", "logs", "metrics")),
)
TARGETS = {
    "memory log": (*_TO_NOWHERE, "service.extensions=[health_check]"),
    "durable log": (*_TO_NOWHERE, "service.extensions=[file_storage, health_check]"),
    "embedded ClickHouse": ("service.extensions=[file_storage, health_check]",),
}
"""Name → settings. The first two write the records nowhere (exporter `debug`, basic): what is measured is all but the
store. A peer (the Collector, rotel, Phoenix) joins as one more `Subject` that answers the same questions."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A receiver under load."""

    pid: int
    grpc: str
    http: str
    is_done: Callable[[], bool]
    """Whether everything that was acknowledged is delivered."""


@contextmanager
def spanledger(target: str) -> Iterator[Subject]:
    options = [option for text in (*_SETTINGS, *TARGETS[target]) for option in ("--set", text)]
    command = [sys.executable, "-P", "-m", "spanledger", "serve", *options]
    with TemporaryDirectory() as folder:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            found: dict[str, str] = {}
            for line in process.stdout:
                if listening := re.search(r"^  (.+?) +(?:http://)?(127\.0\.0\.1:\d+)$", line):
                    found[listening[1]] = listening[2]
                if line.startswith("Send to it"):
                    break
            health = found["health_check"]
            yield Subject(process.pid, found["otlp over gRPC"], found["otlp over HTTP"], lambda: _is_delivered(health))
        finally:
            process.terminate()
            process.stdout.read()
            process.wait()


def _is_delivered(health: str) -> bool:
    with urllib.request.urlopen(f"http://{health}/") as response:
        exporters = json.load(response)["pipeline"]["exporters"].values()
    return all(not e["lag"] and not e["buffered_records"] and not e["in_flight"] for e in exporters)


def cpu_of_tree(pid: int) -> float:
    """CPU seconds of a process and all that it has started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(map(int, fields[11:15]))  # user and system, own and of children that ended
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return ticks / _TICKS + sum(cpu_of_tree(int(child)) for child in children)


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def cpu_under_load(subject: Subject, bodies: list[bytes], protocol: str, compressed: bool) -> float:
    """CPU seconds that the subject takes to receive the bodies and to deliver what is in them."""
    sent = [gzip.compress(body, 6) for body in bodies] if compressed and protocol == "HTTP" else bodies
    send = _by_grpc if protocol == "gRPC" else _by_http
    before = cpu_of_tree(subject.pid)
    problems: list[BaseException] = []

    def work(share: list[bytes]) -> None:
        try:
            send(subject, share, compressed)
        except BaseException as problem:
            problems.append(problem)

    senders = [threading.Thread(target=work, args=(sent[at::_SENDERS],)) for at in range(_SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if problems:
        raise problems[0]
    while not subject.is_done():
        time.sleep(0.05)
    return cpu_of_tree(subject.pid) - before


def _by_grpc(subject: Subject, bodies: list[bytes], compressed: bool) -> None:
    compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
    options = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each sender
    with grpc.insecure_channel(subject.grpc, options, compression=compression) as channel:
        export: Any = channel.unary_unary(_EXPORT)
        for body in bodies:
            export(body, wait_for_ready=True, timeout=60)


def _by_http(subject: Subject, bodies: list[bytes], compressed: bool) -> None:
    headers = {"Content-Type": "application/x-protobuf"} | ({"Content-Encoding": "gzip"} if compressed else {})
    connection = http.client.HTTPConnection(subject.http, timeout=60)
    for body in bodies:
        connection.request("POST", "/v1/traces", body, headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
    connection.close()
