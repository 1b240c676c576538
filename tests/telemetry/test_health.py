from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from spanledger.errors import ConfigError
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
