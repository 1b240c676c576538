"""The mapping compiled and the mapping as it is written give the same records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spanledger import compiled, map_files
from spanledger.mapping import draft
from tests.mapping.recordings import KEPT, case_files

needs_compiled = pytest.mark.skipif(
    compiled.PLAIN in os.environ or (compiled.why_not() is not None and "SPANLEDGER_REQUIRE_PEERS" not in os.environ),
    reason=f"{compiled.why_not()}",
)
ALL_CASES = """
import json
from spanledger import map_files
from tests.mapping.recordings import KEPT, case_files
for case in sorted(case for case in KEPT.iterdir() if case.is_dir()):
    print(json.dumps([case.name, map_files(case_files(case))], sort_keys=True))
"""


@needs_compiled
def test_compiled_modules_take_the_place_of_their_sources() -> None:
    assert compiled.why_not() is None
    assert draft.__file__.endswith((".so", ".pyd"))


@needs_compiled
@pytest.mark.timeout(300)  # all of them, twice
def test_both_map_every_recording_alike() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", ALL_CASES],
        env={**os.environ, compiled.PLAIN: "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    plain = dict(json.loads(line) for line in answer.stdout.splitlines())
    cases = sorted(case for case in KEPT.iterdir() if case.is_dir())
    mine = {case.name: json.loads(json.dumps(map_files(case_files(case)))) for case in cases}
    assert plain
    assert [name for name in mine if mine[name] != plain[name]] == []


def test_what_was_compiled_of_other_sources_is_not_used(tmp_path: Path) -> None:
    made_of = tmp_path / "made_of"
    assert not compiled.is_current(made_of)
    made_of.write_text(compiled.digest())
    assert compiled.is_current(made_of)
    made_of.write_text("another")
    assert not compiled.is_current(made_of)


def test_the_digest_tells_every_change_of_a_source(tmp_path: Path) -> None:
    source = tmp_path / "mapping" / "messages" / "one.py"
    source.parent.mkdir(parents=True)
    source.write_text("A = 1\n")
    before = compiled.digest(tmp_path)
    source.write_text("A = 2\n")
    assert compiled.digest(tmp_path) != before
    source.rename(source.with_name("two.py"))
    source.with_name("two.py").write_text("A = 1\n")
    assert compiled.digest(tmp_path) != before


def test_the_sources_run_where_that_is_asked_for() -> None:
    program = "import spanledger.compiled as c, spanledger.mapping.draft as d; print(c.why_not()); print(d.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, compiled.PLAIN: "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    why, file = answer.stdout.splitlines()
    assert why == f"{compiled.PLAIN} is set"
    assert file.endswith("draft.py")
