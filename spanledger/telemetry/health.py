"""Extension `health_check`: is this process able to accept data?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from spanledger.settings import format_duration
from spanledger.telemetry.components import Components, State, degraded, members, of_status, worst
from spanledger.telemetry.page_server import Answer, PageServer
from spanledger.telemetry.settings import HealthCheckSettings

_LIVE: Final = "/livez"
_READY: Final = "/readyz"
_STATES: Final = {"starting": State.STARTING, "stopping": State.STOPPING}
"""Reasons why nothing can be accepted that are no trouble."""


class HealthCheck(PageServer):
    """Answers GET on its path, and on /readyz: 200 when ready, else 503, with the Collector's JSON and the pipeline's
    status beside it. On /livez it answers 200 as long as the process runs: whoever restarts what does not live must not
    do so because the log is full, or a store is away. The latter does not even make it less ready, and is told as
    `degraded`.

    `not_ready` gives the reason why nothing can be accepted, None when all is well. `status` gives the details, the
    state of each component among them.
    """

    def __init__(
        self,
        settings: HealthCheckSettings,
        not_ready: Callable[[], str | None],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        endpoint = (settings.http.endpoint if settings.use_v2 else None) or settings.endpoint
        super().__init__(endpoint, f"endpoint: cannot listen on {endpoint}")
        self._settings = settings
        self._not_ready = not_ready
        self._status = status
        self._up_since = 0.0
        self._started = 0.0
        self._since: dict[str, tuple[str, float]] = {}
        """Component, pipeline or everything → its state, and since when (Unix time) it was seen to be that."""

    async def start(self) -> None:
        """Begin to listen. Raises `ConfigError` when the endpoint cannot be had."""
        answers: dict[str, Answer] = {_LIVE: self._live, _READY: self._answer}
        if self._settings.use_v2 and self._settings.http.status.enabled:
            answers[self._settings.http.status.path] = self._state
        answers[self._settings.path] = self._answer
        await self.listen(answers)
        self._up_since, self._started = time.time(), time.monotonic()

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
        told = dict(self._status())
        if trouble := degraded(of_status(told)):
            body["degraded"] = trouble
        told.pop("components", None)
        return web.json_response({**body, **told}, status=status)

    # The second version (contrib extension/healthcheckv2extension).

    async def _state(self, request: web.Request) -> web.Response:
        components = of_status(self._status())
        pipeline = request.query.get("pipeline")
        if pipeline is None:
            reason = self._not_ready()
            own = [] if reason is None else [(_STATES.get(reason, State.RECOVERABLE), reason)]
            status, body = self._told("", [*own, *members(components)], refuses=reason is not None)
            groups: Components = components
        else:
            name = f"pipeline:{pipeline}"
            if name not in components:
                return web.Response(status=404)
            status, body = self._told(name, components[name].values())
            groups = {name: components[name]}
        if "verbose" in request.query and request.query["verbose"] != "false":
            parts = {}
            for name, held in groups.items():
                parts[name] = self._told(name, held.values())[1]
                parts[name]["components"] = {one: self._told(f"{name}/{one}", [held[one]])[1] for one in held}
            body["components"] = parts if pipeline is None else parts[f"pipeline:{pipeline}"]["components"]
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._up_since))
        return web.json_response({"start_time": started, **body}, status=status)

    def _told(
        self, name: str, states: Iterable[tuple[str, str | None]], *, refuses: bool = False
    ) -> tuple[int, dict[str, Any]]:
        """(HTTP status, body) of a group of components."""
        state, reason = worst(states)
        now = time.time()
        before, since = self._since.get(name, ("", now))
        if before != state:
            since = now
            self._since[name] = (state, now)
        health = self._settings.component_health
        lasting = state is State.RECOVERABLE and now - since >= health.recovery_duration
        unhealthy = health.include_recoverable_errors and lasting
        status = 503 if refuses or state in (State.STARTING, State.STOPPING) else 500 if unhealthy else 200
        body: dict[str, Any] = {"healthy": status == 200, "status": state}
        if reason is not None:
            body["error"] = reason
        body["status_time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
        return status, body
