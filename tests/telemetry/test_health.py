from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from spanledger.errors import ConfigError
from spanledger.telemetry.components import State, of_status
from spanledger.telemetry.health import HealthCheck
from spanledger.telemetry.settings import HealthCheckSettings, ResponseBody


@asynccontextmanager
async def running(
    not_ready: Callable[[], str | None], settings: HealthCheckSettings | None = None
) -> AsyncIterator[str]:
    """The URL of a health check."""
    health = HealthCheck(settings or HealthCheckSettings(endpoint="127.0.0.1:0"), not_ready, lambda: {"counts": 3})
    await health.start()
    try:
        yield f"http://{health.address}"
    finally:
        await health.stop()


async def test_ready_is_200_with_the_collectors_body_and_the_status_beside_it() -> None:
    async with running(lambda: None) as url, aiohttp.ClientSession() as session, session.get(url) as response:
        body = await response.json()
    assert response.status == 200
    assert (body["status"], body["counts"]) == ("Server available", 3)
    assert set(body) == {"status", "upSince", "uptime", "counts"}


async def test_not_ready_is_503_with_the_reason() -> None:
    async with (
        running(lambda: "the log is full") as url,
        aiohttp.ClientSession() as session,
        session.get(url) as response,
    ):
        body = await response.json()
    assert (response.status, body["status"], body["reason"]) == (503, "Server not available", "the log is full")


async def test_what_is_not_ready_still_lives() -> None:
    async with (
        running(lambda: "the log is full") as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/livez") as response,
    ):
        assert (response.status, await response.text()) == (200, "alive\n")


async def test_a_path_of_ones_own_may_be_that_of_liveness() -> None:
    settings = HealthCheckSettings(endpoint="127.0.0.1:0", path="/livez")
    async with (
        running(lambda: "stopping", settings) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/livez") as response,
    ):
        assert response.status == 503


@pytest.mark.parametrize(("reason", "status", "text"), [(None, 200, "up"), ("stopping", 503, "down")])
async def test_fixed_bodies_on_a_path_of_ones_own(reason: str | None, status: int, text: str) -> None:
    settings = HealthCheckSettings(
        endpoint="127.0.0.1:0", path="/healthz", response_body=ResponseBody(healthy="up", unhealthy="down")
    )
    async with running(lambda: reason, settings) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/healthz") as response:
            assert (response.status, await response.text()) == (status, text)
        async with session.get(url) as response:
            assert response.status == 404


async def test_an_endpoint_that_is_taken_is_an_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        endpoint = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"cannot listen on {endpoint}: "):
            await HealthCheck(HealthCheckSettings(endpoint=endpoint), lambda: None, dict).start()


AWAY = {"pipeline:traces": {"receiver:otlp": ("StatusOK", None), "exporter:pg": ("StatusRecoverableError", "refused")}}
V2 = {"endpoint": "127.0.0.1:0", "use_v2": True}


@asynccontextmanager
async def second(
    components: Mapping[str, Any], reason: str | None = None, **keys: Any
) -> AsyncIterator[Callable[[str], Awaitable[tuple[int, Any]]]]:
    """Asks a health check of the second version."""
    settings = HealthCheckSettings.model_validate({**V2, **keys})
    health = HealthCheck(settings, lambda: reason, lambda: {"components": components})
    await health.start()
    async with aiohttp.ClientSession() as session:

        async def ask(path: str) -> tuple[int, Any]:
            async with session.get(f"http://{health.address}{path}") as response:
                return response.status, await response.json() if response.status != 404 else None

        yield ask
    await health.stop()


async def test_a_store_that_is_away_makes_degraded_and_not_less_ready() -> None:
    async with second(AWAY) as ask:
        status, body = await ask("/readyz")
    assert (status, body["status"]) == (200, "Server available")
    assert body["degraded"] == {"exporter:pg": "refused"}


async def test_the_state_of_everything_and_of_components() -> None:
    async with second(AWAY) as ask:
        status, body = await ask("/status?verbose")
    assert (status, body["healthy"], body["status"], body["error"]) == (200, True, "StatusRecoverableError", "refused")
    traces = body["components"]["pipeline:traces"]
    assert traces["status"] == "StatusRecoverableError"
    assert traces["components"]["receiver:otlp"]["status"] == "StatusOK"
    assert traces["components"]["exporter:pg"]["error"] == "refused"


async def test_the_state_of_one_pipeline() -> None:
    fine = {**AWAY, "pipeline:logs": {"receiver:otlp": ("StatusOK", None)}}
    async with second(fine) as ask:
        assert (await ask("/status?pipeline=logs"))[1]["status"] == "StatusOK"
        assert (await ask("/status?pipeline=metrics"))[0] == 404


async def test_errors_that_last_make_unhealthy_where_that_is_asked_for() -> None:
    wanted = {"include_recoverable_errors": True, "recovery_duration": "0s"}
    async with second(AWAY, component_health=wanted) as ask:
        assert (await ask("/status"))[0] == 500
    async with second(AWAY, component_health={**wanted, "recovery_duration": "1h"}) as ask:
        assert (await ask("/status"))[0] == 200


@pytest.mark.parametrize(
    ("reason", "state"), [("starting", "StatusStarting"), ("the log is full", "StatusRecoverableError")]
)
async def test_what_accepts_nothing_is_503(reason: str, state: str) -> None:
    async with second({}, reason) as ask:
        status, body = await ask("/status")
    assert (status, body["healthy"], body["status"]) == (503, False, state)


def test_of_several_workers_the_worst_state_is_told() -> None:
    fine = {"pipeline:traces": {"exporter:pg": ["StatusOK", None]}}
    status = {"workers": {"1": {"components": fine}, "2": {"components": AWAY}}}
    assert of_status(status)["pipeline:traces"]["exporter:pg"] == (State.RECOVERABLE, "refused")
