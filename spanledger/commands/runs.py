"""`spanledger runs` and `spanledger runs show`."""

from __future__ import annotations

import json
from os import environ
from typing import TYPE_CHECKING, Any

import click

from spanledger.commands.options import moment

if TYPE_CHECKING:
    from spanledger.api.client import ApiClient

_API_HELP = "Where the API of a running spanledger is."
_api = click.option(
    "--api",
    default="http://127.0.0.1:3333",
    envvar="SPANLEDGER_API",
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help=_API_HELP,
)
_KEY = "SPANLEDGER_KEY"
_json = click.option("--json", "as_json", is_flag=True, help="JSON as the API gave it, for programs.")


@click.group(invoke_without_command=True)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="llm, tool, agent, chain, … Repeatable.")
@click.option("--model", "models", multiple=True, metavar="MODEL", help="The model that answered. Repeatable.")
@click.option("--user", "users", multiple=True, metavar="ID", help="User id. Repeatable.")
@click.option("--session", "sessions", multiple=True, metavar="ID", help="Session id. Repeatable.")
@click.option("--status", "statuses", multiple=True, metavar="STATUS", help="success, error, cancelled, started.")
@click.option("--since", metavar="TIME", help="Started since: 30m, 2h, 7d ago, or a time like 2026-03-01T10:00:00Z.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Runs to show.")
@_json
@_api
@click.pass_context
def runs(
    ctx: click.Context,
    types: tuple[str, ...],
    models: tuple[str, ...],
    users: tuple[str, ...],
    sessions: tuple[str, ...],
    statuses: tuple[str, ...],
    since: str | None,
    limit: int,
    as_json: bool,
    api: str,
) -> None:
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

    from spanledger.api.client import ApiClient, ApiError

    now_ns = time.time_ns()
    filters: dict[str, str | tuple[str, ...] | None] = {
        "type": types,
        "model": models,
        "user": users,
        "session": sessions,
        "status": statuses,
        "from": None if since is None else moment(since, now_ns, "--since"),
    }
    try:
        with ApiClient(api, key=environ.get(_KEY)) as client:
            page = client.runs(limit=limit, filters={name: value for name, value in filters.items() if value})
    except ApiError as error:
        raise _told(error) from error
    if as_json:
        _print_json(page)
        return
    from rich.console import Console

    from spanledger.api.terminal import runs_table

    console = Console()
    console.print(runs_table(page["data"], now_ns=now_ns, width=console.width))


@runs.command()
@click.argument("run_id", metavar="ID")
@_json
@click.option("--api", envvar="SPANLEDGER_API", metavar="URL", help=_API_HELP)
@click.pass_obj
def show(given: str | None, run_id: str, as_json: bool, api: str | None) -> None:
    """Show one run: messages, usage, cost, parameters, and its trace.

    ID is a run's id or the beginning of one, as `spanledger runs` lists them.

    \b
    spanledger runs show 0f3a9c12
    spanledger runs show 0f3a9c12-6e8d-8a51-9c7b-2f4e6a8c0d1e --json
    """
    from spanledger.api.client import ApiClient, ApiError

    try:
        with ApiClient(api or given or "http://127.0.0.1:3333", key=environ.get(_KEY)) as client:
            whole = _whole_id(client, run_id)
            run = client.run(whole)
            if as_json:
                _print_json(run)
                return
            related, scores = client.related(whole), client.scores(whole)
    except ApiError as error:
        raise _told(error) from error
    from rich.console import Console

    from spanledger.api.terminal import run_page

    Console().print(run_page(run, related, scores))


def _whole_id(client: ApiClient, beginning: str) -> str:
    """The id that begins so among the newest runs; the text itself when it is as long as an id."""
    if len(beginning) >= 36:
        return beginning
    newest = [run["run_id"] for run in client.runs(limit=500)["data"]]
    found = [run_id for run_id in newest if run_id.startswith(beginning.lower())]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise click.ClickException(f"{len(found)} runs begin with {beginning}: {', '.join(found[:5])}")
    raise click.ClickException(f"none of the newest {len(newest)} runs begins with {beginning}; give the whole id")


def _told(error: Any) -> click.ClickException:
    text = str(error)
    if error.status is None and "cannot reach" in text:
        text += "\nIs `spanledger serve` running, with the `api` extension? Name another place with --api URL."
    elif error.status in (401, 403):
        text += f"\nSet {_KEY} to a private key of the project."
    return click.ClickException(text)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
