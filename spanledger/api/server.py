"""The read API: runs, one run, its trace, its scores, totals.

Answers are JSON; an error is `{"error", "message", "details"}`. Nothing of the inside comes out: no SQL, no traceback.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import msgspec
from aiohttp import web

from spanledger._version import __version__
from spanledger.access.authenticator import Authenticator, Everyone
from spanledger.access.caller import Caller
from spanledger.api.parameters import InvalidParameters, filter_parameters, list_parameters, no_parameters
from spanledger.api.settings import ApiSettings
from spanledger.errors import ConfigError, PermissionDenied, StoreError, Unauthenticated
from spanledger.exporters.store import RunStore, Totals
from spanledger.model.records import money
from spanledger.settings import split_endpoint

logger = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_RETRY_AFTER: Final = "1"
_FOR_ALL: Final = frozenset(("/", "/health"))
"""Paths that tell nothing of a project."""
_CALLER: Final = web.RequestKey("caller", Caller)
_ENDPOINTS: Final = {
    "GET /v1/runs": "newest runs first; filters type, model, user, session, status, name, tag, trace, from, to; "
    "paging limit, cursor",
    "GET /v1/runs/usage": "counts, tokens and cost over the same filters",
    "GET /v1/runs/{id}": "one run with its contents",
    "GET /v1/runs/{id}/related": "every run of the same trace",
    "GET /v1/runs/{id}/scores": "scores and feedback of a run",
    "GET /health": "whether the API answers",
}


class ApiServer:
    """Serves a store. The store is started and closed by whoever made it."""

    def __init__(self, settings: ApiSettings, store: RunStore, authenticator: Authenticator | None = None) -> None:
        """`authenticator`: who knows the callers; None lets everyone read the configured project."""
        self.settings = settings
        self._store = store
        self._authenticator = authenticator or Everyone(settings.project)
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

    def application(self) -> web.Application:
        """The routes, for a server of one's own."""
        app = web.Application(middlewares=[_errors_as_json, self._authenticated])
        app.router.add_get("/", self._index)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/runs", self._list)
        app.router.add_get("/v1/runs/usage", self._usage)
        app.router.add_get("/v1/runs/{id}", self._run)
        app.router.add_get("/v1/runs/{id}/related", self._related)
        app.router.add_get("/v1/runs/{id}/scores", self._scores)
        return app

    @web.middleware
    async def _authenticated(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _FOR_ALL:
            caller = self._authenticator.authenticate(request.headers)
            if not isinstance(caller, Caller):
                caller = await caller
            caller.must_read()
            request[_CALLER] = caller
        return await handler(request)

    async def _index(self, request: web.Request) -> web.Response:
        return _json({"name": "spanledger", "version": __version__, "endpoints": _ENDPOINTS})

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _list(self, request: web.Request) -> web.Response:
        asked = list_parameters(request.query, _project(request))
        page = await self._store.list_runs(asked.filter, asked.limit, asked.after)
        return _json({"data": page.runs, "next_cursor": page.next.encode() if page.next else None})

    async def _usage(self, request: web.Request) -> web.Response:
        filter_ = filter_parameters(request.query, _project(request))
        return _json(_totals(await self._store.totals(filter_)))

    async def _run(self, request: web.Request) -> web.Response:
        no_parameters(request.query)
        return _json(await self._find(request))

    async def _related(self, request: web.Request) -> web.Response:
        no_parameters(request.query)
        run = await self._find(request)
        if run["trace_id"] is None:
            return _json({"data": [run]})
        return _json({"data": await self._store.trace(_project(request), run["trace_id"])})

    async def _scores(self, request: web.Request) -> web.Response:
        no_parameters(request.query)
        return _json({"data": await self._store.scores(_project(request), request.match_info["id"])})

    async def _find(self, request: web.Request) -> dict[str, Any]:
        run = await self._store.get_run(_project(request), request.match_info["id"])
        if run is None:
            raise web.HTTPNotFound(reason="no run has this id")
        return run


def _project(request: web.Request) -> str:
    return request[_CALLER].project_id


def _totals(totals: Totals) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(totals)
    return plain | {"cost": None if totals.cost is None else money(totals.cost)}


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
    )


def _error(status: int, error: str, message: str, details: Any = None, **headers: str) -> web.Response:
    body = {"error": error, "message": message, "details": [] if details is None else details}
    return _json(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except InvalidParameters as error:
        return _error(422, "invalid_parameters", str(error), error.details)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return _error(405, "method_not_allowed", f"expected {allowed}", Allow=allowed)
    except web.HTTPNotFound as error:
        known = error.reason if error.reason != "Not Found" else "nothing is served here; GET / lists the endpoints"
        return _error(404, "not_found", known)
    except web.HTTPException as error:
        return _error(error.status, "refused", error.reason)
    except Unauthenticated as error:
        return _error(401, "unauthenticated", str(error), WWW_Authenticate="Bearer")
    except PermissionDenied as error:
        return _error(403, "forbidden", str(error))
    except StoreError as error:
        logger.warning("%s %s: %s", request.method, request.rel_url.path, error)
        return _error(503, "store_unavailable", "the store does not answer now", Retry_After=_RETRY_AFTER)
    except Exception:
        logger.exception("%s %s failed", request.method, request.rel_url.path)
        return _error(500, "internal", "the server made a mistake; its log says more")
