"""Whole processes under load: spanledger in every way it is sent to, beside its peers, by the number of spans of a
request, and for many minutes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import peers, serving
from benchmarks.payloads import MIXES, Mix
from benchmarks.serving import Sink, Subject


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
    Case(protocol="HTTP", spans=50),
    Case(spans=10),
    Case(protocol="HTTP", spans=10),
    Case(spans=1),
    Case(protocol="HTTP", spans=1),
    Case(target="durable log"),
    Case(spans=10, target="durable log"),
    Case(spans=1, target="durable log"),
    Case(target="embedded ClickHouse"),
    Case(target=serving.EMPTY),
    Case(spans=10, target=serving.EMPTY),
    Case(spans=1, target=serving.EMPTY),
)
OURS = "spanledger"
BESIDE_PEERS = (Case(target=serving.SINK), Case(spans=10, target=serving.SINK), Case(spans=1, target=serving.SINK))
BESIDE_PHOENIX = {OURS: Case(spans=50, target="embedded ClickHouse"), "Phoenix": Case(spans=50, target="SQLite")}
"""The only peer that takes milliseconds for a span. Both store what they are sent."""
_PHOENIX_SPANS = 1000
"""Enough for the inserts of half a second: what an insert costs, however little it brings, is shared as under any load
that is worth measuring."""
FLAT = (1, 10, 50, 512, 5000)
"""Spans of a request. 5,000 of the larger ones are more than gRPC takes, so these go over HTTP."""

_MORE = {"B": 2, "C": 8}
"""Small spans cost so little that more of them are needed to measure anything."""
_series = itertools.count(1)


def _mix(name: str, sent: int, spans: int) -> Mix:
    """Whole requests, with traces that nobody has seen; a quarter of the spans where a request holds few of them."""
    total = sent * _MORE.get(name, 1) // (4 if spans <= 10 else 1)
    return MIXES[name](max(1, total // spans), spans, next(_series))


def _cost(subject: Subject, mix: Mix, case: Case) -> float:
    """CPU microseconds per span."""
    return serving.cpu_under_load(subject, mix.bodies, case.protocol, case.compressed) / mix.spans * 1e6


def _warm(subject: Subject) -> None:
    serving.cpu_under_load(subject, MIXES["A"](8, 64, next(_series)).bodies, "gRPC", False)


def measure_cases(names: list[str], sent: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Of each case the median over rounds; a round goes once through all cases of one target with a process of its
    own."""
    taken: dict[tuple[str, Case], list[float]] = {}
    resident: dict[str, list[float]] = {}
    for _ in range(rounds):
        for target in dict.fromkeys(case.target for case in CASES):
            with serving.empty() if target == serving.EMPTY else serving.spanledger(target) as subject:
                _warm(subject)
                for case in (case for case in CASES if case.target == target):
                    for name in names:
                        cost = _cost(subject, _mix(name, sent, case.spans), case)
                        taken.setdefault((name, case), []).append(cost)
                resident.setdefault(target, []).append(serving.resident_mib(subject.pid))
    for (name, case), costs in taken.items():
        yield {"mix": name, "case": str(case), "us_per_span": round(median(costs), 2)}
    for target, sizes in resident.items():
        yield {"case": target, "resident_mib": round(median(sizes))}


def measure_peers(names: list[str], sent: int, rounds: int, folder: Path | None) -> dict[str, Any]:
    """All at once running, each given the same bytes in its turn, into the same sink."""
    starts: dict[str, Callable[[Sink], AbstractContextManager[Subject]]] = {
        OURS: lambda sink: serving.spanledger(serving.SINK, sink.address),
        "Collector": lambda sink: peers.collector(folder, sink),
        "rotel": lambda sink: peers.rotel(folder, sink),
    }
    missing: dict[str, str] = {}
    taken: dict[tuple[str, str, str], list[float]] = {}
    resident: dict[str, list[float]] = {}
    inserted: dict[str, list[float]] = {}
    for _ in range(rounds):
        with ExitStack() as stack:
            sink = stack.enter_context(serving.sink())
            subjects = {}
            for peer, start in starts.items():
                try:
                    subjects[peer] = stack.enter_context(start(sink))
                    _warm(subjects[peer])
                except (peers.Missing, TimeoutError) as reason:
                    missing[peer] = str(reason)
            for case, name in itertools.product(BESIDE_PEERS, names):
                mix = _mix(name, sent, case.spans)
                for peer, subject in subjects.items():
                    before = sink.seen()["bytes"]
                    taken.setdefault((peer, str(case), name), []).append(_cost(subject, mix, case))
                    if case == BESIDE_PEERS[0]:
                        share = (sink.seen()["bytes"] - before) / mix.spans
                        inserted.setdefault(f"{peer} {name}", []).append(share)
            for peer, subject in subjects.items():
                resident.setdefault(peer, []).append(serving.resident_mib(subject.pid))
    _measure_phoenix(names, folder, taken, resident, missing)
    costs: dict[str, dict[str, dict[str, float]]] = {}
    for (peer, case_name, name), found in taken.items():
        costs.setdefault(peer, {}).setdefault(case_name, {})[name] = round(median(found), 2)
    return {
        "us_per_span": costs,
        "bytes_inserted_per_span": {key: round(median(found)) for key, found in inserted.items()},
        "resident_mib": {peer: round(median(sizes)) for peer, sizes in resident.items()},
        "missing": missing,
    }


def _measure_phoenix(
    names: list[str],
    folder: Path | None,
    taken: dict[tuple[str, str, str], list[float]],
    resident: dict[str, list[float]],
    missing: dict[str, str],
) -> None:
    try:
        with peers.phoenix(folder) as phoenix, serving.spanledger(BESIDE_PHOENIX[OURS].target) as spanledger:
            for subject in (phoenix, spanledger):
                serving.cpu_under_load(subject, MIXES["A"](1, 50, next(_series)).bodies, "gRPC", False)
            for name in names:
                for subject, peer in ((phoenix, "Phoenix"), (spanledger, OURS)):
                    case = BESIDE_PHOENIX[peer]
                    mix = MIXES[name](_PHOENIX_SPANS // case.spans, case.spans, next(_series))
                    taken.setdefault((peer, str(case), name), []).append(_cost(subject, mix, case))
            resident["Phoenix"] = [serving.resident_mib(phoenix.pid)]
    except (peers.Missing, TimeoutError) as reason:
        missing["Phoenix"] = str(reason)


def measure_flatness(names: list[str], sent: int, rounds: int) -> dict[str, Any]:
    """CPU per span by the spans of a request, and without the cost of the request itself: that is what a request of one
    span costs more than a span of a large one."""
    taken: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        with serving.spanledger("memory log") as subject:
            _warm(subject)
            for spans, name in itertools.product(FLAT, names):
                mix = _mix(name, max(sent, 5000), spans)
                cost = _cost(subject, mix, Case(protocol="HTTP", spans=spans))
                taken.setdefault((name, spans), []).append(cost)
    found = {}
    for name in names:
        per_span = {spans: median(taken[name, spans]) for spans in FLAT}
        # A line through the ends: cost of a request = own + spans * slope.
        slope = (per_span[FLAT[-1]] * FLAT[-1] - per_span[1]) / (FLAT[-1] - 1)
        own = per_span[1] - slope
        after = {spans: per_span[spans] - own / spans for spans in FLAT}
        steps = {spans: round(value, 2) for spans, value in after.items() if spans > 1}
        found[name] = {
            "us_per_span": {spans: round(cost, 2) for spans, cost in per_span.items()},
            "us_per_request": round(own, 1),
            "us_per_span_after_the_request": steps,
            "largest_to_smallest": round(max(steps.values()) / max(min(steps.values()), 0.01), 2),
        }
    return found


def soak(seconds: float) -> dict[str, Any]:
    """Resident memory of a worker that writes to ClickHouse under mixed load. What was sent is delivered before more
    is: a load beyond what a process can take fills its log, and that is another question."""
    sizes: list[tuple[float, float]] = []
    sent = 0
    with serving.sink() as sink, serving.spanledger(serving.SINK, sink.address) as subject:
        _warm(subject)
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(5):
                sizes.append((time.monotonic(), serving.resident_mib(subject.pid)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        until = time.monotonic() + seconds
        before = serving.cpu_of_tree(subject.pid)
        try:
            for name in itertools.cycle(("A", "B", "L", "C")):
                if time.monotonic() > until:
                    break
                mix = MIXES[name](8, 256, next(_series))
                serving.cpu_under_load(subject, mix.bodies, "gRPC", False)
                sent += mix.spans
        finally:
            stop.set()
            watcher.join()
        spent = serving.cpu_of_tree(subject.pid) - before
    measured = [size for _, size in sizes]
    return {
        "seconds": round(seconds),
        "spans": sent,
        "cpu_seconds": round(spent, 1),
        "resident_mib_at_end": round(measured[-1]),
        "resident_mib_highest": round(max(measured)),
        "resident_mib_after_a_tenth": round(measured[len(measured) // 10]),
    }
