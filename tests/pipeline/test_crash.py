"""kill -9: what was acknowledged is in the store, once, with all that came later."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

ROUNDS = 5
REPOSITORY = Path(__file__).parents[2]


def test_everything_acknowledged_is_stored_after_kills(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    spans: set[str] = set()
    facts: dict[str, str] = {}
    for round_ in range(ROUNDS):
        for line in run_and_kill(tmp_path, first=round_ * 1_000_000, after=chance.randrange(1, 600)):
            kind, number, *fact = line.split()
            if kind == "span":
                spans.add(number)
            else:
                facts[number] = fact[0]
    subprocess.run(command(tmp_path, "drain"), cwd=REPOSITORY, check=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as store:
        stored = dict(store.execute("SELECT id, output FROM runs").fetchall())
    assert spans <= stored.keys(), f"seed {seed}"
    assert {number: stored[number] for number in facts} == facts, f"seed {seed}"
    with contextlib.closing(sqlite3.connect(tmp_path / "log" / "dead-letters.db")) as log:
        assert log.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)


def run_and_kill(directory: Path, first: int, after: int) -> list[str]:
    """Kill the program once it acknowledged that many; all that it acknowledged."""
    program = subprocess.Popen(command(directory, str(first)), stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert program.stdout is not None
    with program, program.stdout as lines:
        said = [lines.readline() for _ in range(after)]
        program.kill()
        said += [line for line in lines if line.endswith("\n")]
    return said


def command(directory: Path, first: str) -> list[str]:
    return [sys.executable, "-m", "tests.pipeline.run_until_killed", str(directory), first]
