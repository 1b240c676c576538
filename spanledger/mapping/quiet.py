"""Traces in which nobody has said anything yet: most traces of a service.

Their spans are requests, queries and steps of frameworks that tell of no run. They are remembered, for a model call
may turn out to stand below them, but nothing is drafted or resolved for them: what they bear on is worked out when the
first span or log record comes that says something.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

from spanledger.mapping.facts import Facts
from spanledger.mapping.kind import is_mute
from spanledger.mapping.sizes import SIZE_OF_QUIET_TRACE, size_of_span
from spanledger.model.received import Item


class QuietTrace:
    """What is remembered of such a trace."""

    __slots__ = ("size", "spans", "touched_ns")

    def __init__(self) -> None:
        self.spans: dict[str, Facts] = {}
        self.size = SIZE_OF_QUIET_TRACE
        self.touched_ns = 0

    @property
    def items(self) -> int:
        """Spans held."""
        return len(self.spans)


_Loud = TypeVar("_Loud")


def keep_quiet(
    traces: OrderedDict[tuple[str, str], _Loud | QuietTrace],
    project_id: str,
    items: Sequence[Item],
    now_ns: int,
    most: int,
) -> tuple[list[Item], int, int]:
    """Remember the spans that say nothing in traces in which nobody does, `most` in each. All other items, how many
    were remembered, and in how many bytes.

    Every span of a service goes through here, so the loop does no more than it must.
    """
    others: list[Item] = []
    size = 0
    for item in items:
        if not isinstance(item, Facts) or not is_mute(item):
            others.append(item)
            continue
        key = (project_id, item.trace_id)
        trace = traces.get(key)
        if trace is None:
            trace = traces[key] = QuietTrace()
            size += SIZE_OF_QUIET_TRACE
        elif not isinstance(trace, QuietTrace) or item.span_id in trace.spans or len(trace.spans) >= most:
            others.append(item)
            continue
        else:
            traces.move_to_end(key)
        trace.spans[item.span_id] = item
        grown = item.size or size_of_span(item)
        trace.size += grown
        size += grown
        if trace.touched_ns < now_ns:
            trace.touched_ns = now_ns
    return others, len(items) - len(others), size
