"""CPU per span, stage by stage, as JSON. `make bench`; benchmarks/README.md says what the numbers mean."""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import payloads
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger._version import __version__
from spanledger.exporters.clickhouse.batch import prepare
from spanledger.exporters.clickhouse.columns import insert_columns
from spanledger.mapping import KEYS, Mapper
from spanledger.mapping.cost import PriceList
from spanledger.model.received import Encoding, Signal
from spanledger.model.records import Record
from spanledger.receiver.wire import decode

ROOT = Path(__file__).parent.parent
CORPUS = ROOT.parent / "shared" / "corpus"
PRICES = PriceList()


def parse(mix: payloads.Mix) -> None:
    """The yardstick: protobuf's own C parser, without a look at the result."""
    for body in mix.bodies:
        ExportTraceServiceRequest.FromString(body)


def decoded(mix: payloads.Mix) -> list[Any]:
    return [decode(Signal.TRACES, Encoding.PROTOBUF, body, KEYS).items for body in mix.bodies]


def mapped(requests: list[Any]) -> list[list[Record]]:
    mapper = Mapper(PRICES)
    return [mapper.add("default", items, number + 1) for number, items in enumerate(requests)]


def encoded(batches: list[list[Record]]) -> int:
    """Rows of ClickHouse's Native format, as they would be sent."""
    size = 0
    for records in batches:
        inserts, _ = prepare(records, "benchmark")
        for insert in inserts:
            names, types = insert_columns(insert.table)
            context = InsertContext(
                insert.table.name, names, [get_from_name(name) for name in types], insert.columns, column_oriented=True
            )
            size += sum(map(len, NativeTransform.build_insert(context)))
    return size


def cpu(work: Callable[[], object], repeat: int) -> float:
    """Median CPU seconds of this process; once more before, unmeasured."""
    work()
    taken = []
    for _ in range(repeat):
        gc.collect()
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def stages(mix: payloads.Mix, repeat: int) -> dict[str, Any]:
    """Each stage alone on the output of the one before."""
    requests = decoded(mix)
    batches = mapped(requests)
    seconds = {
        "parse": cpu(lambda: parse(mix), repeat),
        "decode": cpu(lambda: decoded(mix), repeat),
        "map": cpu(lambda: mapped(requests), repeat),
        "encode": cpu(lambda: encoded(batches), repeat),
    }
    seconds["all"] = seconds["decode"] + seconds["map"] + seconds["encode"]
    return {name: figure(taken, mix.spans, seconds["parse"]) for name, taken in seconds.items()}


def figure(seconds: float, spans: int, yardstick: float) -> dict[str, float]:
    return {"cpu_us_per_span": round(seconds / spans * 1e6, 2), "times_parse": round(seconds / yardstick, 2)}


def process_cpu(bodies: list[bytes], *sets: str) -> float:
    """CPU seconds of a whole `spanledger serve`, from start to end, that received the bodies over HTTP and delivered
    them."""
    with tempfile.TemporaryDirectory() as folder:
        any_port = [
            "receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
            "receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
            "extensions.api.endpoint=127.0.0.1:0",
            "extensions.health_check.endpoint=127.0.0.1:0",
            "service.telemetry.logs.level=warn",
        ]
        options = [option for text in (*any_port, *sets) for option in ("--set", text)]
        command = [sys.executable, "-P", "-m", "spanledger", "serve", "--grace", "5m", *options]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        url = next(line.split()[-1] for line in process.stdout if "over HTTP" in line)
        for body in bodies:
            request = urllib.request.Request(f"{url}/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            with urllib.request.urlopen(request) as response:
                assert response.status == 200
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait() == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def end_to_end(mix: payloads.Mix, repeat: int, yardstick: float) -> dict[str, Any]:
    """A running process, less one that received nothing: receive, decode, log, map, write."""
    targets = {
        "to the debug exporter": [
            "exporters.debug={}",
            "service.extensions=[file_storage, health_check]",
            *(f"service.pipelines.{signal_}.exporters=[debug]" for signal_ in Signal),
        ],
        "to the embedded ClickHouse": [],
    }
    found = {}
    for name, sets in targets.items():
        idle = statistics.median(process_cpu([], *sets) for _ in range(repeat))
        busy = statistics.median(process_cpu(mix.bodies, *sets) for _ in range(repeat))
        found[name] = figure(max(busy - idle, 0.0), mix.spans, yardstick)
    return found


def measure(requests: int, spans: int, repeat: int, processes: bool) -> dict[str, Any]:
    mixes = {"llm": payloads.llm(requests, spans), "mixed": payloads.mixed(requests, spans)}
    recorded = payloads.corpus(CORPUS)
    if recorded is not None:
        mixes["corpus"] = recorded
    result: dict[str, Any] = {
        "spanledger": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 2),
        "mixes": {},
    }
    for name, mix in mixes.items():
        entry: dict[str, Any] = {
            "requests": len(mix.bodies),
            "spans": mix.spans,
            "bytes_per_span": round(mix.bytes / mix.spans),
            "attributes_per_span": round(mix.attributes / mix.spans, 1),
            "stages": stages(mix, repeat),
        }
        if processes and name == "llm":
            yardstick = entry["stages"]["parse"]["cpu_us_per_span"] * mix.spans / 1e6
            entry["end to end"] = end_to_end(mix, min(repeat, 3), yardstick)
        result["mixes"][name] = entry
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=12, help="requests of each mix built in code")
    parser.add_argument("--spans", type=int, default=512, help="spans of each request")
    parser.add_argument("--repeat", type=int, default=5, help="repetitions; the median is told")
    parser.add_argument("--stages-only", action="store_true", help="start no process")
    options = parser.parse_args()
    print(json.dumps(measure(options.requests, options.spans, options.repeat, not options.stages_only), indent=2))


if __name__ == "__main__":
    main()
