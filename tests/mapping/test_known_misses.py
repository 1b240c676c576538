"""tests/corpus/known_misses.md says of every fact that is not recovered why, and of no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mapping.recordings import COLLECTION, KEPT
from tests.mapping.test_scorer import ROOT, SCORER

LISTED = KEPT / "known_misses.md"


def patterns() -> list[tuple[str, re.Pattern[str]]]:
    """(case, pattern of its facts) of each line of the list."""
    lines = re.findall(r"^- `([^`]+)` `([^`]+)`", LISTED.read_text(), re.MULTILINE)
    return [(case, re.compile(re.escape(fact).replace(r"\*", ".*"))) for case, fact in lines]


@pytest.mark.skipif(
    not SCORER.is_file() or not COLLECTION.is_dir(), reason="no recorded payloads beside the repository"
)
def test_what_is_missed_is_listed_and_what_is_listed_is_missed(tmp_path: Path) -> None:
    told = tmp_path / "facts.json"
    subprocess.run(
        [sys.executable, str(SCORER), str(COLLECTION), "--by", "kind", "--json", str(told)],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    missed = {(fact["case"], fact["fact"]) for fact in json.loads(told.read_text()) if not fact["ok"]}
    listed = patterns()

    unlisted = {(case, fact) for case, fact in missed if not any(c == case and p.fullmatch(fact) for c, p in listed)}
    found = [
        (case, pattern.pattern)
        for case, pattern in listed
        if not any(case == c and pattern.fullmatch(fact) for c, fact in missed)
    ]

    assert unlisted == set(), "say in tests/corpus/known_misses.md why these cannot be recovered, or recover them"
    assert found == [], "take these out of tests/corpus/known_misses.md: they are recovered"
