"""`spanledger map`."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command("map")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False))
@click.option("--pretty", is_flag=True, help="A tree for each trace, for people.")
@click.option("--project", default="default", show_default=True, help="Project that the records belong to.")
def map_(files: tuple[str, ...], pretty: bool, project: str) -> None:
    """Print the records that recorded payloads map to, one JSON object a line (docs/run-model.md).

    Takes OTLP export requests (.pb, .json, .jsonl) and Lunary ingest bodies. All files are one stream: facts of late
    files complete the runs of early ones, and each run is printed once, in its final state.

    \b
    spanledger map traces-1.pb logs-1.pb
    spanledger map --pretty traces-*.pb
    """
    from spanledger import map_files

    try:
        records: list[dict[str, Any]] = map_files(files, project_id=project)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    if pretty:
        from spanledger.commands.pretty import print_records

        print_records(records)
        return
    for record in records:
        click.echo(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
