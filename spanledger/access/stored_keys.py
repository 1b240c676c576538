"""Keys that a store holds, read again and again, and remembered in a file for a start without the store."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from spanledger.errors import SpanledgerError

_log = logging.getLogger(__name__)

_FIRST_RETRY: Final = 1.0
_LARGEST: Final = 16 << 20


class Key(Protocol):
    """`spanledger.exporters.keys.StoredKey`."""

    @property
    def project_id(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def revoked(self) -> bool: ...


Fetch: TypeAlias = Callable[[], Awaitable[Sequence[Key]]]
"""The keys as they are in the store now. Raises `StoreError`."""
Triple: TypeAlias = tuple[str, str, str]
"""(project, role, digest)."""


class StoredKeys:
    """Calls `use` with the keys of a store whenever they are others."""

    def __init__(
        self, fetch: Fetch, use: Callable[[Sequence[Triple]], None], interval: float, cache: Path | None
    ) -> None:
        self._fetch = fetch
        self._use = use
        self._interval = interval
        self._cache = cache
        self._seen: list[Triple] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def known(self) -> bool:
        """Whether keys were read, from the store or the cache."""
        return self._seen is not None

    async def start(self) -> None:
        """Read them in the background; a store that is away is no reason not to start."""
        self._read_cache()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> bool:
        """Read the store now; whether that was possible. Where it was not, the keys stay as they were."""
        try:
            keys = await self._fetch()
        except SpanledgerError as error:
            _log.warning("keys of projects cannot be read from their store", extra={"reason": str(error)})
            return False
        found = sorted((key.project_id, key.role, key.digest) for key in keys if not key.revoked)
        if found != self._seen:
            try:
                self._use(found)
            except ValueError as error:
                _log.error("keys of projects in their store are not used", extra={"reason": str(error)})
                return False
            self._seen = found
            self._write_cache(found)
        return True

    async def _watch(self) -> None:
        while True:
            done = await self.look()
            await asyncio.sleep(self._interval if done else min(_FIRST_RETRY, self._interval))

    def _read_cache(self) -> None:
        if self._cache is None or not self._cache.exists():
            return
        try:
            if self._cache.stat().st_size > _LARGEST:
                raise ValueError("it is too large")
            found: Any = json.loads(self._cache.read_text(encoding="utf-8"))
            if not isinstance(found, list):
                raise ValueError("it holds no list")
            keys = [(str(project), str(role), str(digest)) for project, role, digest in found]
            self._use(keys)
        except (OSError, ValueError, TypeError) as error:
            _log.warning("the cache of keys is not used", extra={"file": str(self._cache), "reason": str(error)})
        else:
            self._seen = keys

    def _write_cache(self, keys: Sequence[Triple]) -> None:
        if self._cache is None:
            return
        unfinished = self._cache.with_name(f"{self._cache.name}.{os.getpid()}")
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(list(keys), file)
            unfinished.replace(self._cache)
        except OSError as error:
            _log.warning("the cache of keys cannot be written", extra={"file": str(self._cache), "reason": str(error)})
