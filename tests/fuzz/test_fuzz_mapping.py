"""`make fuzz`: the compiled mapping meets spoiled values."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger import compiled
from tests.mapping.test_compiled import needs_compiled

ROOT = Path(__file__).parents[2]
CASES = int(float(os.environ.get("FUZZ_SECONDS", "60")) * 20)

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(900), needs_compiled]


def outcomes(seed: int, **environment: str) -> list[str]:
    """What becomes of each case."""
    command = [sys.executable, str(ROOT / "tests" / "fuzz" / "mappings.py"), str(seed), str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr[-20_000:]
    return done.stdout.splitlines()


def test_the_compiled_mapping_is_as_forgiving_as_its_sources() -> None:
    seed = random.randrange(2**31)
    as_compiled, as_written = outcomes(seed), outcomes(seed, **{compiled.PLAIN: "1"})
    assert len(as_written) == CASES
    assert as_compiled == as_written
    assert [outcome for outcome in as_written if "Error" in outcome] == []
