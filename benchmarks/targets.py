"""What the figures of a run should be at most, and whether they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.processes import BESIDE_PEERS, BESIDE_PHOENIX, OURS, Case

DECODE_AT_MOST = {"A": 0.15, "B": 0.15, "C": 0.2}
"""Of what `walk` costs."""
PEERS_AT_MOST = {
    ("Collector", BESIDE_PEERS[0]): {"A": 0.8, "B": 0.8, "C": 0.8},
    ("Collector", BESIDE_PEERS[1]): {"A": 1.2, "B": 1.2, "C": 1.2},
    ("rotel", BESIDE_PEERS[0]): {"A": 0.8, "B": 0.8},
}
PHOENIX_AT_MOST = 0.05
RESIDENT_AT_MOST_MIB = 200
FLAT_WITHIN = 1.2


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, and what it may be."""

    name: str
    value: float | None
    """None: not measured in this run."""
    at_most: float
    why: str = ""
    """Why it was not measured."""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.at_most else "not met"

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "at_most": self.at_most, "verdict": self.verdict}


def figures(result: dict[str, Any], names: list[str]) -> list[Figure]:
    """Every target, in the order in which they are printed."""
    found = [
        Figure(f"decode to opentelemetry-proto and a walk, mix {name}", result["stages"][name]["decode_to_walk"], most)
        for name, most in DECODE_AT_MOST.items()
        if name in names
    ]
    beside: dict[str, Any] = result.get("peers", {})
    for (peer, case), most_of in PEERS_AT_MOST.items():
        for name, most in most_of.items():
            if name in names:
                label = f"to {peer}, {case.spans} spans a request, mix {name}"
                found.append(Figure(label, _ratio(beside, peer, case, case, name), most, _why(beside, peer)))
    for name in names:
        ratio = _ratio(beside, "Phoenix", BESIDE_PHOENIX[OURS], BESIDE_PHOENIX["Phoenix"], name)
        found.append(Figure(f"to Phoenix, mix {name}", ratio, PHOENIX_AT_MOST, _why(beside, "Phoenix")))
    soaked = result.get("soak")
    found.append(
        Figure(
            "resident memory of a worker after the load, MiB",
            soaked["resident_mib_at_end"] if soaked else beside.get("resident_mib", {}).get(OURS),
            RESIDENT_AT_MOST_MIB,
            "--soak or the part with the peers measures it",
        )
    )
    flat: dict[str, Any] = result.get("flatness", {})
    for name in names:
        value = flat[name]["largest_to_smallest"] if name in flat else None
        found.append(Figure(f"a span, whatever its request holds: largest to smallest, mix {name}", value, FLAT_WITHIN))
    return found


def _ratio(beside: dict[str, Any], peer: str, ours: Case, theirs: Case, name: str) -> float | None:
    costs = beside.get("us_per_span", {})
    if peer not in costs or OURS not in costs:
        return None
    return round(float(costs[OURS][str(ours)][name]) / float(costs[peer][str(theirs)][name]), 3)


def _why(beside: dict[str, Any], peer: str) -> str:
    return str(beside.get("missing", {}).get(peer, ""))
