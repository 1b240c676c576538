from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_benchmark_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    options = ["--stages-only", "--requests", "1", "--spans", "8", "--rounds", "1", "--json", str(file)]
    command = [sys.executable, "-m", "benchmarks.run", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "decode/walk" in done.stdout
    assert "to Collector, 512 spans a request, mix A" in done.stdout
    written = json.loads(file.read_text())
    assert {figure["verdict"] for figure in written["figures"]} <= {"met", "not met", "not measured"}
    found = written["stages"]
    assert set(found) == {"A", "B", "C", "L"}
    assert set(found["A"]["us_per_span"]) == {"parse", "walk", "decode", "json", "map", "encode"}
    assert sum(found["A"]["share"].values()) > 0.9


@pytest.mark.timeout(240)
@pytest.mark.parametrize("store", ["clickhouse", "postgres"])
def test_the_ledger_is_asked_everything(store: str, tmp_path: Path) -> None:
    file = tmp_path / "ledger.json"
    options = ["--runs", "2000", "--repeat", "1", "--store", store, "--json", str(file)]
    command = [sys.executable, "-m", "benchmarks.ledger", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(file.read_text())
    assert found["runs"] == 2000
    assert {"list: newest", "detail: run", "analytics: threads"} < set(found["answers"][store])
