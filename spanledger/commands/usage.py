"""`spanledger usage`."""

from __future__ import annotations

from typing import Any

import click

from spanledger.commands.reading import api_option, client, filter_options, filters, print_json, since, told

# Those of the API; a test holds both to each other. Named here, for --help loads nothing but click.
BY = (
    *("model", "request_model", "provider", "user", "session", "type", "name", "status", "environment", "release"),
    *("service", "tag"),
)
INTERVALS = ("minute", "hour", "day", "week")


@click.command()
@click.option("--by", type=click.Choice(BY), default="model", show_default=True, help="One line for each value.")
@click.option("--interval", type=click.Choice(INTERVALS), help="One line for each interval and value.")
@filter_options
@click.option(
    "--since",
    "started",
    default="7d",
    show_default=True,
    metavar="TIME",
    help="Started since: 30m, 2h, 7d ago, or a time like 2026-03-01T10:00:00Z.",
)
@click.option("--until", "ended", metavar="TIME", help="Started before: as --since.")
@click.option("--top", type=click.IntRange(1, 100), default=20, show_default=True, help="Values with the most cost.")
@click.option("--json", "as_json", is_flag=True, help="JSON as the API gave it, for programs.")
@api_option
def usage(
    by: str,
    interval: str | None,
    started: str,
    ended: str | None,
    top: int,
    as_json: bool,
    api: str,
    **given: Any,
) -> None:
    """Show what a running spanledger counted: runs, errors, tokens, cost and latency.

    Tokens and cost count each model call once, whoever reported it; `calls` is how many that are. A cost with + is
    higher in truth: calls whose price is not known are not in it. p50 and p95 tell how long everything that matches
    took: add --type llm for model calls.

    \b
    spanledger usage
    spanledger usage --by user --since 30d --top 10
    spanledger usage --by model --interval day --since 2026-03-01 --until 2026-04-01
    spanledger usage --by tag --user ada --json
    """
    import time

    from spanledger.api.client import ApiError

    now_ns = time.time_ns()
    asked = filters(given) | {
        "from": since(started, now_ns),
        "to": since(ended, now_ns, "--until"),
        "by": by,
        "interval": interval,
        "top": str(top),
    }
    try:
        with client(api) as reader:
            found = reader.analytics(asked)
    except ApiError as error:
        raise told(error) from error
    if as_json:
        print_json(found)
        return
    from spanledger.api.usage_table import usage_table
    from spanledger.commands.lists import list_console

    console = list_console()
    console.print(usage_table(found, width=console.width))
