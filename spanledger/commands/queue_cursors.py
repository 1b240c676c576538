"""What `spanledger queue replay` and `purge` change in a log: cursors and dead letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from spanledger.commands.queue_list import letters, progress
from spanledger.errors import LogError
from spanledger.pipeline.cursor_file import move_cursors
from spanledger.pipeline.dead_letters import LetterFilter
from spanledger.pipeline.letter_box import LetterBox
from spanledger.pipeline.log_view import LogView

_PAGE: Final = 500
_LOCK_SECONDS: Final = 1.0


def set_back(directories: Sequence[Path], exporter: str, since_ns: int, confirm: Callable[[str], None]) -> None:
    """Deliver to an exporter again what was received since then, as far as the log still holds it."""
    cursors: dict[Path, int] = {}
    count = 0
    for view in _views(directories, exporter):
        again = [entry.seq for entry in view.read() if entry.received_ns >= since_ns]
        if again and again[0] <= view.cursors[exporter]:
            cursors[view.directory] = again[0] - 1
            count += sum(1 for seq in again if seq <= view.cursors[exporter])
    if not cursors:
        click.echo(f"{exporter} has written nothing of what the log holds since then")
        return
    confirm(f"Write {count:,} entries to {exporter} again?")
    for directory, seq in cursors.items():
        move_cursors(directory, {exporter: seq}, _LOCK_SECONDS)
    click.echo(f"the next start of `spanledger serve` writes {count:,} entries to {exporter} again")


def skip_all(directories: Sequence[Path], exporter: str, confirm: Callable[[str], None]) -> None:
    """Never deliver to an exporter what waits for it."""
    views = [view for view in _views(directories, exporter) if view.waiting(exporter).entries]
    count = sum(view.waiting(exporter).entries for view in views)
    if not views:
        click.echo(f"nothing waits for {exporter}")
        return
    confirm(f"{count:,} acknowledged entries will never be written to {exporter}. Go on?")
    for view in views:
        move_cursors(view.directory, {exporter: view.last_seq}, _LOCK_SECONDS)
    click.echo(f"{count:,} entries are not written to {exporter}")


def purge_letters(directories: Sequence[Path], wanted: LetterFilter, confirm: Callable[[str], None]) -> None:
    """Delete dead letters."""
    found = {directory: [one.id for one in letters(directory, wanted)] for directory in directories}
    count = sum(map(len, found.values()))
    if not count:
        click.echo("no dead letter passes the filters")
        return
    confirm(f"Delete {count:,} dead letters?")
    for directory, ids in found.items():
        box = LetterBox(directory, 0, owner=False)
        try:
            pages = [ids[first : first + _PAGE] for first in range(0, len(ids), _PAGE)]
            with progress(pages, "deleting") as shown:
                for page in shown:
                    box.remove(page)
        finally:
            box.close()
    click.echo(f"deleted {count:,} dead letters")


def _views(directories: Sequence[Path], exporter: str) -> list[LogView]:
    """The logs in which an exporter has a cursor, none of them in use. Raises `LogError`."""
    views = [LogView(directory) for directory in directories]
    known = sorted({name for view in views for name in view.cursors})
    if exporter not in known:
        raise click.BadParameter(
            f"the log knows no exporter {exporter} (there are: {', '.join(known) or 'none'})", param_hint="--exporter"
        )
    for view in views:
        if view.holder is not None:
            raise LogError(
                f"the log in {view.directory} is in use by process {view.holder}; stop `spanledger serve` first"
            )
    return [view for view in views if exporter in view.cursors]
