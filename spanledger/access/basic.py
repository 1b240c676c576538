"""The extension `basicauth`: users and passwords of an htpasswd file (the Collector's basicauthextension).

bcrypt is slow on purpose. A pair that was right once is remembered by a keyed digest, so that it costs a microsecond
from then on; wrong ones are checked one after the other beside the event loop and never hold up other senders.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from spanledger.access.audit import Audit
from spanledger.access.authenticator import Authenticator
from spanledger.access.caller import Caller, Role
from spanledger.access.credentials import AUTHORIZATION, LONGEST, basic_pair
from spanledger.access.settings import BasicAuthSettings, ClientCredentialsSettings
from spanledger.clients.auth import Credentials
from spanledger.clients.watched_file import WatchedFile
from spanledger.errors import Overloaded, Unauthenticated

_CHECK_INTERVAL: Final = 10.0
_REMEMBERED: Final = 1024
_WAITING_AT_MOST: Final = 32
"""Passwords waiting for bcrypt; at 50 to 100 ms each a sender waits no longer than seconds."""
_BCRYPT: Final = ("$2a$", "$2b$", "$2y$")


class BasicAuth(Authenticator, Credentials):
    """Lets in whoever knows a user's password."""

    address: str | None = None
    """It listens nowhere."""

    def __init__(self, settings: BasicAuthSettings, name: str = "basicauth") -> None:
        self._project = settings.project
        self._audit = Audit(name)
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, Caller] = OrderedDict()
        self._waiting = 0
        self._checker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")
        self._users: dict[str, str] = {}
        self._files: list[WatchedFile] = []
        self._user = self._password = ""
        if settings.htpasswd is not None:
            inline, path = settings.htpasswd.inline, settings.htpasswd.file
            if inline is not None:
                self._use_text(inline.get_secret_value())
            elif path is not None:
                self._watch(path, self._use_text)
        if settings.client_auth is not None:
            self._borrow(settings.client_auth)

    async def start(self) -> None:
        """Raises `ConfigError` when the file cannot be used."""
        for file in self._files:
            await file.start()

    async def stop(self) -> None:
        for file in self._files:
            await file.stop()
        self._checker.shutdown(wait=False, cancel_futures=True)

    def look(self) -> bool:
        """Look at the file now; whether a change was taken over."""
        return sum(file.look() for file in self._files) > 0

    @property
    def refused(self) -> int:
        """Requests refused so far."""
        return self._audit.refused

    def authenticate(self, headers: Mapping[str, str]) -> Caller | Awaitable[Caller]:
        word, _, encoded = headers.get(AUTHORIZATION, "").strip().partition(" ")
        pair = basic_pair(encoded.strip()) if word.lower() == "basic" and len(encoded) <= LONGEST else None
        if pair is None:
            self._audit.refuse("no credentials", headers)
            raise Unauthenticated("no credentials: expected Authorization: Basic <user:password in base64>")
        user, password = pair
        known = hmac.digest(self._secret, f"{len(user)}:{user}:{password}".encode("utf-8", "surrogatepass"), "sha256")
        return self._right.get(known) or self._check(user, password, known, headers)

    async def put(self, headers: MutableMapping[str, str], context: str) -> None:
        """For exporters that name this extension."""
        pair = f"{self._user}:{self._password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def admit(self, caller: Caller) -> None:
        return

    def charge(self, caller: Caller, items: int, size: int) -> None:
        return

    async def _check(self, user: str, password: str, known: bytes, headers: Mapping[str, str]) -> Caller:
        if self._waiting >= _WAITING_AT_MOST:
            raise Overloaded("too many passwords to check, send it again", 5.0)
        users = self._users
        # An unknown user takes as long as a known one.
        stored = users.get(user) or next(iter(users.values()), "!")
        self._waiting += 1
        try:
            right = await asyncio.get_running_loop().run_in_executor(self._checker, matches, stored, password)
        finally:
            self._waiting -= 1
        if not right or user not in users:
            self._audit.refuse("wrong user or password", headers)
            raise Unauthenticated("user or password is wrong")
        caller = Caller(self._project, Role.PRIVATE, user)
        if users is self._users:  # the file did not change meanwhile
            self._right[known] = caller
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return caller

    def _borrow(self, client: ClientCredentialsSettings) -> None:
        self._user = client.username or ""
        self._password = client.password.get_secret_value() if client.password is not None else ""
        if client.username_file is not None:
            self._watch(client.username_file, partial(setattr, self, "_user"))
        if client.password_file is not None:
            self._watch(client.password_file, partial(setattr, self, "_password"))

    def _watch(self, path: Path, use: Callable[[str], None]) -> None:
        self._files.append(WatchedFile(path, lambda text: use(text.strip()), _CHECK_INTERVAL))

    def _use_text(self, text: str) -> None:
        users = read_htpasswd(text)
        self._right.clear()
        self._users = users


def read_htpasswd(text: str) -> dict[str, str]:
    """User → stored password. Raises `ValueError` with the line, never with what stands there."""
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        user, colon, stored = line.partition(":")
        if not colon or not user or not stored:
            raise ValueError(f"line {number}: expected user:password")
        if stored.startswith("$") and not stored.startswith(_BCRYPT):
            raise ValueError(
                f"line {number}: only bcrypt, {{SHA}}, {{SSHA}} and plain passwords are known; htpasswd -B"
            )
        users[user] = stored
    if not users:
        raise ValueError("holds no user")
    return users


def matches(stored: str, password: str) -> bool:
    """Whether a password is the one stored."""
    given = password.encode("utf-8", "surrogatepass")
    if stored.startswith(_BCRYPT):
        import bcrypt

        try:
            # bcrypt looks at 72 bytes and no further; some versions of the library raise beyond.
            return bcrypt.checkpw(given[:72], stored.encode())
        except ValueError:
            return False
    for prefix, salted in (("{SHA}", False), ("{SSHA}", True)):
        if stored.startswith(prefix):
            try:
                raw = base64.b64decode(stored.removeprefix(prefix), validate=True)
            except binascii.Error:
                return False
            salt = raw[20:] if salted else b""
            # SHA-1 is what these two forms are.
            return hmac.compare_digest(raw[:20], hashlib.sha1(given + salt, usedforsecurity=False).digest())
    return hmac.compare_digest(stored.encode(), given)
