"""Where lists of runs are printed."""

from __future__ import annotations

import os

from rich.console import Console

_IN_A_PIPE = 200
"""Columns for programs that read what is printed: whole ids, and names that hardly ever are cut."""


def list_console() -> Console:
    """A console as wide as the terminal, or as COLUMNS says; wide enough for whole ids where it is neither."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _IN_A_PIPE
    return console
