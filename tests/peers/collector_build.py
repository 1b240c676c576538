#!/usr/bin/env python3
"""Builds a real OpenTelemetry Collector from its public Go modules and prints the path of the program; h2spec, which
tests servers of HTTP/2, comes from its own in the same way.

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

HERE = Path(__file__).parent
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "peers"
_SECONDS = 3600


class CannotBuild(Exception):
    """Why a program is not on this machine."""


def build() -> Path:
    """The Collector, built when it is not there yet. Raises `CannotBuild`."""
    return _built("collector", "otelcol", ".", ("go.mod", "go.sum", "main.go"))


def build_h2spec() -> Path:
    """h2spec, likewise."""
    return _built("h2spec", "h2spec", "github.com/summerwind/h2spec/cmd/h2spec", ("go.mod", "go.sum"))


def _built(folder: str, name: str, package: str, sources: tuple[str, ...]) -> Path:
    content = b"\0".join((HERE / folder / source).read_bytes() for source in sources)
    program = CACHE / f"{folder}-{hashlib.sha256(content).hexdigest()[:12]}" / name
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise CannotBuild(f"{name} is built with Go, which is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second finds it built
        if not program.exists():
            _compile(go, HERE / folder, package, program)
    return program


def _compile(go: str, source: Path, package: str, program: Path) -> None:
    program.parent.mkdir(exist_ok=True)
    unfinished = program.with_name(f"{program.name}.{os.getpid()}")
    command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), package]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "auto"}
    built = subprocess.run(
        command, cwd=source, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if built.returncode:
        raise CannotBuild(f"{program.name} cannot be built:\n{built.stderr[-4000:]}")
    unfinished.rename(program)


if __name__ == "__main__":
    try:
        print(build())
    except CannotBuild as reason:
        sys.exit(str(reason))
