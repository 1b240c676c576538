"""Keys that a store holds: known when it was read, and as long as nobody says otherwise."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from spanledger.access.caller import Role
from spanledger.access.keys import digest
from spanledger.access.projects import Projects
from spanledger.access.settings import ProjectsSettings
from spanledger.errors import Overloaded, StoreUnavailable, Unauthenticated
from spanledger.exporters.keys import StoredKey


class Store:
    """Holds keys, unless it is away."""

    def __init__(self, *keys: StoredKey) -> None:
        self.keys = list(keys)
        self.away = False

    async def fetch(self) -> Sequence[StoredKey]:
        if self.away:
            raise StoreUnavailable("it is away")
        return self.keys


def stored(key: str, project: str = "shop", **fields: object) -> StoredKey:
    made = StoredKey(project_id=project, digest=digest(key).hex(), role="public", changed_ns=1)
    return msgspec.structs.replace(made, **fields)


@asynccontextmanager
async def projects(store: Store, **settings: object) -> AsyncIterator[Projects]:
    """Looks at its store when it is told to."""
    extension = Projects(ProjectsSettings.model_validate({"store": "clickhouse", "check_interval": "1h", **settings}))
    extension.read_from(store.fetch)
    await extension.start()
    try:
        yield extension
    finally:
        await extension.stop()


def role_of(extension: Projects, key: str) -> tuple[str, Role]:
    caller = extension.authenticate({"x-api-key": key})
    return caller.project_id, caller.role


async def test_keys_of_the_store_stand_beside_those_of_the_configuration() -> None:
    written = [{"id": "shop", "private_keys": ["private-of-shop"]}]
    store = Store(stored("key of shop"), stored("key of bank", "bank", role="private"))
    async with projects(store, projects=written) as extension:
        assert await extension.look_at_store()
        assert role_of(extension, "key of shop") == ("shop", Role.PUBLIC)
        assert role_of(extension, "private-of-shop") == ("shop", Role.PRIVATE)
        assert role_of(extension, "key of bank") == ("bank", Role.PRIVATE)


async def test_until_the_store_was_read_senders_are_told_to_come_back() -> None:
    store = Store(stored("key of shop"))
    store.away = True
    async with projects(store, projects=[{"id": "shop", "private_keys": ["private-of-shop"]}]) as extension:
        with pytest.raises(Overloaded):
            extension.authenticate({"x-api-key": "key of shop"})
        assert role_of(extension, "private-of-shop") == ("shop", Role.PRIVATE)
        store.away = False
        assert await extension.look_at_store()
        with pytest.raises(Unauthenticated):
            extension.authenticate({"x-api-key": "another key"})


async def test_a_store_that_goes_away_changes_nothing() -> None:
    store = Store(stored("key of shop"))
    async with projects(store) as extension:
        assert await extension.look_at_store()
        store.away = True
        assert not await extension.look_at_store()
        assert role_of(extension, "key of shop") == ("shop", Role.PUBLIC)


async def test_a_revoked_key_lets_in_no_more() -> None:
    store = Store(stored("key of shop"))
    async with projects(store) as extension:
        assert await extension.look_at_store()
        store.keys = [stored("key of shop", revoked=True, changed_ns=2)]
        assert await extension.look_at_store()
        with pytest.raises(Unauthenticated):
            extension.authenticate({"x-api-key": "key of shop"})


async def test_the_cache_serves_a_start_without_the_store(tmp_path: Path) -> None:
    cache = tmp_path / "keys.json"
    store = Store(stored("key of shop"))
    async with projects(store, store_cache=cache) as extension:
        assert await extension.look_at_store()
    assert "key of shop" not in cache.read_text()
    assert cache.stat().st_mode & 0o077 == 0
    store.away = True
    async with projects(store, store_cache=cache) as extension:
        assert role_of(extension, "key of shop") == ("shop", Role.PUBLIC)


@pytest.mark.parametrize("text", ["", "{}", "[[1]]", '[["shop", "public", "no digest"]]'])
async def test_a_spoiled_cache_is_told_and_not_used(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "keys.json"
    cache.write_text(text)
    store = Store()
    store.away = True
    with caplog.at_level(logging.WARNING):
        async with projects(store, store_cache=cache) as extension:
            with pytest.raises((Overloaded, Unauthenticated)):
                extension.authenticate({"x-api-key": "key of shop"})
    assert "the cache of keys is not used" in caplog.messages
