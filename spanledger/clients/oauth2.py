"""The extension `oauth2client`: tokens for exporters by OAuth 2.0's client credentials (RFC 6749, section 4.4). Its
keys are those of the Collector's oauth2clientauthextension."""

from __future__ import annotations

import asyncio
import base64
import math
import re
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote_plus, urlsplit

import aiohttp
import msgspec
from pydantic import BeforeValidator, Field, field_validator, model_validator

from spanledger.clients.auth import Credentials
from spanledger.clients.tls import ClientTlsSettings
from spanledger.errors import ConfigError, CredentialsUnavailable
from spanledger.settings import Duration, Secret, Settings

_ANSWER_AT_MOST: Final = 64 * 1024
_RETRY_INTERVAL: Final = 10.0
"""Seconds between two attempts to renew a token that is still good, and between two tokens that were turned down."""
_TYPES: Final = {"bearer": "Bearer", "mac": "MAC", "basic": "Basic"}
_ERROR: Final = re.compile(r"[a-z_]{1,64}")
"""Of section 5.2; the description beside it is the server's own text and may say anything."""


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class OAuth2ClientSettings(Settings):
    """Extension `oauth2client`: tokens for exporters, fetched with the credentials of a client (OAuth 2.0)."""

    client_id: str | None = None
    """The client."""
    client_id_file: Path | None = None
    """File that holds it; wins, and is read for every new token."""
    client_secret: Secret | None = None
    """Its secret."""
    client_secret_file: Path | None = None
    """File that holds it; wins, and is read for every new token."""
    token_url: str = Field(min_length=1)
    """Where tokens are issued."""
    scopes: tuple[str, ...] = ()
    """What the token is to be good for."""
    endpoint_params: dict[str, Annotated[tuple[Secret, ...], BeforeValidator(_several)]] = Field(default_factory=dict)
    """Further parameters of the request, such as `audience`; each is one value or a list."""
    grant_type: Literal["client_credentials"] = "client_credentials"
    """How tokens are asked for; signed assertions (`jwt-bearer`) are not there."""
    tls: ClientTlsSettings = ClientTlsSettings()
    """For an https `token_url`."""
    timeout: Annotated[Duration, Field(ge=0)] = 10.0
    """For one request. 0 = no limit."""
    expiry_buffer: Annotated[Duration, Field(ge=0)] = 300.0
    """How long before its end a token is renewed; at most half of its life."""

    @field_validator("token_url")
    @classmethod
    def _address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected an address such as https://127.0.0.1:8443/oauth2/token")
        if parts.username is not None or parts.password is not None:
            raise ValueError("expected no user or password in the address; client_id and client_secret have place")
        return url

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.client_id and self.client_id_file is None:
            raise ValueError("expected client_id or client_id_file")
        if self.client_secret is None and self.client_secret_file is None:
            raise ValueError("expected client_secret or client_secret_file")
        return self


class _Granted(msgspec.Struct):
    """An answer of the token endpoint, sections 5.1 and 5.2."""

    access_token: str = ""
    token_type: str = ""
    expires_in: int | float | str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    renew_at: float
    """Monotonic seconds, as `ends_at`."""
    ends_at: float


class OAuth2Client(Credentials):
    """One token at a time, for all exporters that name the extension."""

    address: str | None = None
    """It listens nowhere."""

    def __init__(
        self,
        settings: OAuth2ClientSettings,
        name: str = "oauth2client",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._settings = settings
        self._name = name
        self._token: _Token | None = None
        self._fetching = asyncio.Lock()
        self._try_again_at = self._ask_again_at = -math.inf
        self._in_body: bool | None = None
        """Whether client and secret go in the body: some servers take them in the header alone, others only there."""

    async def start(self) -> None:
        """Raises `ConfigError` when a file cannot be used. Whether the server answers is seen when there is something
        to send."""
        self._settings.tls.context()
        await asyncio.to_thread(self._pair)

    async def stop(self) -> None:
        return

    async def put(self, headers: MutableMapping[str, str], context: str) -> None:
        """Raises `CredentialsUnavailable` when there is no token and none can be fetched."""
        token = self._token
        if token is None or self._monotonic() >= max(token.renew_at, min(self._try_again_at, token.ends_at)):
            token = await self._fetched(token)
        headers["Authorization"] = token.header

    def turned_down(self) -> None:
        """A token may be taken back before its end."""
        now = self._monotonic()
        if now >= self._ask_again_at:
            self._ask_again_at = now + _RETRY_INTERVAL
            self._token = None

    async def _fetched(self, seen: _Token | None) -> _Token:
        async with self._fetching:
            if self._token is not None and self._token is not seen:
                return self._token  # fetched for somebody else meanwhile
            try:
                self._token = await self._fetch()
            except CredentialsUnavailable:
                now = self._monotonic()
                self._try_again_at = now + _RETRY_INTERVAL
                if self._token is None or now >= self._token.ends_at:
                    raise
            return self._token

    async def _fetch(self) -> _Token:
        began = self._monotonic()
        try:
            pair = await asyncio.to_thread(self._pair)
            status, answer = await self._ask(*pair, in_body=bool(self._in_body))
            if self._in_body is None and status in (400, 401):
                self._in_body = True
                status, answer = await self._ask(*pair, in_body=True)
                if status != 200:
                    self._in_body = None
        except (aiohttp.ClientError, TimeoutError, OSError, ConfigError) as error:
            raise self._unavailable(f"{type(error).__name__}: {error}".removesuffix(": ")) from None
        if status != 200:
            raise self._unavailable(f"HTTP {status} {answer.error}".rstrip())
        if not answer.access_token:
            raise self._unavailable(answer.error or "the answer holds no access_token")
        if self._in_body is None:
            self._in_body = False
        lifetime = _seconds(answer.expires_in)
        kind = _TYPES.get(answer.token_type.lower(), answer.token_type) or "Bearer"
        renew = lifetime - min(self._settings.expiry_buffer, lifetime / 2) if math.isfinite(lifetime) else math.inf
        return _Token(f"{kind} {answer.access_token}", began + renew, began + lifetime)

    async def _ask(self, client_id: str, secret: str, *, in_body: bool) -> tuple[int, _Granted]:
        settings = self._settings
        form: list[tuple[str, str]] = [("grant_type", settings.grant_type)]
        if settings.scopes:
            form.append(("scope", " ".join(settings.scopes)))
        for name, values in settings.endpoint_params.items():
            form += [(name, value.get_secret_value()) for value in values]
        headers = {"Accept": "application/json"}
        if in_body:
            form += [("client_id", client_id), ("client_secret", secret)]
        else:
            # Section 2.3.1 has both encoded as in a form first.
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        secure = settings.token_url.startswith("https:")
        connector = aiohttp.TCPConnector(ssl=settings.tls.context() if secure else True)
        timeout = aiohttp.ClientTimeout(total=settings.timeout or None)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True) as session,
            session.post(
                settings.token_url,
                data=form,
                headers=headers,
                allow_redirects=False,  # a secret goes where the configuration says and nowhere else
                server_hostname=settings.tls.server_name_override if secure else None,
            ) as response,
        ):
            return response.status, _read(await response.content.read(_ANSWER_AT_MOST))

    def _pair(self) -> tuple[str, str]:
        """Client and secret as they are now. Raises `ConfigError`."""
        settings = self._settings
        given = settings.client_secret.get_secret_value() if settings.client_secret is not None else ""
        secret = _current(settings.client_secret_file, given)
        return _current(settings.client_id_file, settings.client_id or ""), secret

    def _unavailable(self, reason: str) -> CredentialsUnavailable:
        return CredentialsUnavailable(f"{self._name}: no token from {self._settings.token_url}: {reason}")


def _current(file: Path | None, given: str) -> str:
    if file is None:
        return given
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ConfigError(f"{file}: {reason}") from None


def _read(body: bytes) -> _Granted:
    try:
        granted = msgspec.json.decode(body, type=_Granted)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Granted()
    if not _ERROR.fullmatch(granted.error):
        granted.error = ""
    return granted


def _seconds(expires_in: Any) -> float:
    """How long a token is good; for ever where the server does not say."""
    try:
        seconds = float(expires_in)
    except (TypeError, ValueError):
        return math.inf
    return seconds if seconds > 0 else math.inf
