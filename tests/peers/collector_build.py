#!/usr/bin/env python3
"""Builds a real OpenTelemetry Collector from its public Go modules and prints the path of the program.

    python3 tests/peers/collector_build.py

Needs Go and, the first time, some minutes and a network; after that the program is in `.cache/peers`. Nothing but
Python's own library is imported, so that it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent / "collector"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "peers"
_SECONDS = 3600


class CannotBuild(Exception):
    """Why there is no Collector on this machine."""


def build() -> Path:
    """The program, built when it is not there yet. Raises `CannotBuild`."""
    sources = [SOURCE / name for name in ("go.mod", "go.sum", "main.go")]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    program = CACHE / f"collector-{digest}" / "otelcol"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise CannotBuild("a real Collector is built with Go, which is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "collector.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second finds it built
        if not program.exists():
            _compile(go, program)
    return program


def _compile(go: str, program: Path) -> None:
    program.parent.mkdir(exist_ok=True)
    unfinished = program.with_name(f"otelcol.{os.getpid()}")
    command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), "."]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "auto"}
    built = subprocess.run(
        command, cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if built.returncode:
        raise CannotBuild(f"the Collector cannot be built:\n{built.stderr[-4000:]}")
    unfinished.rename(program)


if __name__ == "__main__":
    try:
        print(build())
    except CannotBuild as reason:
        sys.exit(str(reason))
