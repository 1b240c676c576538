"""Who sends: from the headers of a request to the project that its telemetry belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Authenticator(Protocol):
    """Decides before a body is read. Must not block: it is called on the event loop for every request."""

    def authenticate(self, headers: Mapping[str, str]) -> str:
        """The project id of a sender. `headers` are HTTP headers or gRPC metadata, to be looked up in lower case.
        Raises `Unauthenticated` or `PermissionDenied`; their texts reach the sender."""


class Everyone(Authenticator):
    """Lets every sender in; everything belongs to one project."""

    def __init__(self, project_id: str = "default") -> None:
        self.project_id = project_id

    def authenticate(self, headers: Mapping[str, str]) -> str:
        return self.project_id
