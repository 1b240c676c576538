"""Runs in a terminal, one line each with columns that stay: for whoever shows them as they come."""

from __future__ import annotations

from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from spanledger.api import figures
from spanledger.api.terminal import MARKS, SHORT_ID, TYPES, model_beside_name
from spanledger.exporters.text import printable

Json = dict[str, Any]

_SIZES: Final = {"time": 8, "id": SHORT_ID, "type": 6, "tokens": 13, "cost": 9, "took": 6}
_RIGHT: Final = ("tokens", "cost", "took")
_LAYOUTS: Final = (
    (110, ("time", "id", "type", "name", "model", "tokens", "cost", "took", "user")),
    (90, ("time", "id", "type", "name", "model", "tokens", "cost", "took")),
    (0, ("time", "id", "type", "name", "tokens", "cost", "took")),
)
"""Columns of a terminal at least so wide."""
_NARROWEST: Final = 8
_GAP: Final = "  "


def _widths(width: int) -> dict[str, int]:
    columns = next(columns for least, columns in _LAYOUTS if width >= least)
    elastic = [name for name in columns if name not in _SIZES]
    room = width - sum(_SIZES[name] for name in columns if name in _SIZES) - len(_GAP) * (len(columns) - 1)
    return {name: _SIZES.get(name, max(room // len(elastic), _NARROWEST)) for name in columns}


def title(*, width: int) -> Text:
    """Names of the columns."""
    return Text(_GAP.join(_cell(name, name, size) for name, size in _widths(width).items()).rstrip(), "bold")


def line(run: Json, *, width: int) -> Text:
    """A run: when it started, what it was, what it used. What does not fit is cut."""
    mark, style = MARKS.get(run["status"], ("", ""))
    values = {
        "time": (run["started_at"][11:19], "dim"),
        "id": (run["run_id"], "dim"),
        "type": (run["type"], TYPES.get(run["type"], "")),
        "name": (f"{mark} {run['name']}" if mark else run["name"], style),
        "model": (model_beside_name(run), ""),
        "tokens": (figures.tokens(run), ""),
        "cost": (figures.cost(run), ""),
        "took": (figures.duration(run["duration_ns"]), ""),
        "user": (run["user_id"] or "", ""),
    }
    cells = [Text(_cell(name, values[name][0], size), values[name][1]) for name, size in _widths(width).items()]
    shown = Text(_GAP).join(cells)
    shown.rstrip()
    return shown


def _cell(name: str, value: str, size: int) -> str:
    text = printable(value, one_line=True)
    if cell_len(text) > size:
        return set_cell_size(text, size) if name == "id" else set_cell_size(text, size - 1) + "…"
    return " " * (size - cell_len(text)) + text if name in _RIGHT else set_cell_size(text, size)
