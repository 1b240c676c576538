"""The start and the end of a run of Lunary's reach different replicas on one store."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stores.ledger import make_store_settings
from tests.stores.test_clients import CONFIG, END, RUN, START, Client, Place


@pytest.fixture
async def replicas(store_kind: str, request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """Two services with a log each and one store."""
    settings = await make_store_settings(store_kind, request)
    endpoint = settings.endpoint if isinstance(settings.endpoint, str) else settings.endpoint.get_secret_value()
    places = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        config = folder / "spanledger.yaml"
        config.write_text(CONFIG.format(kind=store_kind, endpoint=endpoint, database=settings.database, folder=folder))
        places.append(Place(config))
    yield places
    if store_kind == "postgres":
        await request.getfixturevalue("postgres").drop_database(settings.database)


async def send(client: Client, *events: dict[str, Any]) -> None:
    status, answer = await client.ask("POST", "/v1/runs/ingest", {"events": events})
    assert (status, all(each["success"] for each in answer["results"])) == (200, True)


async def stored(place: Place) -> tuple[dict[str, Any], dict[str, Any]]:
    async with place.serving() as client:
        _, run = await client.ask("GET", f"/v1/runs/{RUN}")
        _, usage = await client.ask("GET", "/v1/runs/usage")
    return run, usage


def whole(run: dict[str, Any]) -> None:
    assert (run["status"], run["user_id"], run["name"], run["model"]) == (
        "success",
        "ada",
        "gpt-4o-mini",
        "gpt-4o-mini",
    )
    assert run["input"][0]["parts"] == [{"type": "text", "content": "Hi"}]
    assert run["output"][0]["parts"] == [{"type": "text", "content": "Hello"}]
    assert (run["started_at"], run["duration_ns"]) == ("2026-03-01T10:00:00.000000000Z", 2_000_000_000)
    assert run["usage"]["input_tokens"] == 1000
    assert run["cost"]["source"] == "priced"
    assert run["warnings"] == []


@pytest.mark.parametrize("first", [START, END], ids=["start", "end"])
async def test_halves_that_come_one_after_the_other_are_one_run(replicas: list[Place], first: dict[str, Any]) -> None:
    a, b = replicas
    second = END if first is START else START
    async with a.serving() as client:
        await send(client, first)
    async with b.serving() as client:
        await send(client, second)
    run, usage = await stored(a)

    whole(run)
    assert (usage["runs"], usage["input_tokens"], usage["cost"]) == (1, 1000, run["cost"]["total"])


async def test_halves_that_come_at_the_same_time_are_one_run(replicas: list[Place]) -> None:
    a, b = replicas
    async with a.serving() as one, b.serving() as other:
        await send(one, START)
        await send(other, END)

    whole((await stored(a))[0])


async def test_what_comes_again_changes_nothing(replicas: list[Place]) -> None:
    a, b = replicas
    async with a.serving() as client:
        await send(client, START)
    for _ in range(2):
        async with b.serving() as client:
            await send(client, END)
        async with a.serving() as client:
            await send(client, START)

    whole((await stored(b))[0])


async def test_an_end_whose_start_never_comes_stays_what_it_is(replicas: list[Place]) -> None:
    a, _ = replicas
    async with a.serving() as client:
        await send(client, END)
    run, usage = await stored(a)

    assert (run["status"], run["warnings"], usage["input_tokens"]) == ("success", ["start_missing"], 1000)
