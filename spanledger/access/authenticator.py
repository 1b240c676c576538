"""What receivers and the API ask of an extension that authenticates."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

from spanledger.access.caller import Caller, Role


class Authenticator(Protocol):
    """Decides before a body is read, from the headers alone. Called on the event loop for every request."""

    def authenticate(self, headers: Mapping[str, str]) -> Caller | Awaitable[Caller]:
        """Who calls; something to await only where telling takes long, as with bcrypt. `headers` are HTTP headers or
        gRPC metadata, to be looked up in lower case. Raises `Unauthenticated` or `PermissionDenied`; their texts reach
        the caller."""

    def admit(self, caller: Caller) -> None:
        """Before a body of telemetry is read. Raises `Throttled` when the project has sent all it may for now."""

    def charge(self, caller: Caller, items: int, size: int) -> None:
        """An accepted request of `items` spans, log records or data points in `size` bytes, decompressed."""


class Everyone(Authenticator):
    """Lets everyone in; everything belongs to one project."""

    def __init__(self, project_id: str = "default") -> None:
        self._caller = Caller(project_id, Role.PRIVATE)

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        return self._caller

    def admit(self, caller: Caller) -> None:
        return

    def charge(self, caller: Caller, items: int, size: int) -> None:
        return


@dataclass(frozen=True, slots=True)
class Sender:
    """A caller that sends telemetry, with the extension that knows it."""

    caller: Caller
    authenticator: Authenticator

    @property
    def project_id(self) -> str:
        """Where its telemetry belongs."""
        return self.caller.project_id

    def charge(self, items: int, size: int) -> None:
        """An accepted request; see `Authenticator.charge`."""
        self.authenticator.charge(self.caller, items, size)


def sender_of(authenticator: Authenticator, headers: Mapping[str, str]) -> Sender | Awaitable[Sender]:
    """Who sends, once it is known and may send. Raises what `authenticate` and `admit` raise."""
    caller = authenticator.authenticate(headers)
    if isinstance(caller, Caller):
        authenticator.admit(caller)
        return Sender(caller, authenticator)
    return _later(authenticator, caller)


async def _later(authenticator: Authenticator, caller: Awaitable[Caller]) -> Sender:
    known = await caller
    authenticator.admit(known)
    return Sender(known, authenticator)
