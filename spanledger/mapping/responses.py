"""One model call seen in several traces bills once: the index of response ids across the traces of a project (R5).

An application and a gateway, or two instrumentations whose context was lost between them, report the same call in
different traces. The response id tells; equal input tokens, and that few traces claim it, guard against SDKs that write
one placeholder on every call. Output tokens may differ: OpenLLMetry adds the first chunk's count to a stream's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final, TypeGuard

import msgspec

from spanledger.mapping.dialects.base import LLM
from spanledger.mapping.recent import Recent
from spanledger.model.records import Run, Usage

MOST_VIEWS: Final = 3
"""Application, gateway and inference server. A response id that more spans carry is a placeholder."""

_SHORTEST_ID: Final = 16
"""Ollama draws its ids from chatcmpl-0 to chatcmpl-998; what providers make themselves is 20 characters and longer."""

_SIZE: Final = 300
"""Bytes that one response takes (measured, and so are such sizes of other memories)."""
_MAX_BYTES: Final = 8 * 1024 * 1024
"""28,000 calls. Views of one call come within seconds of each other, but for a sender that must try again: minutes of a
worker's calls, and hours of most applications'."""

Claim = tuple[bool, int, int, str]


def is_identity(response_id: str | None) -> TypeGuard[str]:
    """Whether a response id is long enough to belong to one response alone."""
    return response_id is not None and len(response_id) >= _SHORTEST_ID


class Responses:
    """Which trace bills which response. The best claim wins whatever the order in which traces arrive."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        self._claims: Recent[bytes, str] = Recent(max_bytes // _SIZE)
        """What stands for a response → the claim of each trace that tells of it, a line each: nearly always one, which
        in tuples took twice as much."""

    def settle(self, project_id: str, trace_id: str, runs: Iterable[Run]) -> set[str]:
        """Withdraw billing from the runs of a trace whose call another trace bills.

        Returns the other traces whose billing changes with this and which must be settled again.
        """
        others: set[str] = set()
        for run in runs:
            if not run.billable or run.type != LLM or not is_identity(run.response_id) or run.usage is None:
                continue
            key = _key(project_id, run.response_id, run.usage.input_tokens)
            own = _claim(run)
            held = self._claims.get(key)
            if held is None:
                self._claims.put(key, _written({trace_id: own}))
                continue
            claims = _read(held)
            if len(claims) > MOST_VIEWS:  # known for a placeholder; remembers no more traces
                continue
            before = min(claims.values(), default=None)
            claims[trace_id] = own
            self._claims.put(key, _written(claims))
            if len(claims) > MOST_VIEWS:
                others.update(claims)
            elif own > min(claims.values()):
                run.billable = False
                run.cost = None
            elif before is not None and before > own:
                others.update(other for other, claim in claims.items() if claim == before)
        others.discard(trace_id)
        return others


def _key(project_id: str, response_id: str, input_tokens: int | None) -> bytes:
    told = f"{project_id}\0{response_id}\0{input_tokens}".encode("utf-8", "surrogatepass")
    return blake2b(told, digest_size=16).digest()


def _written(claims: Mapping[str, Claim]) -> str:
    return "\n".join(
        f"{trace_id} {served:d} {lacking} {later} {run_id}"
        for trace_id, (served, lacking, later, run_id) in claims.items()
    )


def _read(written: str) -> dict[str, Claim]:
    claims: dict[str, Claim] = {}
    for line in written.split("\n"):
        trace_id, served, lacking, later, run_id = line.rsplit(" ", 4)
        claims[trace_id] = (served == "1", int(lacking), int(later), run_id)
    return claims


def _claim(run: Run) -> Claim:
    """Smaller is better: the application's own span, the fullest usage, the call that started last (the innermost)."""
    return (run.span_kind == "server", -counters_in(run.usage), -run.started_at, run.run_id)


def counters_in(usage: Usage | None) -> int:
    """How much of its counters a usage tells."""
    if usage is None:
        return 0
    told = msgspec.structs.astuple(usage)
    return len(told) - told.count(None)
