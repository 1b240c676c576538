"""Keys of projects in a store: digests, never keys."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

TABLE: Final = "project_keys"
"""Made when the first key is stored; a store without it holds no keys."""


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a project."""

    project_id: str
    digest: str
    """SHA-256 of the key, 64 hexadecimal digits."""
    role: Literal["public", "private"]
    note: str = ""
    """For people: whose it is, where it is used."""
    changed_ns: int
    """When it was stored or revoked, nanoseconds since the Unix epoch. The later state of a digest holds."""
    revoked: bool = False
