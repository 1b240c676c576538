"""Servers of the API: each reads a store with connections of its own, and listens once the store has answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from spanledger.api.writers import Writers
from spanledger.config import ComponentId, Config, Kind
from spanledger.config.components import Registry
from spanledger.config.rules import store_of_api
from spanledger.errors import SpanledgerError, StoreUnavailable
from spanledger.exporters.store import RunStore
from spanledger.model.received import Intake
from spanledger.receiver.client_events import ClientEvents
from spanledger.service.extensions import started

logger = logging.getLogger(__name__)

_STORE_RETRY: Final = 2.0
"""Seconds between two attempts to reach the store that the API reads."""


class ApiServers:
    """Starts them, also later, and closes what they read. They themselves are stopped as extensions are."""

    def __init__(
        self, config: Config, registry: Registry, add: Callable[[ComponentId, Any], None], *, reuse_port: bool
    ) -> None:
        """`add` is given each server that listens. With `reuse_port` every worker serves the API: it reads the store,
        which is the same for all."""
        self._config = config
        self._registry = registry
        self._add = add
        self._reuse_port = reuse_port
        self._stores: list[RunStore] = []
        self._waiting: set[asyncio.Task[None]] = set()
        self._events: list[ClientEvents] = []

    async def start(self, id_: ComponentId, settings: Any, known: Any, intake: Intake) -> None:
        """Start one, now or when its store is there. `known`: the authenticator; `intake`: for what clients send.
        Raises `InvalidConfiguration` for an address that cannot be had."""
        source = store_of_api(self._config, self._registry, settings)
        component = self._registry[Kind.EXPORTERS][source.type]
        of_exporter = self._config.components[Kind.EXPORTERS][source]
        store: RunStore = component.store(of_exporter)
        writers = None
        if component.admin_at:
            writers = Writers(partial(component.factory, of_exporter), partial(component.admin, of_exporter))
        events = ClientEvents(intake)
        self._events.append(events)
        server = self._registry[Kind.EXTENSIONS][id_.type].factory(settings, store, known, events, writers)
        try:
            await store.start()
        except StoreUnavailable as error:
            logger.warning("the API waits for its store", extra={"exporter": str(source), "reason": str(error)})
            task = asyncio.create_task(self._start_later(id_, server, store))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
            return
        await self._listen(id_, server, store)

    async def give_up(self) -> None:
        """Wait for no store any more, and take nothing from clients."""
        for events in self._events:
            events.close()
        self._events = []
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def close_stores(self) -> None:
        """When the servers are stopped."""
        for store in self._stores:
            await store.close()
        self._stores = []

    async def _start_later(self, id_: ComponentId, server: Any, store: RunStore) -> None:
        while True:
            await asyncio.sleep(_STORE_RETRY)
            try:
                await store.start()
                await self._listen(id_, server, store)
            except StoreUnavailable:
                continue
            except SpanledgerError as error:
                logger.error("the API cannot start", extra={"reason": str(error)})
                return
            logger.info("the API listens", extra={"address": server.address})
            return

    async def _listen(self, id_: ComponentId, server: Any, store: RunStore) -> None:
        self._stores.append(store)
        start = server.start(reuse_port=self._reuse_port)
        await started(self._config, Kind.EXTENSIONS, id_, start)
        self._add(id_, server)
