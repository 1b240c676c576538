"""Keys of projects in a store, the same in each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from spanledger.exporters.keys import StoredKey
from spanledger.exporters.store import StoreAdmin
from tests.stores.ledger import StoreLedger
from tests.stores.test_administration import administrated

FIRST = StoredKey(project_id="shop", digest="ab" * 32, role="public", note="web", changed_ns=1_772_359_200_000_000_001)


@pytest.fixture
async def admin(stored: StoreLedger) -> AsyncIterator[StoreAdmin]:
    async with administrated(stored.kind, stored.settings) as admin:
        yield admin


async def test_a_store_without_the_table_holds_no_keys(admin: StoreAdmin) -> None:
    assert await admin.keys() == []


async def test_keys_come_back_as_they_were_stored(admin: StoreAdmin) -> None:
    second = msgspec.structs.replace(FIRST, digest="cd" * 32, project_id="länder", role="private", note="")
    await admin.save_key(FIRST)
    await admin.save_key(second)
    assert await admin.keys() == sorted([FIRST, second], key=lambda key: key.project_id)


async def test_the_later_state_of_a_key_holds(admin: StoreAdmin) -> None:
    revoked = msgspec.structs.replace(FIRST, revoked=True, changed_ns=FIRST.changed_ns + 1)
    for state in (FIRST, revoked, FIRST):
        await admin.save_key(state)
    assert await admin.keys() == [revoked]
