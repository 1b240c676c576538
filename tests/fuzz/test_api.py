"""Schemathesis over the OpenAPI document: whatever is asked, the answer is one that the document names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from spanledger.api.openapi import document
from spanledger.api.server import ApiServer
from spanledger.api.settings import ApiSettings
from tests.exporters.records import make_run, make_score, priced, recent
from tests.stores.ledger import StoreLedger

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(900)]
EXAMPLES = 10


@pytest.fixture
async def server(stored: StoreLedger) -> AsyncIterator[ApiServer]:
    runs = [priced("1", session_id="s", user_id="u", tags=["x"], started_at=recent(number)) for number in range(5)]
    await stored.write(*runs, make_run(type="tool"), make_score(runs[0], "thumb", "up"))
    server = ApiServer(ApiSettings(endpoint="127.0.0.1:0"), stored.store)
    await server.start()
    yield server
    await server.stop()


async def test_every_answer_is_one_that_the_document_names(server: ApiServer) -> None:
    await asyncio.to_thread(_ask_everything, f"http://{server.address}")


def _ask_everything(base: str) -> None:
    schema = schemathesis.openapi.from_dict(document())
    schema.config.update(base_url=base)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(checks=[not_a_server_error, status_code_conformance, response_schema_conformance])

        ask()
