"""The extension `oauth2client` against a token server."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from spanledger.clients.oauth2 import OAuth2Client, OAuth2ClientSettings
from spanledger.errors import ConfigError, CredentialsUnavailable
from tests.clients.token_server import serving
from tests.receiver.certificates import Authority


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def client(token_url: str, clock: Clock | None = None, **keys: Any) -> OAuth2Client:
    given = {"client_id": "shop", "client_secret": "s3cr:t", "token_url": token_url, **keys}
    settings = OAuth2ClientSettings.model_validate({key: value for key, value in given.items() if value is not None})
    return OAuth2Client(settings, "oauth2client", clock or Clock())


async def sent(extension: OAuth2Client) -> str:
    headers: dict[str, str] = {}
    await extension.put(headers, "")
    return headers["Authorization"]


async def test_a_token_is_fetched_once_and_kept() -> None:
    async with serving() as tokens:
        extension = client(tokens.url, scopes=["traces.write", "logs.write"], endpoint_params={"audience": "ledger"})
        found = await asyncio.gather(*(sent(extension) for _ in range(5)))
    assert found == ["Bearer token-1"] * 5
    expected = {"grant_type": ["client_credentials"], "scope": ["traces.write logs.write"], "audience": ["ledger"]}
    assert tokens.asked == [expected]


async def test_client_and_secret_go_into_the_body_where_the_server_wants_them_there() -> None:
    async with serving() as tokens:
        tokens.in_body = True
        clock = Clock()
        extension = client(tokens.url, clock)
        assert await sent(extension) == "Bearer token-1"
        clock.now += 3600
        assert await sent(extension) == "Bearer token-2"
    # Once it is known what the server takes, the other way is not tried again.
    assert [
        (header is None, form.get("client_id")) for header, form in zip(tokens.headers, tokens.asked, strict=True)
    ] == [(False, None), (True, ["shop"]), (True, ["shop"])]


async def test_a_token_is_renewed_before_its_end() -> None:
    async with serving() as tokens:
        clock = Clock()
        extension = client(tokens.url, clock, expiry_buffer="10m")
        assert await sent(extension) == "Bearer token-1"
        clock.now += 2999
        assert await sent(extension) == "Bearer token-1"
        clock.now += 1
        assert await sent(extension) == "Bearer token-2"


async def test_a_short_token_is_used_for_half_of_its_life() -> None:
    async with serving() as tokens:
        tokens.expires_in = "60"
        clock = Clock()
        extension = client(tokens.url, clock)
        clock.now += 29
        assert [await sent(extension), await sent(extension)] == ["Bearer token-1", "Bearer token-1"]
        clock.now += 31
        assert await sent(extension) == "Bearer token-2"


async def test_the_old_token_goes_on_while_no_new_one_can_be_had() -> None:
    async with serving() as tokens:
        clock = Clock()
        extension = client(tokens.url, clock)
        assert await sent(extension) == "Bearer token-1"
        tokens.answer = lambda: web.Response(status=503)
        clock.now += 3500
        assert [await sent(extension), await sent(extension)] == ["Bearer token-1", "Bearer token-1"]
        assert len(tokens.asked) == 2, "the server is not asked again for a while"
        clock.now += 100
        with pytest.raises(CredentialsUnavailable, match="HTTP 503"):
            await sent(extension)
        tokens.answer = None
        assert await sent(extension) == "Bearer token-2"


async def test_a_token_that_was_turned_down_is_replaced_but_not_all_the_time() -> None:
    async with serving() as tokens:
        clock = Clock()
        extension = client(tokens.url, clock)
        assert await sent(extension) == "Bearer token-1"
        extension.turned_down()
        assert await sent(extension) == "Bearer token-2"
        extension.turned_down()
        assert await sent(extension) == "Bearer token-2"
        clock.now += 10
        extension.turned_down()
        assert await sent(extension) == "Bearer token-3"


async def test_client_and_secret_are_read_for_every_token(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("shop\n")
    (tmp_path / "secret").write_text("old\n")
    files: dict[str, Any] = {"client_id_file": tmp_path / "id", "client_secret_file": tmp_path / "secret"}
    async with serving() as tokens:
        extension = client(tokens.url, client_id="another", **files)
        await extension.start()
        with pytest.raises(CredentialsUnavailable, match="HTTP 401 invalid_client"):
            await sent(extension)
        (tmp_path / "secret").write_text("s3cr:t\n")
        assert await sent(extension) == "Bearer token-1"


async def test_a_file_that_is_missing_is_told_at_the_start(tmp_path: Path) -> None:
    extension = client("http://127.0.0.1:1/token", client_secret=None, client_secret_file=tmp_path / "none")
    with pytest.raises(ConfigError, match="none: No such file or directory"):
        await extension.start()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: web.Response(status=500, text="s3cr:t"), "HTTP 500"),
        (lambda: web.json_response({"error": "s3cr:t"}, status=400), "HTTP 400"),
        (lambda: web.json_response({"token_type": "bearer"}), "the answer holds no access_token"),
        (lambda: web.Response(text="<html>s3cr:t</html>"), "the answer holds no access_token"),
        (lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "HTTP 302"),
    ],
)
async def test_what_is_no_token_is_told_without_the_secret(answer: Callable[[], web.Response], reason: str) -> None:
    async with serving() as tokens:
        tokens.answer = answer
        with pytest.raises(CredentialsUnavailable) as refused:
            await sent(client(tokens.url))
    assert str(refused.value) == f"oauth2client: no token from {tokens.url}: {reason}"


async def test_a_server_that_is_away_or_slow_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(CredentialsUnavailable, match="ClientConnectorError"):
        await sent(client("http://127.0.0.1:1/token"))
    never = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(CredentialsUnavailable, match="TimeoutError"):
        await sent(client(f"http://127.0.0.1:{port}/token", timeout="50ms"))
    never.set()
    server.close()
    await server.wait_closed()
    assert "s3cr" not in caplog.text


async def test_tokens_come_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.issue()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own["cert_file"], own["key_file"])
    async with serving(context) as tokens:
        with pytest.raises(CredentialsUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await sent(client(tokens.url))
        assert await sent(client(tokens.url, tls={"ca_file": str(authority.file)})) == "Bearer token-1"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"client_id": None}, "expected client_id or client_id_file"),
        ({"client_secret": None}, "expected client_secret or client_secret_file"),
        ({"token_url": "example.com/token"}, "expected an address such as"),
        ({"token_url": "https://shop:s3cret@127.0.0.1/token"}, "expected no user or password in the address"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "Input should be 'client_credentials'"),
    ],
)
def test_mistakes(keys: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        client(**{"token_url": "http://127.0.0.1:1/token", **keys})
