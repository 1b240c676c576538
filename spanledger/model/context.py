"""Of the request that telemetry came in, what is not telemetry: its headers, who sent it, from where."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from spanledger.errors import PayloadError

ADDRESS: Final = "client.address"
METADATA: Final = "metadata."
AUTH: Final = "auth."
AUTH_ATTRIBUTES: Final = ("subject", "username", "project")
"""What is known of a sender that showed a key: how the key is called, the user of a Basic pair, its project."""
_KEPT_AT_MOST: Final = 8192
"""Bytes; what a server takes of headers as a whole is of this order."""
_NOTHING: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the Collector calls `client.Info`."""

    address: str = ""
    """IP address of the sender; empty for a socket in the file system."""
    metadata: Mapping[str, Sequence[str]] = field(default_factory=lambda: _NOTHING)
    """Header, in lower case → its values; empty where the receiver does not `include_metadata`."""
    auth: Mapping[str, str] = field(default_factory=lambda: _NOBODY)
    """`AUTH_ATTRIBUTES` of a sender that showed a key."""

    def values(self, key: str) -> Sequence[str]:
        """What a canonical key names; nothing where it is not there."""
        if key == ADDRESS:
            return (self.address,) if self.address else ()
        if key.startswith(AUTH):
            value = self.auth.get(key.removeprefix(AUTH))
            return (value,) if value is not None else ()
        return self.metadata.get(key.removeprefix(METADATA), ())

    def kept(self, keys: Iterable[str]) -> str:
        """What these canonical keys name, as a text that `values_in` reads; empty for nothing. The same values give
        the same text."""
        found = {key: list(values) for key in sorted(keys) if (values := self.values(key))}
        return json.dumps(found, separators=(",", ":")) if found else ""


NO_CONTEXT: Final = RequestContext()


@dataclass(frozen=True, slots=True)
class ContextUse:
    """Which contexts a configuration looks at."""

    by_processors: bool = False
    """Whether processors do, before the log."""
    kept: frozenset[str] = frozenset()
    """Canonical keys that exporters need, behind the log: they are kept in it with every request."""

    @property
    def any(self) -> bool:
        """Whether contexts are worth making."""
        return self.by_processors or bool(self.kept)

    def of(self, context: RequestContext) -> str:
        """What is kept of a context. Raises `PayloadError` where that is more than a log should hold."""
        if not self.kept:
            return ""
        kept = context.kept(self.kept)
        if len(kept) > _KEPT_AT_MOST:
            raise PayloadError(f"the headers that are kept with a request are larger than {_KEPT_AT_MOST} bytes")
        return kept


UNUSED: Final = ContextUse()


def canonical(key: str) -> str:
    """The key of a `from_context`: `client.address`, `auth.<attribute>`, `metadata.<header>`, or the name of a header.
    Raises `ValueError` for an attribute that is never there."""
    if key == ADDRESS:
        return key
    if key.startswith(AUTH):
        return auth_key(key.removeprefix(AUTH))
    return METADATA + key.removeprefix(METADATA).lower()


def auth_key(attribute: str) -> str:
    """The canonical key of an attribute of the sender. Raises `ValueError` for one that is never there."""
    if attribute not in AUTH_ATTRIBUTES:
        raise ValueError(f"nothing is known of a sender as {attribute}; expected {', '.join(AUTH_ATTRIBUTES)}")
    return AUTH + attribute


@lru_cache(maxsize=4096)
def values_in(context: str) -> Mapping[str, Sequence[str]]:
    """Canonical key → values of a text that `RequestContext.kept` made."""
    return MappingProxyType(json.loads(context)) if context else _NOTHING


@lru_cache(maxsize=4096)
def narrowed(context: str, keys: frozenset[str]) -> str:
    """As much of such a text as these keys name."""
    found = {key: values for key, values in values_in(context).items() if key in keys}
    return json.dumps(found, separators=(",", ":")) if found else ""
