"""What is deleted while it waits for the store does not come back with it: in the log, in a buffer, in both stores."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from spanledger.exporters.base import Deleted, Exporter, WriteResult
from spanledger.exporters.rewrite import Rewrite
from spanledger.exporters.select import Select
from spanledger.exporters.store import Deletion
from spanledger.joining import Joining
from spanledger.mapping import Mapper
from spanledger.mapping.cost import PriceList
from spanledger.model.ids import run_id_of_span
from spanledger.model.received import Encoding, Received, Signal, Telemetry
from spanledger.model.records import Record
from spanledger.pipeline import FileStorageSettings, Pipeline, attempts, create_log
from spanledger.pipeline.settings import DeliverySettings, PipelineSettings, RetrySettings
from spanledger.service import decode_body
from tests.exporters.otel_requests import SPAN_ID, TRACE_ID, attribute, span, spans
from tests.exporters.records import make_run
from tests.stores.ledger import StoreLedger
from tests.stores.test_administration import administrated


class Away(Exporter):
    """A real exporter whose store does not answer until `back` is set."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self.back = False

    async def start(self) -> None:
        """It is started already."""

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        return await self._exporter.write(records, token) if self.back else WriteResult(retry="away")

    async def deleted(self, since_ns: int) -> Sequence[Deleted]:
        return await self._exporter.deleted(since_ns)

    async def erase(self, records: Sequence[Record], *, for_good: bool) -> None:
        await self._exporter.erase(records, for_good=for_good)

    async def close(self) -> None:
        """Its owner does that."""


def call(number: int, user: str, project: str = "default", **changes: Any) -> Telemetry:
    facts = [
        attribute("gen_ai.operation.name", string_value="chat"),
        attribute("gen_ai.request.model", string_value="gpt-5"),
        attribute("user.id", string_value=user),
        attribute("gen_ai.input.messages", string_value='[{"role":"user","parts":[]}]'),
    ]
    return spans(span(number, attributes=facts, **changes), project=project)


def run_id(number: int, project: str = "default") -> str:
    return run_id_of_span(project, (number.to_bytes(1, "big") + TRACE_ID[1:]).hex(), SPAN_ID.hex())


@contextlib.asynccontextmanager
async def flowing(exporter: Exporter, folder: Any) -> AsyncIterator[Pipeline]:
    settings = PipelineSettings(
        log=FileStorageSettings(directory=folder),
        delivery=DeliverySettings(retry=RetrySettings(initial_interval=0.01, max_interval=0.01)),
    )
    pipeline = Pipeline(create_log(settings), decode_body, Mapper, {"store": exporter}, settings)
    await pipeline.start()
    yield pipeline
    await pipeline.stop(0)


async def send(pipeline: Pipeline, *requests: Telemetry) -> None:
    for one in requests:
        items = decode_body(one.signal, Encoding.PROTOBUF, one.body).items
        received = Received(one.project_id, one.signal, Encoding.PROTOBUF, one.body, items, time.time_ns())
        await pipeline.intake.accept(received)


async def users(stored: StoreLedger) -> list[str]:
    return sorted(str(run["user_id"]) for run in await stored.listed())


WHAT = {
    "a run": Deletion("default", run_id=run_id(1)),
    "a user": Deletion("default", user_id="ada"),
    "a project": Deletion("default"),
}


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("restarted", [False, True], ids=["goes on", "is killed and started again"])
@pytest.mark.parametrize("long_ns", [0, 10**18], ids=["after a long time", "at once"])
async def test_what_waits_goes_with_it(
    stored: StoreLedger, tmp_path: Any, what: str, restarted: bool, long_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "_LONG_NS", long_ns)  # from when on it is looked before the write, too
    deletion = WHAT[what]
    away = Away(stored.exporter)
    async with flowing(away, tmp_path) as pipeline, administrated(stored.kind, stored.settings) as admin:
        await send(pipeline, call(1, "ada"), call(2, "bob", project="other"))
        assert await admin.delete(deletion) == 0  # nothing of it is in the store
        if not restarted:
            away.back = True
            await pipeline.drained()
    away.back = True
    async with flowing(away, tmp_path) as pipeline:
        await pipeline.drained()
        assert await users(stored) == []
        assert await stored.store.get_run("default", run_id(1)) is None
        assert await stored.store.get_run("other", run_id(2, "other")) is not None

        await send(pipeline, call(3, "ada"))  # received afterwards: another matter
        await pipeline.drained()
        assert await users(stored) == ["ada"]


@pytest.mark.parametrize("what", ["a run", "a user"])
async def test_a_repetition_brings_nothing_back(stored: StoreLedger, tmp_path: Any, what: str) -> None:
    away = Away(stored.exporter)
    async with flowing(away, tmp_path) as pipeline, administrated(stored.kind, stored.settings) as admin:
        await send(pipeline, call(1, "ada"))
        await admin.delete(WHAT[what])
        away.back = True
        await pipeline.drained()

        late = call(1, "ada", status={"code": 2, "message": "late"})
        await send(pipeline, call(1, "ada"), late)
        await pipeline.drained()

    assert await users(stored) == []


async def test_what_was_written_meanwhile_is_taken_out(stored: StoreLedger) -> None:
    """The batch was in the store before the deletion was noted, and after it had looked."""
    ada, bob = call(1, "ada"), call(2, "bob")
    records = [
        record
        for one in (ada, bob)
        for record in Mapper().add(
            "default", decode_body(Signal.TRACES, Encoding.PROTOBUF, one.body).items, time.time_ns()
        )
    ]
    began = time.time_ns()
    async with administrated(stored.kind, stored.settings) as admin:
        await admin.delete(Deletion("default", user_id="ada"))
    await stored.write(*records)

    (note,) = await stored.exporter.deleted(began)
    assert note.for_good
    assert "ada" not in str(note)
    assert await stored.exporter.deleted(note.at_ns + 1) == []
    doomed = [record for record in records if getattr(record, "user_id", None) == "ada"]
    await stored.exporter.erase(doomed, for_good=True)
    await stored.exporter.erase(doomed, for_good=True)

    assert await users(stored) == ["bob"]


WRAPPED: dict[str, Callable[[StoreLedger], Exporter]] = {
    "chosen kinds": lambda stored: Select(stored.exporter, frozenset({"run"})),
    "functions of users": lambda stored: Rewrite(stored.exporter, []),
    "halves that are joined": lambda stored: Joining(stored.exporter, lambda: stored.store, PriceList(())),
}


@pytest.mark.parametrize("wrapped", WRAPPED)
async def test_whatever_stands_before_a_store_knows_of_it(stored: StoreLedger, wrapped: str) -> None:
    exporter = WRAPPED[wrapped](stored)
    async with administrated(stored.kind, stored.settings) as admin:
        await admin.delete(Deletion("default", user_id="ada"))
    run = make_run(project_id="default", user_id="ada")
    await stored.write(run)

    assert len(await exporter.deleted(0)) == 1
    await exporter.erase([run], for_good=True)

    assert await users(stored) == []


def told(folder: Path, text: str) -> list[str]:
    """Files of a log that hold a text."""
    return [file.name for file in folder.iterdir() if file.is_file() and text.encode() in file.read_bytes()]


async def test_the_log_keeps_nothing_of_it(stored: StoreLedger, tmp_path: Path) -> None:
    """Delivered requests stay for the mapping's memory, and in a file with others, until something is deleted."""
    away = Away(stored.exporter)
    async with flowing(away, tmp_path) as pipeline, administrated(stored.kind, stored.settings) as admin:
        shedding = pipeline.shedding()
        away.back = True
        await send(pipeline, call(1, "ada-lovelace"), call(2, "bob"))
        await pipeline.drained()
        await shedding.look()
        assert told(tmp_path, "ada-lovelace")

        away.back = False
        await send(pipeline, call(3, "ada-lovelace"))
        await admin.delete(Deletion("default", user_id="ada-lovelace"))
        await shedding.look()
        assert told(tmp_path, "ada-lovelace"), "it waits"

        away.back = True
        await pipeline.drained()
        await shedding.look()
        assert told(tmp_path, "ada-lovelace") == []

        await send(pipeline, call(4, "eve"))
        await pipeline.drained()
    async with flowing(away, tmp_path) as pipeline:
        await send(pipeline, call(5, "eve"))
        await pipeline.drained()
    assert await users(stored) == ["bob", "eve", "eve"]
