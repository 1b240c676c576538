"""`spanledger tail`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from spanledger.commands.reading import api_option, client, filter_options, filters, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from spanledger.api.follow import Json


@click.command()
@filter_options
@click.option("-n", "--lines", type=click.IntRange(0, 500), default=10, show_default=True, help="Runs to begin with.")
@click.option(
    "--late",
    default="1h",
    show_default=True,
    metavar="DURATION",
    help="How long ago a run may have started that arrives only now.",
)
@click.option(
    "--every", type=click.FloatRange(0.05, 3600), default=1.0, show_default=True, help="Seconds between two looks."
)
@click.option("--once", is_flag=True, help="Show what is there and end.")
@click.option("--json", "as_json", is_flag=True, help="Each run as the API gave it, one JSON object a line.")
@api_option
def tail(lines: int, late: str, every: float, once: bool, as_json: bool, api: str, **given: Any) -> None:
    """Show runs of a running spanledger as they arrive, until Ctrl-C.

    A run is shown when it is stored, and once more when it ended, where its start was told before. Wherever its start
    places it in the list, it is shown once. Filters are those of `spanledger runs`. While the API is away, tail waits
    for it; what arrived meanwhile is shown then.

    \b
    spanledger tail
    spanledger tail --status error --user ada
    spanledger tail --type llm --json | jq .cost.total
    """
    import json

    from spanledger.api.client import ApiError
    from spanledger.api.follow import Follow
    from spanledger.api.terminal_lines import line, title
    from spanledger.commands.lists import list_console
    from spanledger.settings import parse_duration

    try:
        late_ns = round(parse_duration(late) * 1e9)
    except ValueError:
        raise click.BadParameter("expected a duration such as 30m or 2h", param_hint="--late") from None
    console = list_console()

    def show(runs: list[Json]) -> None:
        for run in runs:
            if as_json:
                click.echo(json.dumps(run, ensure_ascii=False))
            else:
                console.print(line(run, width=console.width), soft_wrap=True)

    def begin(runs: list[Json]) -> None:
        if not as_json:
            console.print(title(width=console.width), soft_wrap=True)
        show(runs)

    with client(api) as reader:
        follow = Follow(reader.runs, filters(given), late_ns)
        try:
            begin(follow.begin(lines))
            while not once:
                time.sleep(every)
                show(_patiently(follow.poll))
        except ApiError as error:
            raise told(error) from error
        except KeyboardInterrupt:
            return


def _patiently(poll: Callable[[], list[Json]]) -> list[Json]:
    """What a look finds, as soon as the API is there. Raises `ApiError` for what will not pass."""
    from spanledger.api.client import ApiError

    wait = 1.0
    while True:
        try:
            return poll()
        except ApiError as error:
            if error.status not in (None, 429, 502, 503, 504):
                raise
            if wait == 1.0:
                click.echo(f"{error}; waiting", err=True)
        time.sleep(wait)
        wait = min(wait * 2, 10.0)
