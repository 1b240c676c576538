"""What spanledger is compared with, each from its public package, in a folder outside of the repository.

    python -m benchmarks.peers FOLDER           installs rotel and Phoenix there, and builds the Collector
    make bench ARGS='--peers FOLDER'            measures them in the same run

They write into the same sink as spanledger (`sink.py`), all but Phoenix, which knows no ClickHouse and writes to
SQLite. They run as their documentation tells to: the Collector with the batch processor, rotel with its own batches of
the same size. Nobody compresses what goes to the sink.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.serving import Sink, Subject, busy_until_quiet, free_ports, until
from tests.peers import collector_build

PACKAGES = {"rotel": "rotel==0.0.1a15", "phoenix": "arize-phoenix==20.26.1"}
BATCH = {"timeout": "200ms", "send_batch_size": 8192}
"""As rotel's defaults."""


class Missing(Exception):
    """Why a peer is not measured."""


def install(folder: Path) -> None:
    """Everything that `collector`, `rotel` and `phoenix` need. Takes minutes the first time."""
    for name, package in PACKAGES.items():
        if not (folder / name / "bin" / "python").exists():
            venv.create(folder / name, with_pip=True)
        subprocess.run([folder / name / "bin" / "python", "-m", "pip", "install", "-q", package], check=True)
    print(collector_build.build())


@contextmanager
def collector(folder: Path | None, sink: Sink) -> Iterator[Subject]:
    program = next(collector_build.CACHE.glob("collector-*/otelcol"), None)
    if program is None:
        raise Missing("python -m benchmarks.peers FOLDER builds it")
    grpc, http = (f"127.0.0.1:{port}" for port in free_ports(2))
    pipeline = {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["clickhouse"]}
    configuration = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": grpc}, "http": {"endpoint": http}}}},
        "processors": {"batch": BATCH},
        "exporters": {"clickhouse": {"endpoint": sink.address, "database": "collector", "compress": "none"}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
            "pipelines": {"traces": pipeline},
        },
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(configuration, file)
        file.flush()
        with _running([str(program), "--config", file.name], {}, http) as pid:
            yield Subject(pid, grpc, http, sink.is_quiet)


@contextmanager
def rotel(folder: Path | None, sink: Sink) -> Iterator[Subject]:
    found = folder and next(folder.glob("rotel/lib/python*/site-packages/rotel/rotel-agent"), None)
    if not found:
        raise Missing("python -m benchmarks.peers FOLDER installs it, --peers FOLDER says where it is")
    grpc, http = (f"127.0.0.1:{port}" for port in free_ports(2))
    command = [
        *(str(found), "start", "--otlp-grpc-endpoint", grpc, "--otlp-http-endpoint", http),
        *("--exporter", "clickhouse", "--clickhouse-exporter-endpoint", sink.address),
        *("--clickhouse-exporter-compression", "none", "--clickhouse-exporter-async-insert", "false"),
    ]
    with _running(command, {}, http) as pid:
        yield Subject(pid, grpc, http, sink.is_quiet)


@contextmanager
def phoenix(folder: Path | None) -> Iterator[Subject]:
    program = folder and folder / "phoenix" / "bin" / "phoenix"
    if not program or not program.exists():
        raise Missing("python -m benchmarks.peers FOLDER installs it, --peers FOLDER says where it is")
    ports = free_ports(2)
    grpc, http = (f"127.0.0.1:{port}" for port in ports)
    with tempfile.TemporaryDirectory() as work:
        environment = {
            "PHOENIX_WORKING_DIR": work,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_GRPC_PORT": str(ports[0]),
            "PHOENIX_PORT": str(ports[1]),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        with _running([str(program), "serve"], environment, http) as pid:
            yield Subject(pid, grpc, http, busy_until_quiet(pid))


@contextmanager
def _running(command: list[str], environment: dict[str, str], http: str) -> Iterator[int]:
    process = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: _answers(http) or _ended(process), 120)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _ended(process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise Missing(f"it ended at its start with status {process.returncode}")
    return False


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{address}/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    install(Path(sys.argv[1]))
