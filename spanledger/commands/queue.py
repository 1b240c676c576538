"""`spanledger queue`: the durable log from outside."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spanledger.commands.options import config_options, moment

if TYPE_CHECKING:
    from spanledger.config import Config
    from spanledger.pipeline.dead_letters import LetterFilter

Command = TypeVar("Command", bound=Callable[..., Any])

_dead = click.option("--dead", is_flag=True, help="Dead letters instead of entries of the log.")
_json = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


def _filters(command: Command) -> Command:
    """Which letters, or which entries, are meant."""
    command = click.option("--project", metavar="ID", help="Only of this project.")(command)
    command = click.option("--older-than", metavar="AGE", help="Only older than 30m, 2h, 7d or a time.")(command)
    command = click.option("--reason", metavar="TEXT", help="Only dead letters whose reason holds this text.")(command)
    return click.option(
        "--exporter", metavar="ID", help="Only what this exporter has not written; of dead letters, what it rejected."
    )(command)


@click.group()
def queue() -> None:
    """Look at the durable log and its dead letters; deliver again, or give up.

    The log is that of the configuration (extension file_storage), with those of all workers below it. `ls` and `cat`
    work while `spanledger serve` runs. `replay` and `purge` say so where it has to be stopped first.

    \b
    spanledger queue ls
    spanledger queue cat --dead --exporter clickhouse
    spanledger queue replay --dead --reason 'no column'
    spanledger queue purge --dead --older-than 30d
    """


@queue.command("ls")
@_json
@config_options
def ls(as_json: bool, files: tuple[str, ...], sets: tuple[str, ...]) -> None:
    """Show what the log holds, how far each exporter is, and the dead letters by reason."""
    from spanledger.commands.queue_list import described, listing

    logs = [described(directory) for directory in _directories(_config(files, sets))]
    if as_json:
        click.echo(json.dumps(logs, indent=2, ensure_ascii=False))
        return
    for line in listing(logs, time.time_ns()):
        click.echo(line)


@queue.command()
@_dead
@_filters
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@_json
@config_options
def cat(
    dead: bool,
    exporter: str | None,
    reason: str | None,
    older_than: str | None,
    project: str | None,
    limit: int,
    as_json: bool,
    files: tuple[str, ...],
    sets: tuple[str, ...],
) -> None:
    """Print entries of the log, or dead letters, oldest first.

    A line each; with --json one object a line, with everything that was decoded. They hold what was sent, prompts
    included.
    """
    from spanledger.commands.queue_list import entry_line, entry_object, letter_line, letter_object

    wanted = _letter_filter(exporter, reason, older_than, project)
    left = limit
    for directory in _directories(_config(files, sets)):
        if dead:
            from spanledger.commands.queue_list import letters

            for stored in letters(directory, wanted, left):
                click.echo(letter_object(stored) if as_json else letter_line(stored))
                left -= 1
        else:
            from spanledger.commands.queue_list import entries

            for entry in entries(directory, wanted, left):
                click.echo(entry_object(entry) if as_json else entry_line(entry))
                left -= 1


@queue.command()
@_dead
@_filters
@click.option("--since", metavar="TIME", help="Entries received since: 30m, 2h, 7d ago, or a time.")
@click.option(
    "--to", multiple=True, metavar="PIPELINE", help="With --dead: where bodies go whose own pipeline is gone."
)
@_yes
@config_options
def replay(
    dead: bool,
    exporter: str | None,
    reason: str | None,
    older_than: str | None,
    project: str | None,
    since: str | None,
    to: tuple[str, ...],
    yes: bool,
    files: tuple[str, ...],
    sets: tuple[str, ...],
) -> None:
    """Deliver dead letters once more, or set an exporter back in the log.

    With --dead: records go to the exporter that rejected them, items that broke the mapping are mapped anew, bodies
    that could not be decoded go into the log again. What is stored then leaves the dead letters; what fails again
    stays. What was processed for some pipelines goes to these alone, and stays while none of them is there; --to names
    others for it. Bodies need `spanledger serve` stopped, and so does a ledger in the embedded engine.

    With --exporter and --since: what the log still holds since then is written to that exporter again at the next
    start, for a store that was restored from a backup. Writing twice changes nothing.

    \b
    spanledger queue replay --dead --exporter clickhouse
    spanledger queue replay --exporter postgres --since 2h
    """
    config = _config(files, sets)
    if not dead:
        if exporter is None or since is None:
            raise click.UsageError("--dead, or --exporter with --since, says what is to be delivered again")
        from spanledger.commands.queue_cursors import set_back

        set_back(_directories(config), exporter, _ns(since, "--since"), lambda text: _confirm(text, yes))
        return
    from spanledger.commands.queue_replay import replay_letters
    from spanledger.errors import StoreInUse

    ending = {str(id_) for id_, pipeline in config.pipelines.items() if pipeline.exporters}
    if wrong := sorted(set(to) - ending):
        raise click.BadParameter(f"no pipeline with exporters: {', '.join(wrong)}", param_hint="--to")
    wanted = _letter_filter(exporter, reason, older_than, project)
    try:
        outcome = replay_letters(config, _directories(config), wanted, to)
    except StoreInUse as error:
        text = f"{error}\nStop `spanledger serve` first; with a store on a server both can run."
        raise click.ClickException(text) from error
    click.echo(f"delivered {outcome.delivered:,}, failed again {outcome.failed:,}, left alone {outcome.skipped:,}")
    for text, count in outcome.reasons.most_common(10):
        click.echo(f"  {count:,} × {text}")
    if outcome.failed or outcome.skipped:
        raise click.exceptions.Exit(1)


@queue.command()
@_dead
@_filters
@_yes
@config_options
def purge(
    dead: bool,
    exporter: str | None,
    reason: str | None,
    older_than: str | None,
    project: str | None,
    yes: bool,
    files: tuple[str, ...],
    sets: tuple[str, ...],
) -> None:
    """Delete dead letters, or what waits for an exporter. It cannot be undone.

    With --dead: the letters that pass the filters; works while `spanledger serve` runs.

    With --exporter alone: everything in the log that it has not written is never written to it; other exporters are
    not touched. `spanledger serve` must be stopped.

    \b
    spanledger queue purge --dead --older-than 30d
    spanledger queue purge --exporter debug
    """
    config = _config(files, sets)
    if dead:
        from spanledger.commands.queue_cursors import purge_letters

        wanted = _letter_filter(exporter, reason, older_than, project)
        purge_letters(_directories(config), wanted, lambda text: _confirm(text, yes))
        return
    if exporter is None or reason or older_than or project:
        raise click.UsageError("--dead with filters, or --exporter alone, says what is to be deleted")
    from spanledger.commands.queue_cursors import skip_all

    skip_all(_directories(config), exporter, lambda text: _confirm(text, yes))


def _config(files: tuple[str, ...], sets: tuple[str, ...]) -> Config:
    from spanledger.config import load_config

    config = load_config(files, sets)
    for warning in config.warnings:
        click.echo(f"Warning: {warning}", err=True)
    return config


def _directories(config: Config) -> list[Path]:
    from spanledger.config.pipeline import pipeline_settings
    from spanledger.pipeline.directories import log_directories
    from spanledger.pipeline.settings import Durability

    settings = pipeline_settings(config)
    if settings.durability is Durability.MEMORY:
        raise click.ClickException("the configuration has no durable log: no file_storage in service::extensions")
    found = log_directories(settings.log.directory)
    if not found:
        raise click.ClickException(f"there is no log in {settings.log.directory}")
    return found


def _letter_filter(
    exporter: str | None, reason: str | None, older_than: str | None, project: str | None
) -> LetterFilter:
    from spanledger.pipeline.dead_letters import LetterFilter

    before_ns = None if older_than is None else _ns(older_than, "--older-than")
    return LetterFilter(exporter, reason, project, before_ns)


def _ns(text: str, option: str) -> int:
    from spanledger.api.parameters import parse_time

    try:
        return parse_time(moment(text, time.time_ns(), option))
    except ValueError as error:
        raise click.BadParameter(f"{error}: {text}", param_hint=option) from None


def _confirm(text: str, yes: bool) -> None:
    """Ask; anything but yes ends the command with nothing done."""
    if not yes:
        click.confirm(text, abort=True, err=True)
