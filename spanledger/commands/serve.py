"""`spanledger serve`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from spanledger.commands.options import config_options

if TYPE_CHECKING:
    from spanledger.config import Config
    from spanledger.workers.reloading import Reloading

# gRPC's core, which exporters use, writes lines of its own to stderr for what it thinks of a peer. It reads this when
# it is loaded; what somebody has set stays.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


@click.command()
@config_options
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    envvar="SPANLEDGER_WORKERS",
    help="Processes that share the ports, each with a log of its own; wins over service.workers.",
)
@click.option(
    "--grace",
    default="10s",
    show_default=True,
    metavar="DURATION",
    envvar="SPANLEDGER_GRACE",
    help="How long a stop may take to deliver what was accepted; the rest stays in the log.",
)
@click.option("--worker", hidden=True, metavar="NUMBER:DESCRIPTOR", help="Given by the supervisor.")
def serve(files: tuple[str, ...], sets: tuple[str, ...], workers: int | None, grace: str, worker: str | None) -> None:
    """Receive OTLP and keep the ledger, until SIGTERM or SIGINT.

    Without --config: OTLP on 127.0.0.1:4317 (gRPC) and 4318 (HTTP), the ledger in ./data/clickhouse, the durable log
    in ./data/log, the API on 127.0.0.1:3333, the health check on 127.0.0.1:13133.

    With --workers a supervisor starts that many processes and starts them again when they die. A store inside the
    process (chdb://) takes one.

    SIGHUP reads the configuration again. One that cannot be used is kept out; a good one is taken over while senders
    wait, with workers one process after the other.

    \b
    spanledger serve
    spanledger serve --config collector.yaml
    spanledger serve --config collector.yaml --workers 4
    spanledger serve --set receivers.otlp.protocols.http.endpoint=0.0.0.0:4318
    """
    from spanledger.config import load_config
    from spanledger.settings import parse_duration
    from spanledger.workers.reloading import Reloading, fingerprint

    try:
        grace_seconds = parse_duration(grace)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--grace") from None
    if workers is not None:
        sets = (*sets, f"service.workers={workers}")
    seen = fingerprint(files)
    config = load_config(files, sets)
    options = _options(files, sets, grace)
    if worker is not None:
        number, _, descriptor = worker.partition(":")
        _serve(config, grace_seconds, worker=int(number), descriptor=int(descriptor))
        return
    reloading = Reloading(lambda: load_config(files, sets), _set_up_logs, files, seen)
    if config.workers == 1:
        _serve(config, grace_seconds, reloading=reloading)
    elif not _supervise(config, grace_seconds, options, reloading):
        sys.exit(1)


def _options(files: Sequence[str], sets: Sequence[str], grace: str) -> list[str]:
    """The command line that says the same again."""
    options = [option for file in files for option in ("--config", file)]
    options += [option for text in sets for option in ("--set", text)]
    return [*options, "--grace", grace]


def _serve(
    config: Config,
    grace_seconds: float,
    *,
    worker: int | None = None,
    descriptor: int | None = None,
    reloading: Reloading | None = None,
) -> None:
    """One process that does everything."""
    import asyncio
    import time

    began = time.monotonic()
    from spanledger.process import serve as run
    from spanledger.service import event_loop
    from spanledger.telemetry.systemd import notify
    from spanledger.workers.link import WorkerEnd

    _set_up_logs(config, {} if worker is None else {"worker": str(worker)}, warn=worker is None)

    def ready(endpoints: Mapping[str, str]) -> None:
        if worker is None:
            _tell_ready(config, endpoints, time.monotonic() - began)
            notify("READY=1")

    supervisor = None if descriptor is None else WorkerEnd(descriptor)
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        runner.run(run(config, grace_seconds, ready, worker=worker, supervisor=supervisor, reloading=reloading))


def _supervise(config: Config, grace_seconds: float, options: Sequence[str], reloading: Reloading) -> bool:
    """Several processes; whether all ended well."""
    import asyncio
    import time

    began = time.monotonic()
    from spanledger.workers.ports import SharedPorts, share_ports
    from spanledger.workers.supervisor import Supervisor
    from spanledger.workers.worker import Command

    _set_up_logs(config)

    def command(ports: SharedPorts) -> Command:
        listening = [option for text in ports.settings() for option in ("--set", text)]
        listening += ["--set", f"service.workers={config.workers}"]  # the configuration may say another number by then
        program = [sys.executable, "-m", "spanledger", "serve", *options, *listening]
        return lambda number, descriptor: [*program, "--worker", f"{number}:{descriptor}"]

    def ready(endpoints: Mapping[str, str]) -> None:
        _tell_ready(config, endpoints, time.monotonic() - began)

    async def run() -> bool:
        supervisor = Supervisor(config, await share_ports(config), command, grace_seconds, reloading)
        return await supervisor.run(ready)

    with asyncio.Runner() as runner:
        return runner.run(run())


def _set_up_logs(config: Config, fields: Mapping[str, str] = MappingProxyType({}), *, warn: bool = True) -> None:
    import logging

    from spanledger.config.pipeline import without_effect
    from spanledger.telemetry.logging import set_up

    logs = config.telemetry.logs
    set_up(logs.model_copy(update={"initial_fields": {**fields, **logs.initial_fields}}))
    if warn:
        for warning in (*config.warnings, *without_effect(config)):
            logging.getLogger("spanledger").warning(warning)


def _tell_ready(config: Config, endpoints: Mapping[str, str], seconds: float) -> None:
    import logging

    from spanledger.service import banner

    if config.telemetry.logs.encoding == "json":
        logging.getLogger("spanledger").info("ready", extra={"seconds": round(seconds, 3), **endpoints})
    else:
        click.echo(banner(config, endpoints, seconds))
        sys.stdout.flush()
