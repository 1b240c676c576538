"""`spanledger validate`."""

from __future__ import annotations

import click

from spanledger.commands.options import config_options


@click.command()
@config_options
def validate(files: tuple[str, ...], sets: tuple[str, ...]) -> None:
    """Check a configuration; start nothing.

    Every mistake is shown with its file, line and key, what was found, and what was expected. Exit status 1 if there
    is one.

    \b
    spanledger validate --config collector.yaml
    spanledger validate --config base.yaml --config production.yaml --set service.telemetry.logs.level=debug
    """
    from spanledger.config import load_config
    from spanledger.config.pipeline import without_effect

    config = load_config(files, sets)
    for warning in (*config.warnings, *without_effect(config)):
        click.echo(f"Warning: {warning}", err=True)
    click.echo("The configuration is valid.")
