from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parent.parent / "benchmarks" / "run.py"


def test_the_benchmark_runs_and_prints_json() -> None:
    command = [sys.executable, str(RUN), "--stages-only", "--requests", "1", "--spans", "8", "--repeat", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    mixes = json.loads(done.stdout)["mixes"]
    assert {"llm", "mixed"} <= set(mixes)
    assert set(mixes["llm"]["stages"]) == {"parse", "decode", "map", "encode", "all"}
    assert mixes["llm"]["stages"]["parse"]["times_parse"] == 1.0
