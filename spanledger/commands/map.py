"""`spanledger map`."""

from __future__ import annotations

import json
from typing import Any

import click

from spanledger.commands.options import config_options


@click.command("map")
@click.argument("payloads", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False))
@click.option("--pretty", is_flag=True, help="A tree for each trace, for people.")
@click.option("--project", default="default", show_default=True, help="Project that the records belong to.")
@config_options
def map_(payloads: tuple[str, ...], pretty: bool, project: str, files: tuple[str, ...], sets: tuple[str, ...]) -> None:
    """Print the records that recorded payloads map to, one JSON object a line (docs/run-model.md).

    Takes OTLP export requests (.pb, .json, .jsonl) and Lunary ingest bodies. All files are one stream: facts of late
    files complete the runs of early ones, and each run is printed once, in its final state. Contents, prices and the
    bounds of the trace memory are those of the configuration (service::mapping); nothing else of it matters here.
    What a receiver would refuse is told on standard error.

    \b
    spanledger map traces-1.pb logs-1.pb
    spanledger map --pretty traces-*.pb
    spanledger map --config spanledger.yaml --set service.mapping.content=never traces-1.pb
    """
    from spanledger.offline import OfflineMapper

    mapper = OfflineMapper(project)
    if files or sets:
        from spanledger.config import load_config

        settings = load_config(files, sets).mapping
        mapper = OfflineMapper(project, settings.price_list(), settings.limits(), settings.capture())
    try:
        for payload in payloads:
            mapper.add_file(payload)
        records: list[dict[str, Any]] = mapper.records()
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    for refused in mapper.rejected:
        click.echo(f"refused: {refused}", err=True)
    if pretty:
        from spanledger.commands.pretty import print_records

        print_records(records)
        return
    for record in records:
        click.echo(json.dumps(record, ensure_ascii=False, separators=(",", ":")))
