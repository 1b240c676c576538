"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def config_options(command: Command) -> Command:
    """`--config FILE…` and `--set KEY=VALUE…`."""
    command = click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set one value, e.g. exporters.clickhouse.endpoint=http://db:8123. Repeatable; wins over files.",
    )(command)
    return click.option(
        "--config",
        "files",
        multiple=True,
        metavar="FILE",
        help="Configuration file. Repeatable; merged from left to right. Without: the built-in default.",
    )(command)
