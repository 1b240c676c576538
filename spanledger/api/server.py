"""The API over HTTP: what listens, who may ask, and which handler answers which declared endpoint."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web

from spanledger._version import __version__
from spanledger.access.authenticator import Authenticator, Everyone
from spanledger.access.caller import Caller
from spanledger.api.analytics import Analytics
from spanledger.api.answers import CALLER, Handler, answer, errors_as_json
from spanledger.api.edits import Edits
from spanledger.api.endpoints import ENDPOINTS, Access
from spanledger.api.export import Export
from spanledger.api.ingest import ClientEvents, Ingest
from spanledger.api.lsd import Inferences
from spanledger.api.lsd_feedback import LsdFeedback
from spanledger.api.openapi import document
from spanledger.api.runs import Runs
from spanledger.api.settings import ApiSettings
from spanledger.api.static import StaticPage
from spanledger.api.writers import Writers
from spanledger.errors import ConfigError
from spanledger.exporters.store import RunStore
from spanledger.settings import split_endpoint

logger = logging.getLogger(__name__)

_INDEX: Final = {f"{endpoint.method} {endpoint.path}": endpoint.summary for endpoint in ENDPOINTS}


class ApiServer:
    """Serves a store. The store is started and closed by whoever made it."""

    def __init__(
        self,
        settings: ApiSettings,
        store: RunStore,
        authenticator: Authenticator | None = None,
        events: ClientEvents | None = None,
        writers: Writers | None = None,
    ) -> None:
        """`authenticator`: who knows the callers; None lets everyone read the configured project. `events` takes what
        clients tell, `writers` change what is stored; without them the API only reads."""
        self.settings = settings
        self._store = store
        self._authenticator = authenticator or Everyone(settings.project)
        self._ingest = Ingest(events, self._authenticator)
        self._edits = Edits(store, writers)
        self._page = StaticPage()
        self._runner: web.AppRunner | None = None
        self.address = settings.endpoint
        """`host:port` where it listens; after `start`, with the port that was taken for port 0."""

    async def start(self, *, reuse_port: bool = False) -> None:
        """Begin to listen; `reuse_port`: together with other processes. Raises `ConfigError` when the endpoint cannot
        be had."""
        runner = web.AppRunner(self.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        host, port = split_endpoint(self.settings.endpoint)
        try:
            await web.TCPSite(runner, host or None, port, reuse_port=reuse_port or None).start()
        except OSError as error:
            await runner.cleanup()
            raise ConfigError(f"api: cannot listen on {self.settings.endpoint}: {error.strerror or error}") from None
        self._runner = runner
        taken = runner.addresses[0][1]
        self.address = f"[{host}]:{taken}" if ":" in host else f"{host}:{taken}"
        reachable = host not in ("localhost", "::1") and not host.startswith("127.")
        if reachable and isinstance(self._authenticator, Everyone):
            logger.warning("the API on %s has no keys: everyone who reaches it can read every run", self.address)

    async def stop(self) -> None:
        """Stop listening."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        await self._edits.close()

    def application(self) -> web.Application:
        """The routes, for a server of one's own."""
        app = web.Application(middlewares=[errors_as_json], client_max_size=self.settings.max_request_body_size)
        app.router.add_get("/", self._index)
        self._page.add_to(app)
        handlers = self._handlers()
        for endpoint in ENDPOINTS:
            handler = self._allowed(handlers[endpoint.handler], endpoint.access)
            if endpoint.method == "GET":
                app.router.add_get(endpoint.path, handler)
            else:
                app.router.add_route(endpoint.method, endpoint.path, handler)
        return app

    def _handlers(self) -> dict[str, Handler]:
        groups = {
            "runs": Runs(self._store, self.settings.shape),
            "analytics": Analytics(self._store),
            "export": Export(self._store, self.settings.shape),
            "inferences": Inferences(self._store),
            "lsd": LsdFeedback(self._store, self._ingest),
            "ingest": self._ingest,
            "edits": self._edits,
        }
        found: dict[str, Handler] = {"openapi": self._openapi, "health": self._health, "version": self._version}
        for endpoint in ENDPOINTS:
            group, _, name = endpoint.handler.partition(".")
            if name:
                found[endpoint.handler] = getattr(groups[group], name)
        return found

    def _allowed(self, handler: Handler, access: Access) -> Handler:
        """The handler behind a check of the caller's key, which comes before the body is read."""
        if access is Access.NONE:
            return handler

        async def checked(request: web.Request) -> web.StreamResponse:
            caller = self._authenticator.authenticate(request.headers)
            if not isinstance(caller, Caller):
                caller = await caller
            if access is Access.PRIVATE:
                caller.must_read()
            request[CALLER] = caller
            return await handler(request)

        return checked

    async def _index(self, request: web.Request) -> web.Response:
        """The page for browsers, a list of what there is for everyone else."""
        if "text/html" in request.headers.get("Accept", ""):
            return self._page.index(request)
        return answer({"name": "spanledger", "version": __version__, "endpoints": _INDEX})

    async def _openapi(self, request: web.Request) -> web.Response:
        return answer(document())

    async def _health(self, request: web.Request) -> web.Response:
        return answer({"status": "ok"})

    async def _version(self, request: web.Request) -> web.Response:
        return answer({"version": __version__})
