"""What Lunary's SDKs sent when they were recorded, sent once more, becomes the runs that the mapping makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from spanledger import map_files
from tests.mapping.recordings import COLLECTION, KEPT, case_files, ingest_events
from tests.stores.ledger import make_store_settings
from tests.stores.test_clients import CONFIG, Place

CASES = sorted(
    {path.parent for root in (KEPT, COLLECTION) for path in root.glob("**/ingest-*.json")},
    key=lambda folder: folder.as_posix(),
)
FACTS = (
    *("type", "name", "status", "error", "started_at", "ended_at", "duration_ns", "provider", "request_model", "model"),
    *("usage", "cost", "billable", "input", "output", "tools", "params", "parent_run_id", "user_id", "session_id"),
    *("tags", "metadata", "finish_reasons", "user_props", "warnings", "source"),
)


def bodies() -> list[Path]:
    return [path for case in CASES for path in case_files(case) if path.name.startswith("ingest")]


def app_ids() -> set[str]:
    """Keys that the SDKs were given when they were recorded."""
    return {str(event["appId"]) for path in bodies() for event in _flat(ingest_events(path)) if event.get("appId")}


def _flat(events: list[Any]) -> list[dict[str, Any]]:
    return [inner for event in events for inner in (event if isinstance(event, list) else [event])]


def as_json(record: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return decoded


@pytest.fixture
async def place(store_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    settings = await make_store_settings(store_kind, request)
    endpoint = settings.endpoint if isinstance(settings.endpoint, str) else settings.endpoint.get_secret_value()
    text = CONFIG.format(kind=store_kind, endpoint=endpoint, database=settings.database, folder=tmp_path)
    keys = ", ".join(["public-key-1", *sorted(app_ids())])
    config = tmp_path / "spanledger.yaml"
    config.write_text(text.replace("public_keys: [public-key-1]", f"public_keys: [{keys}]"))
    yield Place(config)
    if store_kind == "postgres":
        await request.getfixturevalue("postgres").drop_database(settings.database)


async def test_recorded_bodies_become_their_runs(place: Place) -> None:
    expected = {
        record["run_id"]: as_json(record)
        for case in CASES
        for record in map_files([path for path in case_files(case) if path.name.startswith("ingest")])
        if record["record"] == "run"
    }
    assert expected
    async with place.serving() as client:
        for path in bodies():
            status, answer = await client.ask(
                "POST", "/v1/runs/ingest", path.read_bytes(), key="public-key-1", at="receiver"
            )
            assert status == 200
            assert [each for each in answer["results"] if not each["success"]] == []
    async with place.serving() as client:
        found = {run_id: (await client.ask("GET", f"/v1/runs/{run_id}"))[1] for run_id in expected}

    for run_id, run in expected.items():
        assert {name: found[run_id].get(name) for name in FACTS} == {name: run[name] for name in FACTS}, run_id
