"""`spanledger migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from spanledger.commands.options import config_options

if TYPE_CHECKING:
    from spanledger.exporters.store import StoreAdmin


@click.command()
@click.option("--dry-run", is_flag=True, help="Print the SQL that would run, change nothing.")
@click.option("--exporter", metavar="ID", help="Only the store of this exporter.")
@config_options
def migrate(dry_run: bool, exporter: str | None, files: tuple[str, ...], sets: tuple[str, ...]) -> None:
    """Bring the schema of every store of the configuration up to date.

    `spanledger serve` does the same at its start unless the exporter says auto_migrate: false. Migrations are numbered
    and only go forward; several processes may call this at the same time. A store that a newer spanledger has migrated
    is refused.

    \b
    spanledger migrate --dry-run
    spanledger migrate --config spanledger.yaml --exporter clickhouse
    """
    import asyncio

    from spanledger.commands.stores import admins, one_process
    from spanledger.config import load_config

    config = load_config(files, sets)
    for warning in config.warnings:
        click.echo(f"Warning: {warning}", err=True)
    with one_process():
        asyncio.run(_each(admins(config, exporter), dry_run=dry_run))


async def _each(stores: dict[str, StoreAdmin], *, dry_run: bool) -> None:
    for name, store in stores.items():
        try:
            await store.start()
            if dry_run:
                await _show(name, store)
            else:
                done = await store.migrate()
                for migration in done:
                    click.echo(f"{name}: applied {migration.revision}, {migration.name}")
                if not done:
                    click.echo(f"{name}: {store.where} is up to date")
        finally:
            await store.close()


async def _show(name: str, store: StoreAdmin) -> None:
    """SQL on stdout, so that it can be piped; what it is about in comments."""
    todo = await store.pending()
    click.echo(f"-- {name}: {store.where}: {'would run' if todo else 'is up to date'}")
    for pending in todo:
        click.echo(f"\n-- {pending.migration.revision}: {pending.migration.name}")
        for statement in pending.statements:
            click.echo(f"{statement};")
