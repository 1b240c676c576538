"""Extension `health_check`: is this process able to accept data?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web

from spanledger.errors import ConfigError
from spanledger.settings import format_duration, split_endpoint
from spanledger.telemetry.settings import HealthCheckSettings

_LIVE: Final = "/livez"


class HealthCheck:
    """Answers GET on its path: 200 when ready, else 503, with the Collector's JSON and the pipeline's status beside it.
    On /livez it answers 200 as long as the process runs: whoever restarts what does not live must not do so because the
    log is full.

    `not_ready` gives the reason why nothing can be accepted, None when all is well. `status` gives the details.
    """

    def __init__(
        self,
        settings: HealthCheckSettings,
        not_ready: Callable[[], str | None],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._settings = settings
        self._not_ready = not_ready
        self._status = status
        self._up_since = 0.0
        self._started = 0.0
        self._runner: web.AppRunner | None = None
        self.address = settings.endpoint
        """Where it listens; after `start`, with the port that was taken for port 0."""

    async def start(self) -> None:
        """Begin to listen. Raises `ConfigError` when the endpoint cannot be had."""
        app = web.Application()
        app.router.add_get(self._settings.path, self._answer)
        if self._settings.path != _LIVE:
            app.router.add_get(_LIVE, self._live)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        host, port = split_endpoint(self._settings.endpoint)
        try:
            await web.TCPSite(runner, host or None, port).start()
        except OSError as error:
            await runner.cleanup()
            reason = error.strerror or str(error)
            raise ConfigError(f"endpoint: cannot listen on {self._settings.endpoint}: {reason}") from None
        self._runner = runner
        self._up_since, self._started = time.time(), time.monotonic()
        taken = runner.addresses[0][1]
        self.address = f"[{host}]:{taken}" if ":" in host else f"{host}:{taken}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _live(self, request: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _answer(self, request: web.Request) -> web.Response:
        reason = self._not_ready()
        bodies = self._settings.response_body
        fixed = (bodies.healthy if reason is None else bodies.unhealthy) if bodies else None
        status = 200 if reason is None else 503
        if fixed is not None:
            return web.Response(text=fixed, status=status)
        body: dict[str, Any] = {
            "status": "Server available" if reason is None else "Server not available",
            "upSince": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._up_since)),
            "uptime": format_duration(round(time.monotonic() - self._started, 3)),
        }
        if reason is not None:
            body["reason"] = reason
        return web.json_response({**body, **self._status()}, status=status)
