"""A pipeline over a store on disk, until somebody kills it. It says what was acknowledged, a line each.

Arguments: directory, first number; with `drain` instead of a number it delivers what is left and ends. A third one,
such as `fdatasync:7:before`, makes the process kill itself at the seventh call of a function of `os` that changes
files: before it, after it, or when it has written half of its bytes (`halfway`)."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spanledger.exporters.base import WRITTEN, Exporter, WriteResult
from spanledger.model.records import Record, Run
from spanledger.pipeline import DurableLog, FileStorageSettings, Pipeline, PipelineSettings
from spanledger.pipeline.settings import WarmUpSettings
from tests.pipeline.doubles import LedgerMapper, decode, quick, request

SENDERS = 16


class SqliteStore(Exporter):
    """Keeps the highest version of each run."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    async def start(self) -> None:
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, version INTEGER, output TEXT) WITHOUT ROWID"
        )

    async def write(self, records: Sequence[Record], token: str) -> WriteResult:
        rows = [(record.run_id, record.version, record.output) for record in records if isinstance(record, Run)]
        with self._connection:
            self._connection.executemany(
                "INSERT INTO runs VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE"
                " SET version = excluded.version, output = excluded.output WHERE excluded.version >= version",
                rows,
            )
        return WRITTEN

    async def close(self) -> None:
        self._connection.close()


async def main(directory: Path, first: str) -> None:
    warm_up = WarmUpSettings(max_entries=50)
    log = DurableLog(FileStorageSettings(directory=directory / "log", segment_bytes=20_000, warm_up=warm_up))
    settings = PipelineSettings(delivery=quick(max_items=50))
    pipeline = Pipeline(log, decode, LedgerMapper, {"store": SqliteStore(directory / "store.db")}, settings)
    await pipeline.start()
    if first == "drain":
        assert await pipeline.stop(30)
        return
    numbers = iter(range(int(first), sys.maxsize))

    async def send() -> None:
        for number in numbers:
            await accepted(f"span {number}")
            await accepted(f"fact {number} {number * 7}")

    async def accepted(line: str) -> None:
        await pipeline.intake.accept(request(line))
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    await asyncio.gather(*(send() for _ in range(SENDERS)))


def fail_at(name: str, number: int, when: str) -> None:
    """Let the process die at a call of `os.<name>`."""
    real, write = getattr(os, name), os.pwrite
    calls = itertools.count(1)

    def call(*arguments: Any) -> Any:
        last = next(calls) == number
        if last and when == "halfway":
            descriptor, data, at = arguments
            whole = b"".join(data) if isinstance(data, list) else bytes(data)
            write(descriptor, whole[: len(whole) // 2], at)
        if last and when != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, call)


if len(sys.argv) > 3:
    function, count, moment = sys.argv[3].split(":")
    fail_at(function, int(count), moment)
asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
