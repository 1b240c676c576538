"""What receivers and the API ask of an extension that authenticates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from spanledger.access.caller import Caller, Role


class Authenticator(Protocol):
    """Decides before a body is read, from the headers alone. Called on the event loop for every request."""

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Who calls. `headers` are HTTP headers or gRPC metadata, to be looked up in lower case. Raises
        `Unauthenticated` or `PermissionDenied`; their texts reach the caller."""

    def admit(self, caller: Caller) -> None:
        """Before a body of telemetry is read. Raises `Throttled` when the project has sent all it may for now."""

    def charge(self, caller: Caller, items: int, size: int) -> None:
        """An accepted request of `items` spans, log records or data points in `size` bytes, decompressed."""


class Everyone(Authenticator):
    """Lets everyone in; everything belongs to one project."""

    def __init__(self, project_id: str = "default") -> None:
        self._caller = Caller(project_id, Role.PRIVATE)

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        return self._caller

    def admit(self, caller: Caller) -> None:
        return

    def charge(self, caller: Caller, items: int, size: int) -> None:
        return
