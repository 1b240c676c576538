"""What is committed is what the sources give."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.page.site import ROOT

BUILT = ROOT / "spanledger" / "api" / "page"


def test_the_built_files_are_those_of_the_sources(web: Path, tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", tmp_path / "page"], cwd=web, check=True)

    built = {file.name: file.read_text() for file in (tmp_path / "page").iterdir()}
    assert built == {file.name: file.read_text() for file in BUILT.iterdir()}, "run `npm run build` in web/"


def test_the_types_fit(web: Path) -> None:
    checked = subprocess.run(["npx", "--no-install", "tsc"], cwd=web, capture_output=True, text=True)

    assert checked.stdout == ""
