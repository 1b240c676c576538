"""How much of what real SDKs put into their payloads comes out again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mapping.recordings import COLLECTION

SCORER = COLLECTION.parent / "tools" / "score.py"
ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    not SCORER.is_file() or not COLLECTION.is_dir(), reason="no recorded payloads beside the repository"
)
def test_of_two_hundred_facts_no_more_than_three_are_lost() -> None:
    scored = subprocess.run(
        [sys.executable, str(SCORER), str(COLLECTION), "--by", "kind", "--misses", "20", "--at-least", "0.985"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert scored.returncode == 0, scored.stdout + scored.stderr
