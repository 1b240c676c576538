"""The Collector's bearertokenauth and basicauth."""

from __future__ import annotations

import base64
from pathlib import Path

import bcrypt
import pytest

from spanledger.access.basic import BasicAuth
from spanledger.access.bearer import BearerTokenAuth
from spanledger.access.caller import Caller
from spanledger.access.settings import BasicAuthSettings, BearerTokenAuthSettings
from spanledger.clients.auth import Credentials
from spanledger.errors import ConfigError, Unauthenticated


def bearer(**settings: object) -> BearerTokenAuth:
    return BearerTokenAuth(BearerTokenAuthSettings.model_validate(settings))


def basic(lines: str, **settings: object) -> BasicAuth:
    return BasicAuth(BasicAuthSettings.model_validate({"htpasswd": {"inline": lines}, **settings}))


def credentials(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def settled(extension: BasicAuth, headers: dict[str, str]) -> Caller:
    caller = extension.authenticate(headers)
    return caller if isinstance(caller, Caller) else await caller


async def put(extension: Credentials) -> dict[str, str]:
    headers: dict[str, str] = {}
    await extension.put(headers, "")
    return headers


class TestBearer:
    async def test_the_token_lets_in(self) -> None:
        caller = bearer(token="t-1", project="shop").authenticate({"authorization": "Bearer t-1"})
        assert caller.project_id == "shop"

    @pytest.mark.parametrize("value", ["Bearer t-2", "Basic t-1", "t-1", "Bearer", ""])
    async def test_anything_else_does_not(self, value: str) -> None:
        with pytest.raises(Unauthenticated):
            bearer(token="t-1").authenticate({"authorization": value})

    async def test_scheme_and_header_are_configurable(self) -> None:
        extension = bearer(tokens=["t-1", "t-2"], scheme="Token", header="X-Auth")
        assert (extension.authenticate({"x-auth": "Token t-2"})).project_id == "default"
        assert (extension.authenticate({"x-auth": "t-1"})).project_id == "default"

    async def test_tokens_come_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "tokens"
        path.write_text("t-1\n\nt-2\n")
        extension = bearer(filename=path)
        await extension.start()
        try:
            assert (extension.authenticate({"authorization": "Bearer t-2"})).project_id == "default"
        finally:
            await extension.stop()

    async def test_an_empty_file_lets_nobody_start(self, tmp_path: Path) -> None:
        path = tmp_path / "tokens"
        path.write_text("\n")
        with pytest.raises(ConfigError, match="holds no token"):
            await bearer(filename=path).start()


class TestBasic:
    @pytest.mark.parametrize(
        "stored",
        [
            bcrypt.hashpw(b"open sesame", bcrypt.gensalt(4)).decode(),
            "{SHA}W8r/fyL/UzygmbNAjq2HbA67qac=",
            "open sesame",
        ],
        ids=["bcrypt", "SHA", "plain"],
    )
    async def test_the_forms_of_htpasswd(self, stored: str) -> None:
        extension = basic(f"# people\nali:{stored}\n", project="cave")
        for _ in range(2):  # the second time it is remembered
            caller = await settled(extension, credentials("ali", "open sesame"))
            assert (caller.project_id, caller.name) == ("cave", "ali")
        for wrong in (credentials("ali", "open"), credentials("kasim", "open sesame"), {}):
            with pytest.raises(Unauthenticated):
                await settled(extension, wrong)
        await extension.stop()

    @pytest.mark.parametrize("line", ["ali", ":x", "ali:", "ali:$apr1$salt$hash", ""])
    def test_a_line_that_nobody_could_use_is_an_error(self, line: str) -> None:
        with pytest.raises(ValueError, match=r"line 1|no user") as raised:
            basic(line)
        assert "hash" not in str(raised.value)

    async def test_a_changed_file_forgets_passwords_that_were_right(self, tmp_path: Path) -> None:
        path = tmp_path / "htpasswd"
        path.write_text("ali:first word\n")
        extension = BasicAuth(BasicAuthSettings.model_validate({"htpasswd": {"file": path}}))
        await extension.start()
        try:
            assert (await settled(extension, credentials("ali", "first word"))).project_id == "default"
            path.write_text("ali:second word\n")
            assert extension.look()
            with pytest.raises(Unauthenticated):
                await settled(extension, credentials("ali", "first word"))
        finally:
            await extension.stop()


class TestLending:
    async def test_a_token_with_its_header_and_scheme(self) -> None:
        assert await put(bearer(token="t-1")) == {"Authorization": "Bearer t-1"}
        assert await put(bearer(token="t-1", header="X-Auth", scheme="Token")) == {"X-Auth": "Token t-1"}

    async def test_user_and_password_from_files(self, tmp_path: Path) -> None:
        for name in ("user", "password"):
            (tmp_path / name).write_text(f"my-{name}\n")
        client = {"username_file": tmp_path / "user", "password_file": tmp_path / "password"}
        extension = BasicAuth(BasicAuthSettings.model_validate({"client_auth": client}))
        await extension.start()
        try:
            assert (await put(extension))["Authorization"] == credentials("my-user", "my-password")["authorization"]
        finally:
            await extension.stop()

    async def test_what_exporters_send_lets_nobody_in(self) -> None:
        settings = {"client_auth": {"username": "a", "password": "b"}}
        extension = BasicAuth(BasicAuthSettings.model_validate(settings))
        with pytest.raises(Unauthenticated):
            await settled(extension, credentials("a", "b"))
        await extension.stop()

    @pytest.mark.parametrize("given", [{}, {"client_auth": {"username": "a"}}, {"client_auth": {"password": "b"}}])
    def test_half_of_a_pair_is_refused(self, given: dict[str, object]) -> None:
        with pytest.raises(ValueError, match="expected"):
            BasicAuthSettings.model_validate(given)
