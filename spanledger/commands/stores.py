"""The stores of a configuration, for commands that act on each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from spanledger.config import Config
    from spanledger.exporters.store import StoreAdmin


def admins(config: Config, wanted: str | None) -> dict[str, StoreAdmin]:
    """Exporter id → its store, not started, of every exporter that a pipeline uses, or of the wanted one."""
    from spanledger.config import Kind
    from spanledger.config.registry import COMPONENTS
    from spanledger.config.rules import used

    with_store = {
        str(id_): (COMPONENTS[Kind.EXPORTERS][id_.type], settings)
        for id_, settings in used(config, Kind.EXPORTERS).items()
        if COMPONENTS[Kind.EXPORTERS][id_.type].admin_at
    }
    if wanted is not None and wanted not in with_store:
        known = ", ".join(with_store) or "none"
        text = f"no pipeline has an exporter {wanted} with a store (there are: {known})"
        raise click.BadParameter(text, param_hint="--exporter")
    if not with_store:
        raise click.ClickException("no pipeline of this configuration has an exporter with a store")
    return {
        name: component.admin(settings) for name, (component, settings) in with_store.items() if wanted in (None, name)
    }


def store_and_exporter(config: Config, wanted: str | None) -> tuple[Any, Any]:
    """What reads the ledger and what writes it, not started."""
    from pathlib import Path

    from spanledger.config import Kind
    from spanledger.config.registry import COMPONENTS
    from spanledger.config.rules import readable_exporters

    readable = {str(id_): id_ for id_ in readable_exporters(config, COMPONENTS)}
    if wanted is None and len(readable) == 1:
        (wanted,) = readable
    if wanted not in readable:
        known = ", ".join(readable) or "none"
        found = "which store?" if wanted is None else f"no pipeline has an exporter {wanted} whose runs can be read"
        raise click.BadParameter(f"{found} (there are: {known})", param_hint="--exporter")
    id_ = readable[wanted]
    component, settings = COMPONENTS[Kind.EXPORTERS][id_.type], config.components[Kind.EXPORTERS][id_]
    folder: str | None = getattr(settings, "embedded_path", None)
    if folder is not None and not Path(folder).exists():
        raise click.ClickException(f"there is no ledger in {folder}")
    return component.store(settings), component.factory(settings)


@contextmanager
def one_process() -> Iterator[None]:
    """Tells what to do about an embedded store that `serve` holds."""
    from spanledger.errors import StoreInUse

    try:
        yield
    except StoreInUse as error:
        text = f"{error}\nStop `spanledger serve` first; with a ClickHouse server both can run."
        raise click.ClickException(text) from error
