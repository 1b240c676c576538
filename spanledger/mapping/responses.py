"""One model call seen in several traces bills once: the index of response ids across the traces of a project (R5).

An application and a gateway, or two instrumentations whose context was lost between them, report the same call in
different traces. The response id tells; equal token counts guard against SDKs that write one placeholder for all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from spanledger.model.records import Run

_MAX_RESPONSES = 100_000

Claim = tuple[bool, int, int, str]


class Responses:
    """Which trace bills which response. The best claim wins whatever the order in which traces arrive."""

    def __init__(self, limit: int = _MAX_RESPONSES) -> None:
        self._limit = limit
        self._claims: OrderedDict[tuple[str, str, int | None, int | None], dict[str, Claim]] = OrderedDict()

    def settle(self, project_id: str, trace_id: str, runs: Iterable[Run]) -> set[str]:
        """Withdraw billing from the runs of a trace whose call another trace bills.

        Returns the other traces that lose a claim to this one and must be settled again.
        """
        losers: set[str] = set()
        for run in runs:
            if not run.billable or run.type != "llm" or run.response_id is None or run.usage is None:
                continue
            key = (project_id, run.response_id, run.usage.input_tokens, run.usage.output_tokens)
            claims = self._claims.get(key)
            if claims is None:
                claims = self._claims[key] = {}
                if len(self._claims) > self._limit:
                    self._claims.popitem(last=False)
            else:
                self._claims.move_to_end(key)
            own = _claim(run)
            before = min(claims.values(), default=own)
            claims[trace_id] = own
            best = min(claims.values())
            if own > best:
                run.billable = False
                run.cost = None
            elif before > own:
                losers.update(other for other, claim in claims.items() if other != trace_id and claim == before)
        return losers


def _claim(run: Run) -> Claim:
    """Smaller is better: the application's own span, the fullest usage, the call that started last (the innermost)."""
    told = sum(value is not None for value in msgspec.structs.astuple(run.usage)) if run.usage is not None else 0
    return (run.span_kind == "server", -told, -run.started_at, run.run_id)
