"""Two processes on one Postgres: what Lunary's SDKs tell of a run reaches the one or the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.applications import cannot
from tests.e2e.ledger import Ledger, Run, running
from tests.stores.postgres import Server, binaries
from tests.stores.test_clients import END, RUN, START

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[tuple[Ledger, Ledger]]:
    folder = binaries()
    if folder is None:
        cannot("needs PostgreSQL, which is not installed")
    server = Server(folder)
    try:
        server.start()
        store = (
            f'postgres: {{endpoint: "{server.endpoint}", database: {await server.create_database()}, '
            "runs_ttl_days: 0, payloads_ttl_days: 0}"
        )
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(running(tmp_path / "one", store))
            yield one, await stack.enter_async_context(running(tmp_path / "two", store))
    finally:
        server.remove()


async def complete(ledger: Ledger) -> Run:
    """The run once it says what its start and its end said."""
    found: list[Run] = []

    async def is_whole() -> bool:
        run = await ledger.run(RUN)
        found[:] = [run] if run is not None else []
        return run is not None and run["status"] == "success" and run["user_id"] == "ada"

    await ledger.until(is_whole, "the halves of the run are one")
    return found[0]


@pytest.mark.parametrize("order", ["start first", "end first", "together"])
async def test_a_run_whose_halves_reach_two_processes_is_one_run(replicas: tuple[Ledger, Ledger], order: str) -> None:
    one, two = replicas
    first, second = (END, START) if order == "end first" else (START, END)
    if order == "together":
        await asyncio.gather(one.ingest(first), two.ingest(second))
    else:
        await one.ingest(first)
        await one.drain()
        await two.ingest(second)
    run = await complete(two)

    await two.ingest(first)  # what comes again, and to the other one, changes nothing
    for ledger in replicas:
        await ledger.drain()
    assert await complete(one) == await complete(two)
    assert [each["run_id"] for each in await one.summaries()] == [RUN]
    assert run["input"][0]["parts"] == [{"type": "text", "content": "Hi"}]
    assert run["output"][0]["parts"] == [{"type": "text", "content": "Hello"}]
    assert (run["started_at"], run["duration_ns"]) == ("2026-03-01T10:00:00.000000000Z", 2_000_000_000)
    for ledger in replicas:
        usage = await ledger.usage(type="llm")
        assert (usage["runs"], usage["input_tokens"], usage["cost"]) == (1, 1000, run["cost"]["total"])
