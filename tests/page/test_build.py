"""What is committed is what the sources give."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.applications import cannot
from tests.page.site import ROOT

BUILT = ROOT / "spanledger" / "api" / "page"
SOURCES = ROOT / "web"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with their dependencies, away from the repository."""
    npm = shutil.which("npm")
    if npm is None:
        cannot("needs node and npm, which are not installed")
    target: Path = tmp_path_factory.mktemp("web") / "web"
    shutil.copytree(SOURCES, target, ignore=shutil.ignore_patterns("node_modules"))
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=target, check=True, capture_output=True)
    return target


def test_the_built_files_are_those_of_the_sources(web: Path, tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", tmp_path / "page"], cwd=web, check=True)

    built = {file.name: file.read_text() for file in (tmp_path / "page").iterdir()}
    assert built == {file.name: file.read_text() for file in BUILT.iterdir()}, "run `npm run build` in web/"


def test_the_types_fit(web: Path) -> None:
    checked = subprocess.run(["npx", "--no-install", "tsc"], cwd=web, capture_output=True, text=True)

    assert checked.stdout == ""
