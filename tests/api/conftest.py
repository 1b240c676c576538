from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from spanledger.api.server import ApiServer
from spanledger.api.settings import ApiSettings
from tests.exporters.ledger import Ledger


@pytest.fixture
async def server(ledger: Ledger) -> AsyncIterator[ApiServer]:
    """The API of a ledger of one's own."""
    server = ApiServer(ApiSettings(endpoint="127.0.0.1:0"), ledger.store)
    await server.start()
    yield server
    await server.stop()
