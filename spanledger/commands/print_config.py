"""`spanledger print-config`."""

from __future__ import annotations

import json

import click

from spanledger.commands.options import config_options


@click.command("print-config")
@config_options
@click.option("--format", "format_", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@click.option("--default", "default", is_flag=True, help="The built-in default as it is written, with its comments.")
def print_config(files: tuple[str, ...], sets: tuple[str, ...], format_: str, default: bool) -> None:
    """Print the merged configuration with every default. Secrets are masked.

    \b
    spanledger print-config --default > spanledger.yaml
    spanledger print-config --config collector.yaml --format json
    """
    from spanledger.config import default_text, load_config
    from spanledger.config.show import to_plain, to_yaml

    if default:
        click.echo(default_text(), nl=False)
        return
    config = load_config(files, sets)
    if format_ == "json":
        click.echo(json.dumps(to_plain(config), indent=2, ensure_ascii=False))
    else:
        click.echo(to_yaml(config), nl=False)
