"""CPU time per span, stage by stage and of a whole process. `make bench`; benchmarks/README.md says how to read it."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import serving
from durability import AT_LEAST, CONNECTIONS, Durability
from durability import measure as measure_durability
from payloads import MIXES, Mix
from stages import cpu_seconds, stages

from spanledger._version import __version__
from spanledger.receiver.wire import COMPILED
from spanledger.service import calm_collector

DECODE_AT_MOST = {"A": 0.15, "B": 0.15, "C": 0.2}
"""Of what `walk` costs."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to send a mix. Cases differ from the first in one thing each."""

    protocol: str = "gRPC"
    compressed: bool = False
    spans: int = 512
    target: str = "memory log"

    def __str__(self) -> str:
        request = "1 span" if self.spans == 1 else f"{self.spans} spans"
        return f"{self.protocol}{', gzip' if self.compressed else ''}, {request} a request, {self.target}"


CASES = (
    Case(),
    Case(protocol="HTTP"),
    Case(compressed=True),
    Case(protocol="HTTP", compressed=True),
    Case(spans=50),
    Case(spans=1),
    Case(protocol="HTTP", spans=1),
    Case(target="durable log"),
    Case(spans=1, target="durable log"),
    Case(target="embedded ClickHouse"),
)


def measure_stages(names: list[str], requests: int, spans: int, rounds: int) -> dict[str, Any]:
    mixes = {name: MIXES[name](requests, spans) for name in names}
    works = {name: stages(mix) for name, mix in mixes.items()}
    calm_collector()
    taken: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds + 1):
        for name, work in works.items():
            for stage, run in work.items():
                seconds = cpu_seconds(run)
                if turn:  # the first is to get warm
                    taken.setdefault((name, stage), []).append(seconds)
    found = {}
    for name, mix in mixes.items():
        cost = {stage: median(taken[name, stage]) / mix.spans * 1e6 for stage in works[name]}
        ours = sum(cost[stage] for stage in ("decode", "map", "encode"))
        found[name] = {
            **_about(mix),
            "us_per_span": {stage: round(value, 2) for stage, value in cost.items()},
            "share": {stage: round(cost[stage] / ours, 2) for stage in ("decode", "map", "encode")},
            "decode_to_walk": round(cost["decode"] / cost["walk"], 3),
        }
    return found


def _about(mix: Mix) -> dict[str, Any]:
    return {
        "spans": mix.spans,
        "bytes_per_span": round(mix.bytes / mix.spans),
        "attributes_per_span": round(mix.attributes / mix.spans, 1),
    }


def measure_processes(names: list[str], spans: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Of each case the median over rounds; a round goes once through all cases of one target with a process of its
    own."""
    taken: dict[tuple[str, Case], list[float]] = {}
    resident: dict[str, list[float]] = {}
    series = itertools.count(1)
    for _ in range(rounds):
        for target in serving.TARGETS:
            with serving.spanledger(target) as subject:
                warm = MIXES["A"](8, 64, next(series))
                serving.cpu_under_load(subject, warm.bodies, "gRPC", False)
                for case in (case for case in CASES if case.target == target):
                    for name in names:
                        # Whole requests; a tenth of the spans where each is a request.
                        requests = max(1, (spans if case.spans > 1 else spans // 10) // case.spans)
                        mix = MIXES[name](requests, case.spans, next(series))
                        seconds = serving.cpu_under_load(subject, mix.bodies, case.protocol, case.compressed)
                        taken.setdefault((name, case), []).append(seconds / mix.spans * 1e6)
                resident.setdefault(target, []).append(serving.resident_mib(subject.pid))
    for (name, case), costs in taken.items():
        yield {"mix": name, "case": str(case), "us_per_span": round(median(costs), 1)}
    for target, sizes in resident.items():
        yield {"case": target, "resident_mib": round(median(sizes))}


def print_stages(found: dict[str, Any]) -> None:
    print("CPU microseconds per span, each stage alone\n")
    print("mix   bytes  attributes    parse     walk   decode     json      map   encode  decode/walk  at most")
    for name, entry in found.items():
        cost = entry["us_per_span"]
        shown = "".join(f"{cost[stage]:9.2f}" for stage in ("parse", "walk", "decode", "json", "map", "encode"))
        most = DECODE_AT_MOST.get(name, "")
        print(
            f"{name:3}{entry['bytes_per_span']:8}{entry['attributes_per_span']:12}{shown}{entry['decode_to_walk']:13}{most:>9}"
        )
    for name, entry in found.items():
        print(f"{name}: " + ", ".join(f"{stage} {share:.0%}" for stage, share in entry["share"].items()))


def print_processes(found: list[dict[str, Any]], names: list[str]) -> None:
    print("\nCPU microseconds per span of a whole process, from the socket to the exporter\n")
    print(f"{'':58}" + "".join(f"{name:>9}" for name in names))
    for case in CASES:
        costs = [entry["us_per_span"] for entry in found if entry["case"] == str(case)]
        print(f"{case!s:58}" + "".join(f"{cost:9.1f}" for cost in costs))
    print()
    for entry in found:
        if "resident_mib" in entry:
            print(f"resident after the load, {entry['case']}: {entry['resident_mib']} MiB")


def print_durability(found: list[Durability]) -> None:
    print(f"\nthroughput with a durable log, of that with a log in memory; at least {AT_LEAST}")
    print(
        "HTTP, "
        + ", ".join(f"{number} connections with {spans} spans a request" for spans, number in CONNECTIONS.items())
    )
    print("\nmix  spans a request   requests/s  in memory   share  share by CPU")
    for one in found:
        durable, memory = one.requests_per_second
        print(f"{one.mix:5}{one.spans:15}{durable:13.0f}{memory:11.0f}{one.wall:8.2f}{one.cpu:14.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=8, help="requests of each mix for the stages")
    parser.add_argument("--spans", type=int, default=512, help="spans of each of these requests")
    parser.add_argument("--sent", type=int, default=4096, help="spans that a process is sent in each case")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds; medians are told")
    parser.add_argument("--turns", type=int, default=4, help="of each process when durability is measured")
    parser.add_argument("--mix", action="append", choices=MIXES, help="only this mix; may be repeated")
    parser.add_argument("--stages-only", action="store_true", help="start no process")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    options = parser.parse_args()
    names = options.mix or list(MIXES)
    result: dict[str, Any] = {
        "spanledger": __version__,
        "decoder": "compiled" if COMPILED else "plain",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 2),
    }
    print(", ".join(f"{key} {value}" for key, value in result.items()), end="\n\n")
    result["stages"] = measure_stages(names, options.requests, options.spans, options.rounds)
    print_stages(result["stages"])
    if not options.stages_only:
        result["processes"] = list(measure_processes(names, options.sent, options.rounds))
        print_processes(result["processes"], names)
        shares = list(measure_durability(names, options.turns))
        result["durability"] = [asdict(one) for one in shares]
        print_durability(shares)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
