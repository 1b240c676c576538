"""What a key makes of its bearer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from spanledger.errors import PermissionDenied


class Role(StrEnum):
    """What a key is good for."""

    PUBLIC = "public"
    """Sends telemetry. May stand in a browser or an app: it reads nothing."""
    PRIVATE = "private"
    """Sends, reads and changes everything of its project."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated sender or reader. The project is the key's; nothing in a payload changes it."""

    project_id: str
    role: Role = Role.PRIVATE
    name: str = ""
    """What the key is called where it was configured, for logs; never the key."""

    def must_read(self) -> None:
        """Raises `PermissionDenied` for a key that only sends."""
        if self.role is not Role.PRIVATE:
            raise PermissionDenied("a public key only sends telemetry; this needs a private key of the project")
