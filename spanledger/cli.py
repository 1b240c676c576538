"""The command line. Commands live in `spanledger.commands`, one module each, loaded when they are called: `--help`
and shell completion load nothing but click."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

import click

from spanledger._version import __version__
from spanledger.errors import SpanledgerError

_COMMANDS: Final = {
    "serve": "Receive OTLP and keep the ledger.",
    "validate": "Check a configuration; start nothing.",
    "components": "List every component type.",
    "print-config": "Print the merged configuration, without secrets.",
    "map": "Print the records that recorded payloads map to.",
    "runs": "Look at runs: a list, or one with its trace.",
    "usage": "What was used and what it cost: by model, user, tag, over time.",
    "tail": "Show runs as they arrive.",
    "migrate": "Bring the schema of every store up to date.",
    "queue": "Look at the durable log and its dead letters; deliver again, or give up.",
    "delete": "Delete a run, a user or a project for good.",
    "resolve": "Put traces right whose pieces arrived far apart.",
    "reprice": "Compute the cost of stored runs anew.",
    "keys": "Make, list and revoke keys of projects.",
    "health": "Ask whether a running process accepts data.",
    "version": "Print the version.",
}


class Commands(click.Group):
    """Finds commands by name and turns the errors raised on purpose into one readable block on stderr."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        module = importlib.import_module(f"spanledger.commands.{name}")
        command: click.Command = module.map_ if name == "map" else getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SpanledgerError as error:
            raise click.ClickException(str(error)) from error


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Documentation: README.md and docs/. Exit status: 0 done, 1 an error, 2 wrong usage.",
)
@click.version_option(__version__, prog_name="spanledger")
def main() -> None:
    """Receive OpenTelemetry from LLM applications and keep a ledger of runs, model calls, usage and cost.

    \b
    spanledger serve                          receive on 127.0.0.1:4317 (gRPC) and 4318 (HTTP)
    spanledger runs                           the newest runs
    spanledger runs show ID                   one run with its trace
    spanledger tail                           runs as they arrive
    spanledger usage --by user                what was used, and what it cost
    """


if __name__ == "__main__":
    sys.exit(main())
