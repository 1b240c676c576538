"""Keys of projects, kept as digests only.

Keys are random, so one SHA-256 is enough: nobody can guess a key of 128 bits from its digest, and looking one up takes
a microsecond. The digest is looked up, never the key, so that the time it takes tells nothing of what was right in a
wrong key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from spanledger.access.caller import Caller, Role

_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_PREFIX: Final = {Role.PUBLIC: "slp_", Role.PRIVATE: "sls_"}
SHORTEST: Final = 8
"""Characters of a key below which it is refused as guessable."""


def digest(key: str) -> bytes:
    """SHA-256 of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def digest_of_setting(written: str) -> bytes:
    """Digest of a key in a configuration: the key itself, or `sha256:<64 hex digits>` so that no configuration needs
    to hold it. Raises `ValueError`."""
    if found := _DIGEST.fullmatch(written):
        return bytes.fromhex(found[1])
    if written.startswith("sha256:"):
        raise ValueError("expected 64 hexadecimal digits after sha256:")
    if len(written) < SHORTEST:
        raise ValueError(f"a key must have at least {SHORTEST} characters")
    return digest(written)


def new_key(role: Role) -> str:
    """A random key (192 bits); its prefix tells people and secret scanners what it is."""
    return _PREFIX[role] + secrets.token_urlsafe(24)


def show_digest(key: str) -> str:
    """How a configuration names a key without holding it."""
    return f"sha256:{digest(key).hex()}"


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: bytes
    caller: Caller


class KeyRing:
    """Digest → caller. Never changes; a changed file makes a new one."""

    def __init__(self, keys: Iterable[tuple[bytes, Caller]] = ()) -> None:
        """Raises `ValueError` when one key is given to two projects or roles."""
        self._entries: dict[bytes, _Entry] = {}
        for key_digest, caller in keys:
            known = self._entries.get(key_digest)
            if known is not None and (known.caller.project_id, known.caller.role) != (caller.project_id, caller.role):
                raise ValueError(
                    f"one key belongs to project {known.caller.project_id} ({known.caller.role}) "
                    f"and to project {caller.project_id} ({caller.role})"
                )
            self._entries[key_digest] = _Entry(key_digest, caller)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: str) -> Caller | None:
        """Whose key it is."""
        offered = digest(key)
        entry = self._entries.get(offered)
        if entry is None or not hmac.compare_digest(entry.digest, offered):
            return None
        return entry.caller
