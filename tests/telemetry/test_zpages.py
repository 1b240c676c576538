from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from spanledger.telemetry.zpages import Layout, Zpages, ZpagesSettings

LAYOUT = Layout({"traces": (["otlp"], ["filter/<b>"], ["pg", "forward"])}, ["health_check"])
STATUS: dict[str, Any] = {
    "pipeline": {"accepted_requests": 3},
    "components": {
        "pipeline:traces": {
            "receiver:otlp": ("StatusOK", None),
            "exporter:pg": ("StatusRecoverableError", "the <store> is away"),
            "connector:forward": ("StatusOK", None),
        },
        "extensions": {"extension:health_check": ("StatusOK", None)},
    },
}


@pytest.fixture
async def url() -> AsyncIterator[str]:
    settings = ZpagesSettings.model_validate({"endpoint": "127.0.0.1:0", "expvar": {"enabled": True}})
    pages = Zpages(settings, LAYOUT, lambda: None, lambda: STATUS)
    await pages.start()
    yield f"http://{pages.address}/debug"
    await pages.stop()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("servicez", ["spanledger", "Uptime", "StatusRecoverableError: the &lt;store&gt; is away"]),
        ("pipelinez", ["filter/&lt;b&gt;", "<td>pg</td><td>StatusRecoverableError</td>", "<td>forward</td>"]),
        ("extensionz", ["<td>health_check</td><td>StatusOK</td>"]),
        ("featurez", ["There are none."]),
        ("expvarz", ['"accepted_requests": 3']),
    ],
)
async def test_each_page(url: str, page: str, texts: list[str]) -> None:
    status, body = await get(f"{url}/{page}")
    assert status == 200
    assert [text for text in texts if text not in body] == []


async def test_traces_of_its_own_there_are_none(url: str) -> None:
    assert (await get(f"{url}/tracez"))[0] == 501
