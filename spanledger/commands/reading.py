"""What commands that read the ledger through the API share: where it is, which runs, how errors are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import environ
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from spanledger.commands.options import moment

if TYPE_CHECKING:
    from spanledger.api.client import ApiClient, FilterValue

Command = TypeVar("Command", bound=Callable[..., Any])

API: Final = "http://127.0.0.1:3333"
API_HELP: Final = "Where the API of a running spanledger is."
KEY: Final = "SPANLEDGER_KEY"

api_option: Final = click.option(
    "--api", default=API, envvar="SPANLEDGER_API", show_default=True, show_envvar=True, metavar="URL", help=API_HELP
)
_FILTERS: Final = (
    ("types", "--type", "TYPE", "llm, tool, agent, chain, … Repeatable."),
    ("models", "--model", "MODEL", "The model that answered. Repeatable."),
    ("users", "--user", "ID", "User id. Repeatable."),
    ("sessions", "--session", "ID", "Session id. Repeatable."),
    ("statuses", "--status", "STATUS", "success, error, cancelled, started."),
    ("tags", "--tag", "TAG", "Has one of these tags. Repeatable."),
)


def filter_options(command: Command) -> Command:
    """Options that choose runs; `filters` makes parameters of them."""
    command = click.option(
        "--search", metavar="TEXT", help="Text in name, model, user, session, error, or the previews."
    )(command)
    for name, option, metavar, words in reversed(_FILTERS):
        command = click.option(option, name, multiple=True, metavar=metavar, help=words)(command)
    return command


def filters(given: Mapping[str, Any]) -> dict[str, FilterValue]:
    """Parameters of the API for what `filter_options` gave."""
    found = {option.removeprefix("--"): given[name] for name, option, _, _ in _FILTERS}
    return {name: value for name, value in (found | {"search": given["search"]}).items() if value}


def since(text: str | None, now_ns: int, option: str = "--since") -> str | None:
    """RFC 3339 of what the option says, None without. Raises `click.BadParameter`."""
    return None if text is None else moment(text, now_ns, option)


def client(api: str) -> ApiClient:
    """A client with the key of the environment. Raises `ApiError`."""
    from spanledger.api.client import ApiClient

    return ApiClient(api, key=environ.get(KEY))


def told(error: Any) -> click.ClickException:
    """An `ApiError` with what can be done about it."""
    text = str(error)
    if error.status is None and "cannot reach" in text:
        text += "\nIs `spanledger serve` running, with the `api` extension? Name another place with --api URL."
    elif error.status in (401, 403):
        text += f"\nSet {KEY} to a private key of the project."
    return click.ClickException(text)


def print_json(value: Any) -> None:
    """One JSON value for programs, laid out for people."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
