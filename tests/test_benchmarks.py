from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parent.parent / "benchmarks" / "run.py"


def test_the_benchmark_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    command = [sys.executable, str(RUN), "--stages-only", "--requests", "1", "--spans", "8", "--rounds", "1"]
    done = subprocess.run([*command, "--json", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "decode/walk" in done.stdout
    found = json.loads(file.read_text())["stages"]
    assert set(found) == {"A", "B", "C", "L"}
    assert set(found["A"]["us_per_span"]) == {"parse", "walk", "decode", "json", "map", "encode"}
    assert sum(found["A"]["share"].values()) > 0.9
