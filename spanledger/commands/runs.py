"""`spanledger runs` and `spanledger runs show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from spanledger.commands.reading import (
    API,
    API_HELP,
    api_option,
    client,
    filter_options,
    filters,
    print_json,
    since,
    told,
)

if TYPE_CHECKING:
    from spanledger.api.client import ApiClient

_json = click.option("--json", "as_json", is_flag=True, help="JSON as the API gave it, for programs.")


@click.group(invoke_without_command=True)
@filter_options
@click.option(
    "--since", "started", metavar="TIME", help="Started since: 30m, 2h, 7d ago, or a time like 2026-03-01T10:00:00Z."
)
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Runs to show.")
@_json
@api_option
@click.pass_context
def runs(ctx: click.Context, /, started: str | None, limit: int, as_json: bool, api: str, **given: Any) -> None:
    """Show the newest runs of a running spanledger, newest first.

    A run must pass every filter that is given; of several values of one it needs one. Where the API asks for keys, the
    environment variable SPANLEDGER_KEY holds a private key of the project.

    \b
    spanledger runs
    spanledger runs --type llm --model gpt-5-mini --since 1h
    spanledger runs --user ada --status error --limit 10
    spanledger runs show 0f3a9c12
    """
    ctx.obj = api
    if ctx.invoked_subcommand is not None:
        return
    import time

    from spanledger.api.client import ApiError

    now_ns = time.time_ns()
    asked = filters(given) | {"from": since(started, now_ns)}
    try:
        with client(api) as reader:
            page = reader.first_runs(limit, asked)
    except ApiError as error:
        raise told(error) from error
    if as_json:
        print_json(page)
        return
    from spanledger.api.terminal import runs_table
    from spanledger.commands.lists import list_console

    console = list_console()
    console.print(runs_table(page["data"], now_ns=now_ns, width=console.width))


@runs.command()
@click.argument("run_id", metavar="ID")
@_json
@click.option("--api", envvar="SPANLEDGER_API", metavar="URL", help=API_HELP)
@click.pass_obj
def show(given: str | None, run_id: str, as_json: bool, api: str | None) -> None:
    """Show one run: messages, usage, cost, parameters, and its trace.

    ID is a run's id or the beginning of one, as `spanledger runs` lists them.

    \b
    spanledger runs show 0f3a9c12
    spanledger runs show 0f3a9c12-6e8d-8a51-9c7b-2f4e6a8c0d1e --json
    """
    from spanledger.api.client import ApiError

    try:
        with client(api or given or API) as reader:
            whole = _whole_id(reader, run_id)
            run = reader.run(whole)
            if as_json:
                print_json(run)
                return
            related, scores = reader.related(whole), reader.scores(whole)
    except ApiError as error:
        raise told(error) from error
    from rich.console import Console

    from spanledger.api.terminal import run_page

    Console().print(run_page(run, related, scores))


def _whole_id(reader: ApiClient, beginning: str) -> str:
    """The id that begins so among the newest runs; the text itself when it is as long as an id."""
    if len(beginning) >= 36:
        return beginning
    newest = [run["run_id"] for run in reader.runs(limit=500)["data"]]
    found = [run_id for run_id in newest if run_id.startswith(beginning.lower())]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise click.ClickException(f"{len(found)} runs begin with {beginning}: {', '.join(found[:5])}")
    raise click.ClickException(f"none of the newest {len(newest)} runs begins with {beginning}; give the whole id")
