"""`spanledger reprice`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from spanledger.commands.options import config_options, moment

if TYPE_CHECKING:
    from spanledger.mapping.cost.pattern import Pattern


@click.command()
@click.option("--since", required=True, metavar="TIME", help="Runs that started since: 30d or 2h ago, or 2026-03-01.")
@click.option("--until", metavar="TIME", help="Runs that started before. Without: now.")
@click.option("--project", metavar="ID", help="Only runs of this project.")
@click.option("--provider", metavar="NAME", help="Only runs of this provider, such as openai or aws.bedrock.")
@click.option("--model", metavar="PATTERN", help="Only models whose whole name matches, such as 'gpt-4o(-.*)?'.")
@click.option("--dry-run", is_flag=True, help="Show what would change, write nothing.")
@click.option("--reported", is_flag=True, help="Decide anew on costs that the sender reported, too.")
@click.option("--force", is_flag=True, help="Runs that are so young that the mapping may still correct them, too.")
@click.option("--exporter", metavar="ID", help="Exporter whose store is meant, where the configuration has several.")
@config_options
def reprice(
    since: str,
    until: str | None,
    project: str | None,
    provider: str | None,
    model: str | None,
    dry_run: bool,
    reported: bool,
    force: bool,
    exporter: str | None,
    files: tuple[str, ...],
    sets: tuple[str, ...],
) -> None:
    """Compute the cost of stored runs anew, after prices have changed.

    Prices are those of the configuration (service::mapping::prices and ::cost) and of the installed price list, as
    they were when each run started. First the sums per model are shown, before and after; then the runs whose cost
    differs are written, and no others. It may be interrupted and run again. Change the configuration of
    `spanledger serve` before, so that it prices new runs alike.

    A ledger in the embedded engine can be used by one process at a time: stop `spanledger serve` first.

    \b
    spanledger reprice --since 30d --dry-run
    spanledger reprice --since 2026-03-01 --until 2026-04-01 --model 'gpt-4o(-.*)?' --config spanledger.yaml
    """
    import asyncio

    from spanledger.commands.repricing import told
    from spanledger.commands.stores import store_and_exporter
    from spanledger.config import load_config
    from spanledger.errors import StoreInUse
    from spanledger.reprice import Repricing, Selection
    from spanledger.service import event_loop

    config = load_config(files, sets)
    for warning in config.warnings:
        click.echo(f"Warning: {warning}", err=True)
    now_ns = time.time_ns()
    selection = Selection(
        since_ns=_time(since, now_ns, "--since"),
        until_ns=now_ns if until is None else _time(until, now_ns, "--until"),
        project=project,
        provider=provider,
        model=_pattern(model),
        reported=reported,
        settled_ns=None if force else now_ns - config.mapping.limits().max_age_ns,
    )
    if selection.until_ns <= selection.since_ns:
        raise click.BadParameter("must be later than --since", param_hint="--until")
    store, writer = store_and_exporter(config, exporter)
    repricing = Repricing(store, config.mapping.price_list(), selection)
    try:
        with asyncio.Runner(loop_factory=event_loop()) as runner:
            runner.run(told(repricing, selection, store, None if dry_run else writer))
    except StoreInUse as error:
        text = f"{error}\nStop `spanledger serve` first; with a ClickHouse server both can run."
        raise click.ClickException(text) from error
    except KeyboardInterrupt:
        text = f"interrupted; costs written: {repricing.written:,}; the same command does the rest"
        raise click.ClickException(text) from None


def _pattern(text: str | None) -> Pattern | None:
    from spanledger.mapping.cost.pattern import Pattern

    try:
        return None if text is None else Pattern(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--model") from None


def _time(text: str, now_ns: int, option: str) -> int:
    from spanledger.api.parameters import parse_time

    try:
        return parse_time(moment(text, now_ns, option))
    except ValueError as error:
        raise click.BadParameter(f"{error}: {text}", param_hint=option) from None
