"""The page's files as the API serves them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from spanledger.api.server import ApiServer

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding": "identity"}
FILES = ("app.js", "theme.js", "style.css", "icon.svg")


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{server.address}", auto_decompress=False) as session:
        yield session


async def test_a_browser_gets_the_page_and_everyone_else_the_endpoints(client: aiohttp.ClientSession) -> None:
    async with client.get("/", headers=BROWSER) as page, client.get("/") as listing:
        assert page.content_type == "text/html"
        assert listing.content_type == "application/json"


async def test_no_script_but_the_pages_own_may_run(client: aiohttp.ClientSession) -> None:
    async with client.get("/", headers=BROWSER) as page:
        policy = page.headers["Content-Security-Policy"].split("; ")
        text = (await page.read()).decode()

    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"} <= set(policy)
    assert "<style" not in text
    assert "<script>" not in text
    assert "//" not in text


async def test_everything_that_is_loaded_is_small(client: aiohttp.ClientSession) -> None:
    sizes = []
    for path, headers in [("/", BROWSER), *((f"/page/{name}", {}) for name in FILES)]:
        async with client.get(path, headers={"Accept-Encoding": "identity", **headers}) as answer:
            assert answer.status == 200
            sizes.append(len(await answer.read()))

    assert sum(sizes) < 200_000


async def test_what_did_not_change_is_not_sent_again(client: aiohttp.ClientSession) -> None:
    async with client.get("/page/app.js", headers={"Accept-Encoding": "gzip"}) as first:
        etag = first.headers["ETag"]
        assert first.headers["Content-Encoding"] == "gzip"
    async with client.get("/page/app.js", headers={"If-None-Match": etag}) as second:
        assert (second.status, await second.read()) == (304, b"")


@pytest.mark.parametrize("path", ["/page/nothing.js", "/page/../server.py", "/page/%2e%2e%2fserver.py", "/page/"])
async def test_nothing_else_is_served(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        assert answer.status == 404
