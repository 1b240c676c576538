"""The extension `bearertokenauth`: one token, or several, as the Collector's bearertokenauthextension."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final

from spanledger.access.audit import Audit
from spanledger.access.authenticator import Authenticator
from spanledger.access.caller import Caller, Role
from spanledger.access.credentials import AUTHORIZATION, LONGEST
from spanledger.access.keys import KeyRing, digest
from spanledger.access.settings import BearerTokenAuthSettings
from spanledger.clients.auth import Credentials
from spanledger.clients.watched_file import WatchedFile
from spanledger.errors import Unauthenticated

_CHECK_INTERVAL: Final = 10.0


class BearerTokenAuth(Authenticator, Credentials):
    """Lets in whoever holds a token."""

    address: str | None = None
    """It listens nowhere."""

    def __init__(self, settings: BearerTokenAuthSettings, name: str = "bearertokenauth") -> None:
        self._header = settings.header.lower()
        self._scheme = settings.scheme
        self._caller = Caller(settings.project, Role.PRIVATE, name)
        self._audit = Audit(name)
        tokens = [token.get_secret_value() for token in (settings.token, *settings.tokens) if token is not None]
        self._written = settings.header
        self._first = tokens[0] if tokens else ""
        self._ring = self._ring_of(tokens)
        self._file = WatchedFile(settings.filename, self._use_text, _CHECK_INTERVAL) if settings.filename else None

    async def start(self) -> None:
        """Raises `ConfigError` when the file of tokens cannot be used."""
        if self._file is not None:
            await self._file.start()

    def look(self) -> bool:
        """Look at the file now; whether a change was taken over."""
        return self._file is not None and self._file.look()

    async def stop(self) -> None:
        if self._file is not None:
            await self._file.stop()

    @property
    def refused(self) -> int:
        """Requests refused so far."""
        return self._audit.refused

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        given = headers.get(self._header, "").strip()
        if not given or len(given) > LONGEST:
            self._audit.refuse("no token", headers)
            raise Unauthenticated(f"no token: expected {self._header}: {self._scheme} <token>")
        word, _, token = given.partition(" ")
        if self._header != AUTHORIZATION and not token:
            word, token = self._scheme, word  # a header of one's own needs no scheme
        caller = self._ring.find(token.strip()) if word.lower() == self._scheme.lower() else None
        if caller is None:
            self._audit.refuse("unknown token", headers, given)
            raise Unauthenticated("the token is not known")
        return caller

    async def put(self, headers: MutableMapping[str, str], context: str) -> None:
        """For exporters that name this extension: the token, of several the first."""
        headers[self._written] = f"{self._scheme} {self._first}"

    def admit(self, caller: Caller) -> None:
        return

    def charge(self, caller: Caller, items: int, size: int) -> None:
        return

    def _use_text(self, text: str) -> None:
        tokens = [line.strip() for line in text.splitlines() if line.strip()]
        if not tokens:
            raise ValueError("holds no token")
        self._first = tokens[0]
        self._ring = self._ring_of(tokens)

    def _ring_of(self, tokens: Iterable[str]) -> KeyRing:
        return KeyRing((digest(token), self._caller) for token in tokens)
