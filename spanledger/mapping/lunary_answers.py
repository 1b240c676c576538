"""Answers of models that stand in the states of LangChain's chains, in Lunary's events: lunary-js keeps the text of an
answer and its token counts, and not the response's id, the model that answered or why it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from spanledger.mapping.framework_answers import Answer, TraceAnswers
from spanledger.model.records import Run

_MOST_RUNS = 1_000
_MOST_CALLS = 100


class Tree:
    """The runs below one root, as far as they tell of each other."""

    __slots__ = ("_answers", "_completed", "calls", "statements")

    def __init__(self) -> None:
        self._answers = TraceAnswers()
        self._completed: dict[str, Run] | None = None
        self.calls: list[str] = []
        """Run ids of its model calls."""
        self.statements = 0
        """Answers in its chains; they are part of what a call's version counts."""

    def add(self, run_id: str, is_call: bool, told: list[Answer]) -> None:
        if is_call:
            self.calls.append(run_id)
        self.statements += len(told)
        self._answers.note(told)

    def completed(self, run_of: Callable[[str], Run | None]) -> dict[str, Run]:
        """Its model calls with what the chains tell of them, by run id. Nothing in a tree of too many to compare."""
        if self._completed is None:
            many = len(self.calls) > _MOST_CALLS
            calls = [] if many else [run for run_id in self.calls if (run := run_of(run_id)) is not None]
            self._answers.complete(calls)
            self._completed = {run.run_id: run for run in calls}
        return self._completed


def reached(root: str, below: Callable[[str], Iterable[str]]) -> list[str]:
    """Ids of a root and the runs below it."""
    found = {root: None}
    queue = [root]
    while queue and len(found) < _MOST_RUNS:
        for run_id in sorted(below(queue.pop())):
            if run_id not in found:
                found[run_id] = None
                queue.append(run_id)
    return list(found)
