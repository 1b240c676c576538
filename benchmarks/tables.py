"""The figures of a run as tables to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.durability import AT_LEAST, CONNECTIONS, Durability
from benchmarks.processes import CASES
from benchmarks.targets import DECODE_AT_MOST, Figure

_WIDTH = 62


def print_stages(found: dict[str, Any]) -> None:
    stages = ("parse", "walk", "decode", "json", "map", "encode")
    print("CPU microseconds per span, each stage alone\n")
    print("mix   bytes  attributes" + "".join(f"{stage:>9}" for stage in stages) + "  decode/walk  at most")
    for name, entry in found.items():
        cost = entry["us_per_span"]
        shown = "".join(f"{cost[stage]:9.2f}" for stage in stages)
        most = DECODE_AT_MOST.get(name, "")
        about = f"{name:3}{entry['bytes_per_span']:8}{entry['attributes_per_span']:12}"
        print(f"{about}{shown}{entry['decode_to_walk']:13}{most:>9}")
    for name, entry in found.items():
        print(f"{name}: " + ", ".join(f"{stage} {share:.0%}" for stage, share in entry["share"].items()))


def _row(label: str, values: Iterable[float], places: int = 1) -> None:
    print(f"{label:{_WIDTH}}" + "".join(f"{value:9.{places}f}" for value in values))


def _head(names: list[str]) -> None:
    print(f"{'':{_WIDTH}}" + "".join(f"{name:>9}" for name in names))


def print_processes(found: list[dict[str, Any]], names: list[str]) -> None:
    print("\nCPU microseconds per span of a whole process, from the socket to the exporter\n")
    _head(names)
    for case in CASES:
        _row(str(case), [entry["us_per_span"] for entry in found if entry["case"] == str(case)])
    print()
    for entry in found:
        if "resident_mib" in entry:
            print(f"resident after the load, {entry['case']}: {entry['resident_mib']} MiB")


def print_durability(found: list[Durability]) -> None:
    print(f"\nthroughput with a durable log, of that with a log in memory; at least {AT_LEAST}")
    senders = (f"{number} connections with {spans} spans a request" for spans, number in CONNECTIONS.items())
    print("HTTP, " + ", ".join(senders))
    print("\nmix  spans a request  delivered/s  in memory   share  share by CPU  acknowledged")
    for one in found:
        durable, memory = one.requests_per_second
        print(
            f"{one.mix:5}{one.spans:15}{durable:13.0f}{memory:11.0f}{one.wall:8.2f}{one.cpu:14.2f}{one.acknowledged:14.2f}"
        )


def print_peers(found: dict[str, Any], names: list[str]) -> None:
    print("\nCPU microseconds per span beside peers\n")
    _head(names)
    for peer, cases in found["us_per_span"].items():
        for case, costs in cases.items():
            _row(f"{peer}: {case}", [costs[name] for name in names])
    print()
    for peer, size in found["resident_mib"].items():
        print(f"resident after the load, {peer}: {size} MiB")
    for peer, reason in found["missing"].items():
        print(f"{peer} is not measured: {reason}")


def print_flatness(found: dict[str, Any]) -> None:
    print("\nCPU microseconds per span by the spans of a request, over HTTP, without the request's own cost\n")
    for name, entry in found.items():
        steps = ", ".join(f"{spans}: {cost}" for spans, cost in entry["us_per_span_after_the_request"].items())
        print(
            f"{name}: {steps}; a request {entry['us_per_request']}; largest to smallest {entry['largest_to_smallest']}"
        )


def print_soak(found: dict[str, Any]) -> None:
    print(
        f"\nafter {found['seconds']} s and {found['spans']} spans: resident {found['resident_mib_at_end']} MiB", end=""
    )
    print(f", highest {found['resident_mib_highest']}, early {found['resident_mib_after_a_tenth']}")


def print_figures(figures: list[Figure]) -> None:
    print(f"\n{'what it should be':{_WIDTH}}{'measured':>10}{'at most':>9}")
    for figure in figures:
        shown = f"{figure.value:g}" if figure.value is not None else "-"
        why = f" ({figure.why})" if figure.value is None and figure.why else ""
        print(f"{figure.name:{_WIDTH}}{shown:>10}{figure.at_most:>9}  {figure.verdict}{why}")
