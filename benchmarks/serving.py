"""A running `spanledger serve`, the load it is put under, and the CPU time that its process tree takes for it."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_SENDERS = 4
_SETTINGS = (
    "receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
    "receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
    "extensions.health_check.endpoint=127.0.0.1:0",
    "service.telemetry.logs.level=warn",
    "service.telemetry.metrics.level=none",
)
_TO_NOWHERE = (
    "exporters.debug={}",
    *(f"service.pipelines.{s}.exporters=[debug]" for s in ("traces", "logs", "metrics")),
)
SINK = "ClickHouse sink"
EMPTY = "gRPC alone"
TARGETS = {
    "memory log": (*_TO_NOWHERE, "service.extensions=[health_check]"),
    "durable log": (*_TO_NOWHERE, "service.extensions=[file_storage, health_check]"),
    "embedded ClickHouse": ("service.extensions=[file_storage, health_check]",),
    SINK: ("exporters.clickhouse.compress=none", "service.extensions=[health_check]"),
}
"""Name → settings. The first two write the records nowhere (exporter `debug`, basic): what is measured is all but the
store. The last has its log in memory and writes to a server that swallows everything."""


@dataclass(frozen=True, slots=True)
class Sink:
    """A running `sink.py`."""

    address: str

    def seen(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.address}/seen") as response:
            found: dict[str, Any] = json.load(response)
        return found

    def is_quiet(self) -> bool:
        """Nothing was inserted for longer than any batch is held back, counted from when this was asked."""
        time.sleep(1.2)
        return float(self.seen()["idle"]) > 1.0


@contextmanager
def sink() -> Iterator[Sink]:
    with TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).parent / "sink.py"), folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield Sink(process.stdout.readline().strip())
        finally:
            process.terminate()
            process.wait()


@dataclass(frozen=True, slots=True)
class Subject:
    """A receiver under load."""

    pid: int
    grpc: str
    http: str
    is_done: Callable[[], bool]
    """Whether everything that was acknowledged is delivered."""


@contextmanager
def empty() -> Iterator[Subject]:
    """`empty.py`, which is done with everything at once."""
    command = [sys.executable, str(Path(__file__).parent / "empty.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Subject(process.pid, process.stdout.readline().strip(), "", lambda: True)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def spanledger(target: str, address: str = "", settings: Sequence[str] = ()) -> Iterator[Subject]:
    """With settings of `TARGETS`, and more of them; `address` is the sink's."""
    settings = [
        *_SETTINGS,
        *TARGETS[target],
        *settings,
        *([f"exporters.clickhouse.endpoint={address}"] if address else []),
    ]
    options = [option for text in settings for option in ("--set", text)]
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
    """CPU seconds of the threads of a process and of all that it has started, to the nanosecond: the clock ticks that
    `/proc/PID/stat` counts are too coarse for a few thousand spans."""
    spent = 0.0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            spent += int((thread / "schedstat").read_text().split()[0]) / 1e9
            children = (thread / "children").read_text().split()
        except FileNotFoundError:  # it just ended
            continue
        spent += sum(cpu_of_tree(int(child)) for child in children)
    return spent


def busy_until_quiet(pid: int) -> Callable[[], bool]:
    """For a subject that does not tell when it is done: whether it did nearly nothing since it was asked before."""
    before = [0.0]

    def is_done() -> bool:
        time.sleep(2)
        last, before[0] = before[0], cpu_of_tree(pid)
        return before[0] - last < 0.1

    return is_done


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition. Raises `TimeoutError`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.1)


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
    until(subject.is_done, 600)
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
