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


def moment(text: str, now_ns: int, option: str) -> str:
    """RFC 3339 time of `2h` or `7d` ago, of a date, or of a time. Raises `click.BadParameter` for other texts."""
    import re

    from spanledger.model.records import rfc3339
    from spanledger.settings import parse_duration

    if days := re.fullmatch(r"(\d{1,5})d", text):
        return rfc3339(max(now_ns - int(days[1]) * 86_400_000_000_000, 0))
    try:
        return rfc3339(max(now_ns - round(parse_duration(text) * 1e9), 0))
    except ValueError:
        pass
    if re.match(r"\d{4}-\d\d-\d\d", text) is None:
        raise click.BadParameter("expected 30m, 2h, 7d or a time like 2026-03-01T10:00:00Z", param_hint=option)
    return text if "T" in text else f"{text}T00:00:00Z"
