"""The container image without a container engine: its build script, and the program out of the file tree that the
script makes, read-only and as a user without rights."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.serving import span_body
from tests.e2e.applications import ROOT, cannot

# One process: it builds once, and two builds in one checkout would meet in its build folder.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.xdist_group("image")]

NOBODY = 65534
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def python_for_all() -> str:
    """A Python that a user without rights can run; one below /root cannot be. In the image it is /usr/local's."""
    bases = [Path(candidate).resolve() for candidate in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3")]
    usable = [base for base in bases if base.exists() and all(one.stat().st_mode & 0o001 for one in base.parents)]
    if not usable:
        cannot("every Python of this machine is out of reach for other users")
    return str(usable[0])


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """What the image for stores on servers holds below /opt, read-only."""
    folder = Path(tempfile.mkdtemp(prefix="spanledger-image-"))  # readable for the user without rights
    folder.chmod(0o755)
    command = [str(ROOT / "image/build.sh"), str(folder / "spanledger"), "fast", "postgres"]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PYTHON"] = python_for_all()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    subprocess.run(["chmod", "-R", "a-w,a+rX", str(folder / "spanledger")], check=True)
    yield folder / "spanledger"
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.fixture
def writable() -> Iterator[Path]:
    """The volume of a container."""
    folder = Path(tempfile.mkdtemp(prefix="spanledger-volume-"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def as_nobody() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(tree: Path, writable: Path, *settings: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The image's command with its own configuration, on ports of the loopback interface."""
    ports = {"http": free_port(), "api": free_port(), "health": free_port()}
    config = writable / "config.yaml"
    text = (ROOT / "image/config.yaml").read_text().replace("/var/lib/spanledger", str(writable))
    config.write_text(text)
    overrides = [
        "receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
        f"receivers.otlp.protocols.http.endpoint=127.0.0.1:{ports['http']}",
        f"extensions.api.endpoint=127.0.0.1:{ports['api']}",
        f"extensions.health_check.endpoint=127.0.0.1:{ports['health']}",
        *settings,
    ]
    command = [*as_nobody(), str(tree / "bin/spanledger"), "serve", "--config", str(config)]
    for override in overrides:
        command += ["--set", override]
    environment = {
        "PATH": f"{tree}/bin:/usr/bin:/bin",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SPANLEDGER_CLICKHOUSE_ENDPOINT": "http://127.0.0.1:1",
    }
    process = subprocess.Popen(
        command, cwd=writable, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if '"msg": "ready"' in line:
                break
        else:
            raise AssertionError("".join(seen))
        yield process, {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    finally:
        process.terminate()
        process.communicate(timeout=60)


def call(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*as_nobody(), str(tree / "bin/spanledger"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env={"PATH": "/usr/bin:/bin"})


def post(url: str, body: bytes) -> int:
    import urllib.request

    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        status: int = answer.status
        return status


def test_the_tree_serves_and_stops_without_writing_to_itself(tree: Path, writable: Path) -> None:
    before = sorted(str(path) for path in tree.rglob("*"))
    with running(tree, writable) as (process, addresses):
        assert post(f"http://{addresses['http']}/v1/traces", span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
        assert call(tree, "health", addresses["health"]).returncode == 0
        process.terminate()
        process.wait(60)
    assert call(tree, "health", addresses["health"]).returncode == 1
    assert sorted(str(path) for path in tree.rglob("*")) == before


def test_the_decoder_and_the_mapping_are_compiled(tree: Path) -> None:
    told = call(tree, "components").stdout
    assert "decoder: compiled" in told
    assert "mapping: compiled" in told


def test_nothing_can_be_installed_into_it(tree: Path) -> None:
    assert not list(tree.glob("bin/pip*"))
    assert not list(tree.glob("lib/python*/site-packages/pip"))


def test_the_dockerfile_calls_the_script_and_drops_all_rights() -> None:
    assert len(re.findall(r"^RUN image/build\.sh /opt/spanledger fast postgres kafka", DOCKERFILE, re.MULTILINE)) == 2
    assert "USER 10001:10001" in DOCKERFILE
    assert 'ENTRYPOINT ["spanledger"]' in DOCKERFILE
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in DOCKERFILE


def test_what_the_dockerfile_copies_is_there() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert [path for path in kept if not (ROOT / path).exists()] == []
    assert {"spanledger", "image", "pyproject.toml", "setup.py", "constraints.txt"} <= set(kept)
