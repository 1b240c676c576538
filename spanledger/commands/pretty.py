"""Records for people: `spanledger map --pretty`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from spanledger.api.conversation import text
from spanledger.api.terminal import trace_tree

Json = dict[str, Any]

_CONTENT_AT_MOST: Final = 1000
"""Characters of one text; recorded prompts may hold whole books."""


def print_records(records: Iterable[Json], console: Console | None = None) -> None:
    """A tree for each trace with what was said in it, then scores, then counts of the rest."""
    console = console or Console()
    traces: dict[str | None, list[Json]] = {}
    scores: list[Json] = []
    others: Counter[str] = Counter()
    for record in records:
        if record["record"] == "run":
            traces.setdefault(record["trace_id"], []).append(shortened(record))
        elif record["record"] == "score":
            scores.append(record)
        else:
            others[record["record"]] += 1
    for runs in traces.values():
        console.print(trace_tree(runs, with_contents=True))
        console.print()
    for score in scores:
        target = score["run_id"] or score["session_id"] or ""
        facts = (score["name"], score["value"], score["label"], score["comment"], target)
        console.print(text("score  " + "  ".join(str(fact) for fact in facts if fact is not None)))
    if others:
        console.print(Text("also: " + ", ".join(f"{count} {kind}" for kind, count in others.items()), "dim"))


def shortened(value: Any) -> Any:
    """The value with every long text cut, and how much was cut."""
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shortened(inner) for inner in value]
    if isinstance(value, str) and len(value) > _CONTENT_AT_MOST:
        return f"{value[:_CONTENT_AT_MOST]}… ({len(value) - _CONTENT_AT_MOST:,} more characters)"
    return value
