"""kill -9: what was acknowledged is in the store, once, with all that came later."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROUNDS = 3
REPOSITORY = Path(__file__).parents[2]


def test_everything_acknowledged_is_stored_after_kills(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    spans: set[str] = set()
    facts: dict[str, str] = {}
    for round_ in range(ROUNDS):
        note(run_and_kill(tmp_path, first=round_ * 1_000_000, after=chance.randrange(1, 600)), spans, facts)
    check(tmp_path, spans, facts, f"seed {seed}")


@pytest.mark.parametrize(
    "failpoint",
    [
        "pwritev:20:halfway",
        "pwritev:40:after",
        "fdatasync:30:before",
        "pwrite:6:halfway",  # cursors
        "fsync:5:before",  # a new file
        "unlink:2:after",
    ],
)
def test_everything_acknowledged_is_stored_wherever_the_process_died(tmp_path: Path, failpoint: str) -> None:
    spans: set[str] = set()
    facts: dict[str, str] = {}
    program = [*command(tmp_path, "0"), failpoint]
    ran = subprocess.run(program, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    note(ran.stdout.splitlines(keepends=True), spans, facts)
    check(tmp_path, spans, facts, failpoint)


def note(lines: Iterable[str], spans: set[str], facts: dict[str, str]) -> None:
    """What was acknowledged: a line that was not finished was told to nobody."""
    for line in lines:
        if line.endswith("\n"):
            kind, number, *fact = line.split()
            if kind == "span":
                spans.add(number)
            else:
                facts[number] = fact[0]


def check(directory: Path, spans: set[str], facts: dict[str, str], told: str) -> None:
    """Deliver what is left, and compare."""
    subprocess.run(command(directory, "drain"), cwd=REPOSITORY, check=True)
    with contextlib.closing(sqlite3.connect(directory / "store.db")) as store:
        stored = dict(store.execute("SELECT id, output FROM runs").fetchall())
    assert spans <= stored.keys(), told
    assert {number: stored[number] for number in facts} == facts, told
    with contextlib.closing(sqlite3.connect(directory / "log" / "dead-letters.db")) as log:
        assert log.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)


def run_and_kill(directory: Path, first: int, after: int) -> list[str]:
    """Kill the program once it acknowledged that many; all that it acknowledged."""
    program = subprocess.Popen(command(directory, str(first)), stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert program.stdout is not None
    with program, program.stdout as lines:
        said = [lines.readline() for _ in range(after)]
        program.kill()
        said += list(lines)
    return said


def command(directory: Path, first: str) -> list[str]:
    return [sys.executable, "-m", "tests.pipeline.run_until_killed", str(directory), first]
