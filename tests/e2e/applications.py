"""Runs the programs of `examples/` and of `programs/` as anyone would, each with its own pinned dependencies.

Installations live in `.cache/e2e/<name>-<hash of the dependency file>` and are made once.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PROGRAMS = Path(__file__).parent / "programs"
CACHE = ROOT / ".cache" / "e2e"
RUN_SECONDS = 120
"""A program that takes longer hangs; it normally takes two to six seconds, most of them for its imports."""
_INSTALL_SECONDS = 600


def cannot(reason: str) -> NoReturn:
    """Skip for a reason that the machine gives; fail where `SPANLEDGER_REQUIRE_PEERS=1` promises a full machine."""
    if os.environ.get("SPANLEDGER_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Finished:
    """What a program printed before it ended."""

    stdout: str
    stderr: str


@dataclass(frozen=True)
class Application:
    """A program that is ready to run."""

    name: str
    command: tuple[str, ...]

    async def run(
        self,
        *arguments: str,
        otlp: str,
        provider: str = "",
        environment: Mapping[str, str] | None = None,
        status: int = 0,
    ) -> Finished:
        """Run it to its end, sending spans to `otlp` and model calls to `provider`. It must end with `status`."""
        process = await self.start(*arguments, otlp=otlp, provider=provider, environment=environment)
        return await self.finish(process, status)

    async def start(
        self, *arguments: str, otlp: str, provider: str = "", environment: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        """Start it; `finish` must follow."""
        env = {
            **_clean_environment(),
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "OPENAI_BASE_URL": provider,
            "OPENAI_API_KEY": "sk-e2e",
            **(environment or {}),
        }
        return await asyncio.create_subprocess_exec(
            *self.command, *arguments, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )

    async def finish(self, process: asyncio.subprocess.Process, status: int = 0) -> Finished:
        """Wait for its end with `status`."""
        try:
            async with asyncio.timeout(RUN_SECONDS):
                stdout, stderr = await process.communicate()
        except BaseException:
            if process.returncode is None:
                process.kill()
                await process.communicate()
            raise
        finished = Finished(stdout.decode(), stderr.decode())
        assert process.returncode == status, f"{self.name} ended with {process.returncode}\n{finished.stderr}"
        return finished


def python_application(folder: Path, program: Path | None = None) -> Application:
    """`app.py` of a folder, or another program, in a virtual environment with the folder's requirements."""

    def install(target: Path) -> None:
        _execute([sys.executable, "-m", "venv", target])
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", folder / "requirements.txt")
        _execute([target / "bin" / "python", "-m", "pip", "install", *options])

    environment = _installed(folder / "requirements.txt", install)
    program = program or folder / "app.py"
    return Application(program.parent.name, (str(environment / "bin" / "python"), str(program)))


def node_application(folder: Path) -> Application:
    """`app.mjs` of a folder, beside a node_modules made from the folder's lock file."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        cannot("needs node and npm, which are not installed")

    def install(target: Path) -> None:
        target.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, target)
        (target / "app.mjs").symlink_to(folder / "app.mjs")
        _execute([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", target])

    installed = _installed(folder / "package-lock.json", install)
    # Node resolves imports from where the program lies after links are followed, unless told to keep the link.
    return Application(
        folder.name, (node, "--preserve-symlinks", "--preserve-symlinks-main", str(installed / "app.mjs"))
    )


def go_application(folder: Path) -> Application:
    """The program of a folder, built from the Go modules that its go.sum pins."""
    go = shutil.which("go")
    if go is None:
        cannot("needs Go, which is not installed")

    def install(target: Path) -> None:
        target.mkdir(parents=True)
        _execute([go, "build", "-C", folder, "-o", target / "app", "."])

    installed = _installed(folder / "go.sum", install, folder / "main.go")
    return Application(folder.name, (str(installed / "app"),))


def _installed(dependencies: Path, install: Callable[[Path], None], *more: Path) -> Path:
    example = dependencies.parent.name
    content = b"".join(file.read_bytes() for file in (dependencies, *more))
    digest = hashlib.sha256(content + sys.version.encode()).hexdigest()[:12]
    target = CACHE / f"{example}-{digest}"
    ready = target / ".ready"
    with _locked(CACHE / f"{example}.lock"):
        if not ready.exists():
            shutil.rmtree(target, ignore_errors=True)
            try:
                install(target)
            except subprocess.SubprocessError as error:
                shutil.rmtree(target, ignore_errors=True)
                cannot(f"the dependencies of {example} cannot be installed: {_why(error)}")
            ready.touch()
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _execute(command: Sequence[str | Path]) -> None:
    subprocess.run(
        [str(part) for part in command],
        check=True,
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        env=_clean_environment(),
    )


def _why(error: subprocess.SubprocessError) -> str:
    stderr = getattr(error, "stderr", None)
    lines = str(stderr).strip().splitlines() if stderr else []
    return lines[-1] if lines else str(error)


def _clean_environment() -> Mapping[str, str]:
    """This process's environment without what would change what a program sends."""
    meddling = ("OTEL_", "OPENAI_", "PYTHON", "PYTEST_", "COVERAGE_", "NODE_OPTIONS", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(meddling)}
