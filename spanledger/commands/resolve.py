"""`spanledger resolve`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from spanledger.commands.options import config_options, moment

if TYPE_CHECKING:
    from spanledger.exporters.base import Exporter
    from spanledger.exporters.store import RunStore
    from spanledger.mapping.cost import PriceList
    from spanledger.resolve import Resolved


@click.command()
@click.option("--since", default="2d", show_default=True, metavar="TIME", help="Runs that started since: 12h, 7d ago.")
@click.option("--until", metavar="TIME", help="Runs that started before. Without: now.")
@click.option("--project", metavar="ID", help="Only traces of this project.")
@click.option("--dry-run", is_flag=True, help="Count what would change, write nothing.")
@click.option("--force", is_flag=True, help="Traces that are so young that the mapping may still correct them, too.")
@click.option("--exporter", metavar="ID", help="Exporter whose store is meant, where the configuration has several.")
@config_options
def resolve(
    since: str,
    until: str | None,
    project: str | None,
    dry_run: bool,
    force: bool,
    exporter: str | None,
    files: tuple[str, ...],
    sets: tuple[str, ...],
) -> None:
    """Put traces right whose pieces arrived far apart, or at different replicas.

    Each trace is looked at as a whole: a parent that repeats the usage of its children stops to count, children get
    the user and session of their parents, sessions their threads. What is right is left alone, so the command may be
    run as often as one likes. The extension `maintenance` does the same on a schedule.

    A ledger in the embedded engine can be used by one process at a time: stop `spanledger serve` first, or let
    `maintenance` do it.

    \b
    spanledger resolve --since 7d --dry-run
    """
    import asyncio

    from spanledger.api.parameters import parse_time
    from spanledger.commands.stores import one_process, store_and_exporter
    from spanledger.config import load_config

    config = load_config(files, sets)
    for warning in config.warnings:
        click.echo(f"Warning: {warning}", err=True)
    now_ns = time.time_ns()
    times = {}
    for option, text in (("--since", since), ("--until", until)):
        try:
            times[option] = now_ns if text is None else parse_time(moment(text, now_ns, option))
        except ValueError as error:
            raise click.BadParameter(f"{error}: {text}", param_hint=option) from None
    if times["--until"] <= times["--since"]:
        raise click.BadParameter("must be later than --since", param_hint="--until")
    settled_ns = 2**63 - 1 if force else now_ns - config.mapping.limits().max_age_ns
    store, writer = store_and_exporter(config, exporter)
    with one_process():
        done = asyncio.run(
            _resolve(
                store,
                writer,
                config.mapping.price_list(),
                times=(times["--since"], times["--until"], settled_ns),
                project=project,
                dry_run=dry_run,
            )
        )
    click.echo(f"Looked at: {done.runs:,} runs in {done.traces:,} traces")
    click.echo(f"{'Would change' if dry_run else 'Changed'}: {done.changed:,}; no longer counted: {done.unbilled:,}")
    if done.young:
        click.echo(f"Left alone, as the mapping may still correct them: {done.young:,} traces (later, or with --force)")
    if done.refused:
        raise click.ClickException(f"refused by the store: {len(done.refused):,}, as {done.refused[0]}")


async def _resolve(
    store: RunStore,
    exporter: Exporter,
    prices: PriceList,
    *,
    times: tuple[int, int, int],
    project: str | None,
    dry_run: bool,
) -> Resolved:
    from spanledger.resolve import resolve_store

    since_ns, until_ns, settled_ns = times
    try:
        if not dry_run:
            await exporter.start()  # before the store, whose tables may have to be brought up to date
        await store.start()
        return await resolve_store(
            store,
            None if dry_run else exporter,
            prices,
            since_ns=since_ns,
            until_ns=until_ns,
            settled_ns=settled_ns,
            project=project,
        )
    finally:
        await store.close()
        await exporter.close()
