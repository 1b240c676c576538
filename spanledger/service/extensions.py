"""What extensions are given of the stores and of the machine, and how their addresses are told."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from spanledger.access.tally import Tally
from spanledger.config import ComponentId, Config, InvalidConfiguration, Kind, Problem
from spanledger.config.components import Registry
from spanledger.config.rules import listeners, readable_exporters, used
from spanledger.errors import ConfigError
from spanledger.exporters.keys import StoredKey
from spanledger.exporters.store import StoreAdmin
from spanledger.maintenance import Kept
from spanledger.mapping.cost import PriceList
from spanledger.receiver.listen import UNIX
from spanledger.settings import split_endpoint

logger = logging.getLogger(__name__)


def tally(name: str, log: Path | None, worker: int | None) -> Tally | None:
    """Where the processes of this machine count together what projects send: beside the log, where there is one."""
    if log is not None:
        folder = log
    elif worker is not None:
        folder = Path(tempfile.gettempdir()) / f"spanledger-{os.getuid()}-{os.getppid()}"
    else:
        return None
    try:
        return Tally(folder / f"{name.replace('/', '_')}.tally")
    except OSError as error:
        logger.warning("limits of projects are counted by this process alone", extra={"reason": str(error)})
        return None


def keys_of(config: Config, registry: Registry, exporter: ComponentId) -> Callable[[], Awaitable[Sequence[StoredKey]]]:
    """What reads the keys of projects from the store of an exporter."""
    make = partial(registry[Kind.EXPORTERS][exporter.type].admin, config.components[Kind.EXPORTERS][exporter])

    async def fetch() -> Sequence[StoredKey]:
        admin: StoreAdmin = make()
        try:
            await admin.start()
            return await admin.keys()
        finally:
            await admin.close()

    return fetch


def kept_stores(config: Config, registry: Registry) -> tuple[list[Kept], PriceList, int]:
    """What `Maintenance` needs to know."""
    exporters = used(config, Kind.EXPORTERS)
    stores = []
    for id_ in readable_exporters(config, registry):
        component, settings = registry[Kind.EXPORTERS][id_.type], exporters[id_]
        make = (component.store, component.factory, component.admin)
        if component.admin_at:
            stores.append(Kept(str(id_), *(partial(made, settings) for made in make)))
    return stores, config.mapping.price_list(), config.mapping.limits().max_age_ns


async def started(config: Config, kind: Kind, id_: ComponentId, start: Awaitable[None]) -> None:
    """Await a start; a `ConfigError` about an address is told with the key where it stands."""
    try:
        await start
    except InvalidConfiguration:
        raise
    except ConfigError as error:
        text = str(error)
        for path, address in listeners(config):
            spellings = [address]
            if not address.startswith(UNIX):
                host, port = split_endpoint(address)
                spellings.append(f"[{host}]:{port}")
            if path[:2] == (kind, str(id_)) and any(shown in text for shown in spellings):
                message = text[text.index("cannot listen") :] if "cannot listen" in text else text
                expected = "an address of this machine that no other process listens on"
                problem = Problem(path, message, config.origin(*path), address, expected)
                raise InvalidConfiguration([problem]) from error
        raise
