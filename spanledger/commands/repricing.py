"""What `spanledger reprice` shows while it works, and in which order it works."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from spanledger.api import figures
from spanledger.api.conversation import text
from spanledger.exporters.base import Exporter
from spanledger.exporters.store import RunStore
from spanledger.model.records import money, rfc3339
from spanledger.reprice import Progress as Told
from spanledger.reprice import Repricing, Selection, Sums, Survey

_MOST_ROWS: Final = 50
_EVERY: Final = 10.0
"""Seconds between two lines where no bar can be drawn."""


async def told(repricing: Repricing, selection: Selection, store: RunStore, exporter: Exporter | None) -> None:
    """Show what would change, then change it, unless there is no exporter. Raises `StoreError`, and
    `click.ClickException` where the store refused runs."""
    console = Console()
    try:
        if exporter is not None:
            await exporter.start()  # before the store, whose tables may have to be brought up to date
        await store.start()
        with _progress("reading") as progress:
            survey = await repricing.survey(progress)
        console.print(Text(f"Runs from {_second(selection.since_ns)} to {_second(selection.until_ns)}", "dim"))
        if survey.total.changed:
            console.print(sums_table(survey))
        for line in _notes(survey):
            console.print(line)
        if exporter is None or not survey.total.changed:
            return
        with _progress("writing") as progress:
            await repricing.write(exporter, progress)
        console.print(f"Costs written: {repricing.written:,}")
        if repricing.refused:
            raise click.ClickException(f"refused by the store: {len(repricing.refused):,}, as {repricing.refused[0]}")
    finally:
        await store.close()
        if exporter is not None:
            await exporter.close()


def sums_table(survey: Survey) -> Table:
    """Sums of the models whose cost changes, the largest difference first, and of all runs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("model", "provider"):
        table.add_column(name, overflow="fold")
    for name in ("runs", "changed", "before", "after", "difference", "unknown"):
        table.add_column(name, justify="right", no_wrap=True)
    changed = [(names, sums) for names, sums in survey.models.items() if sums.changed]
    changed.sort(key=lambda entry: (-abs(entry[1].after - entry[1].before), str(entry[0])))
    for (provider, model), sums in changed[:_MOST_ROWS]:
        table.add_row(text(model or "–"), text(provider or "–"), *_figures(sums))
    if left := changed[_MOST_ROWS:]:
        table.add_row(Text(f"and {len(left):,} other models", "dim"))
    table.add_section()
    table.add_row("all models", "", *_figures(survey.total), style="bold")
    return table


def _figures(sums: Sums) -> Iterator[str]:
    yield figures.count(sums.runs)
    yield figures.count(sums.changed)
    yield figures.money(money(sums.before))
    yield figures.money(money(sums.after))
    difference = sums.after - sums.before
    yield "" if not difference else ("+" if difference > 0 else "−") + figures.money(money(abs(difference)))
    unknown = (sums.unknown_before, sums.unknown_after)
    yield "" if not any(unknown) else " → ".join(f"{number:,}" for number in dict.fromkeys(unknown))


def _notes(survey: Survey) -> Iterator[str]:
    if not survey.total.runs:
        yield "Nothing found: no run that counts in totals started then."
    elif not survey.total.changed:
        yield f"Nothing to change. Costs that are right: {survey.total.runs - survey.reported - survey.young:,}"
    if survey.reported:
        yield f"Left alone, as the sender reported the cost: {survey.reported:,} (--reported takes them in)"
    if survey.young:
        yield f"Left alone, as the mapping may still correct them: {survey.young:,} (later, or with --force)"


def _second(time_ns: int) -> str:
    return f"{rfc3339(time_ns)[:19]}Z"


@contextmanager
def _progress(doing: str) -> Iterator[Told]:
    """A bar on a terminal; elsewhere a line now and then. Both on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        last = time.monotonic()

        def line(share: float, read: int) -> None:
            nonlocal last
            if time.monotonic() - last >= _EVERY:
                last = time.monotonic()
                click.echo(f"{doing}: {share:.0%}, {read:,} runs read", err=True)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=1.0)

        def move(share: float, read: int) -> None:
            bar.update(task, completed=share, description=f"{doing}, {read:,} runs")

        yield move
