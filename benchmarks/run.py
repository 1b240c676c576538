"""CPU time per span, stage by stage and of whole processes, beside peers. `make bench`; benchmarks/README.md says how
to read it."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import durability, processes, tables
from benchmarks.payloads import MIXES, Mix
from benchmarks.stages import cpu_seconds, stages
from benchmarks.targets import figures
from spanledger._version import __version__
from spanledger.receiver.wire import COMPILED
from spanledger.service import calm_collector

PARTS = ("processes", "durability", "peers", "flatness")


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
            "decode_to_walk": round(median(map(truediv, taken[name, "decode"], taken[name, "walk"])), 3),
        }
    return found


def _about(mix: Mix) -> dict[str, Any]:
    return {
        "spans": mix.spans,
        "bytes_per_span": round(mix.bytes / mix.spans),
        "attributes_per_span": round(mix.attributes / mix.spans, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=8, help="requests of each mix for the stages")
    parser.add_argument("--spans", type=int, default=512, help="spans of each of these requests")
    parser.add_argument("--sent", type=int, default=4096, help="spans that a process is sent in each case")
    parser.add_argument(
        "--rounds", type=int, default=3, help="interleaved rounds, of stages three times as many; medians are told"
    )
    parser.add_argument("--turns", type=int, default=4, help="of each process when durability is measured")
    parser.add_argument("--mix", action="append", choices=MIXES, help="only this mix; may be repeated")
    parser.add_argument("--part", action="append", choices=PARTS, help="of the processes only this; may be repeated")
    parser.add_argument("--stages-only", action="store_true", help="start no process")
    parser.add_argument(
        "--peers",
        type=Path,
        default=os.environ.get("SPANLEDGER_PEERS"),
        metavar="FOLDER",
        help="where `python -m benchmarks.peers FOLDER` installed them; else the environment's SPANLEDGER_PEERS",
    )
    parser.add_argument(
        "--soak", type=float, metavar="SECONDS", help="also load one process for so long, and tell its memory"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    options = parser.parse_args()
    names = options.mix or list(MIXES)
    parts = () if options.stages_only else options.part or PARTS
    result: dict[str, Any] = {
        "spanledger": __version__,
        "decoder": "compiled" if COMPILED else "plain",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 2),
    }
    print(", ".join(f"{key} {value}" for key, value in result.items()), end="\n\n")
    result["stages"] = measure_stages(names, options.requests, options.spans, 3 * options.rounds)
    tables.print_stages(result["stages"])
    if "processes" in parts:
        result["processes"] = list(processes.measure_cases(names, options.sent, options.rounds))
        tables.print_processes(result["processes"], names)
    if "durability" in parts:
        shares = list(durability.measure(names, options.turns))
        result["durability"] = [asdict(one) for one in shares]
        tables.print_durability(shares)
    if "peers" in parts:
        result["peers"] = processes.measure_peers(names, options.sent, options.rounds, options.peers)
        tables.print_peers(result["peers"], names)
    if "flatness" in parts:
        result["flatness"] = processes.measure_flatness(names, options.sent, options.rounds)
        tables.print_flatness(result["flatness"])
    if options.soak:
        result["soak"] = processes.soak(options.soak)
        tables.print_soak(result["soak"])
    found = figures(result, names)
    tables.print_figures(found)
    result["figures"] = [figure.as_json() for figure in found]
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
