"""`spanledger serve`."""

from __future__ import annotations

import sys

import click

from spanledger.commands.options import config_options


@click.command()
@config_options
@click.option(
    "--grace",
    default="10s",
    show_default=True,
    metavar="DURATION",
    envvar="SPANLEDGER_GRACE",
    help="How long a stop may take to deliver what was accepted; the rest stays in the log.",
)
def serve(files: tuple[str, ...], sets: tuple[str, ...], grace: str) -> None:
    """Receive OTLP and keep the ledger, until SIGTERM or SIGINT.

    Without --config: OTLP on 127.0.0.1:4317 (gRPC) and 4318 (HTTP), the ledger in ./data/clickhouse, the durable log
    in ./data/log, the API on 127.0.0.1:3333, the health check on 127.0.0.1:13133.

    \b
    spanledger serve
    spanledger serve --config collector.yaml
    spanledger serve --set receivers.otlp.protocols.http.endpoint=0.0.0.0:4318
    """
    import asyncio
    import logging
    import time

    began = time.monotonic()
    from spanledger.config import load_config
    from spanledger.config.pipeline import without_effect
    from spanledger.service import Service, banner, event_loop
    from spanledger.service import serve as run
    from spanledger.settings import parse_duration
    from spanledger.telemetry.logging import set_up

    try:
        grace_seconds = parse_duration(grace)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--grace") from None
    config = load_config(files, sets)
    set_up(config.telemetry.logs)
    logger = logging.getLogger("spanledger")
    for warning in (*config.warnings, *without_effect(config)):
        logger.warning(warning)

    def ready(service: Service) -> None:
        seconds = time.monotonic() - began
        if config.telemetry.logs.encoding == "json":
            logger.info("ready", extra={"seconds": round(seconds, 3), **service.endpoints()})
        else:
            click.echo(banner(config, service, seconds))
            sys.stdout.flush()

    with asyncio.Runner(loop_factory=event_loop()) as runner:
        runner.run(run(config, grace_seconds, ready))
