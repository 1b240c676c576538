"""Sums in a terminal: what `GET /v1/analytics` answered, one line for each value or interval."""

from __future__ import annotations

from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from spanledger.api import figures
from spanledger.exporters.text import printable

Json = dict[str, Any]

_COLUMNS: Final = ("runs", "errors", "calls", "input", "cached", "output", "cost", "p50", "p95")
_NARROW: Final = ("runs", "errors", "input", "output", "cost")
_WIDE: Final = 100
"""Columns of the terminal from which everything is shown."""


def usage_table(found: Json, *, width: int) -> RenderableType:
    """A line for each group, or for each interval and group, and the sum of everything that matches below."""
    totals = found["totals"]
    if not totals or not totals["runs"]:
        return Text("no runs", "dim")
    timed = found["interval"] is not None
    shown = _COLUMNS if width >= _WIDE else _NARROW
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    if timed:
        table.add_column(found["interval"], no_wrap=True)
    table.add_column(found["by"] or "", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    last = None
    for line in found["series"] if timed else found["groups"]:
        at = _interval(line["at"], found["interval"]) if timed else ""
        first = [Text("" if at == last else at, "dim")] if timed else []
        last = at
        table.add_row(*first, Text(printable(line["key"] or "", one_line=True)), *_cells(line, shown))
    table.add_row(*([""] if timed else []), Text("all", "bold"), *_cells(totals, shown), style="bold")
    return table


def _interval(at: str, width: str) -> str:
    return at[:10] if width in ("day", "week") else f"{at[:10]} {at[11:16]}"


def _cells(line: Json, shown: tuple[str, ...]) -> list[Text]:
    took = line["duration_ns"] or {}
    cost = figures.money(line["cost"])
    cells = {
        "runs": figures.count(line["runs"]),
        "errors": figures.count(line["errors"]) if line["errors"] else "",
        "calls": figures.count(line["billable_runs"]),
        "input": figures.count(line["input_tokens"]),
        "cached": figures.count(line["cache_read_tokens"]),
        "output": figures.count(line["output_tokens"]),
        "cost": f"{cost}+" if line["unpriced_runs"] and line["cost"] is not None else cost,
        "p50": figures.duration(took.get("p50")),
        "p95": figures.duration(took.get("p95")),
    }
    return [Text(cells[name], "red" if name == "errors" else "") for name in shown]
