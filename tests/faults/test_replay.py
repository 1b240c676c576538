"""Dead letters that are delivered again by a command that dies."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
import uuid
from pathlib import Path

from spanledger.model.records import Run, Usage
from spanledger.pipeline import DurableLog, FileStorageSettings
from spanledger.pipeline.dead_letters import DeadLetter, letter_of_entry, letter_of_record
from spanledger.pipeline.letter_box import LetterBox
from tests.faults.conftest import NewSystem
from tests.faults.senders import Ledger, batch
from tests.faults.store import Database
from tests.faults.system import System, clickhouse


def rejected(ledger: Ledger, count: int) -> list[DeadLetter]:
    """Runs that the store took offence at."""
    letters = []
    for number in range(count):
        span_id = f"f{number:015x}"  # apart from those of batches
        run = Run(
            project_id="default",
            run_id=str(uuid.UUID(int=number + 1)),
            span_id=span_id,
            type="llm",
            started_at=time.time_ns(),
            usage=Usage(input_tokens=number),
            version=1,
        )
        ledger.acknowledged[span_id] = number
        letters.append(letter_of_record("clickhouse/store", run, "no such column"))
    return letters


def undecodable(ledger: Ledger, count: int) -> list[DeadLetter]:
    """Bodies that an earlier version could not decode."""
    letters = []
    for number in range(count):
        one = batch()
        ledger.add(one)
        letters.append(letter_of_entry("otlp", "default", number, "traces/protobuf", one.body, "cannot be decoded"))
    return letters


async def put(directory: Path, letters: list[DeadLetter]) -> None:
    log = DurableLog(FileStorageSettings(directory=directory))
    await log.open()
    await log.add_dead_letters(letters)
    await log.close()


def left(system: System) -> int:
    box = LetterBox(system.log, 0, owner=False)
    try:
        return box.count()
    finally:
        box.close()


def replay(system: System) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "spanledger", "queue", "replay", "--dead", "--config", "spanledger.yaml"]
    return subprocess.Popen(command, cwd=system.folder, env=dict(os.environ))


async def test_a_replay_is_killed_and_repeated(new_system: NewSystem, database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    system = new_system({"store": clickhouse(database)})
    letters = rejected(system.ledger, 3000) + undecodable(system.ledger, 1000)
    chance.shuffle(letters)
    await put(system.log, letters)
    for _ in range(3):
        before = left(system)
        process = replay(system)
        while left(system) == before and process.poll() is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(chance.random() / 10)
        process.kill()
        process.wait()
    assert await asyncio.to_thread(replay(system).wait) == 0
    assert left(system) == 0
    await system.start()
    await system.stored_once(database)
