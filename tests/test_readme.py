"""Every command that the README and the documents show is run as it stands there; every link leads somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from spanledger.cli import main
from spanledger.config import default_text, load_config
from spanledger.config.rules import listeners
from tests.cli.serving import Serving, serving, span_body
from tests.cli.test_serve import address_of, post, runs, until

ROOT = Path(__file__).parent.parent
DOCUMENTS = ("README.md", "docs/configuration.md", "docs/run-model.md")
PROGRAM = ".venv/bin/spanledger"


def commands(document: str) -> Iterator[str]:
    """Each line of each `sh` block, without comments."""
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / document).read_text(), re.DOTALL):
        for line in block.splitlines():
            if command := line.partition("#")[0].strip():
                yield command


ALL = [(document, command) for document in DOCUMENTS for command in commands(document)]
OURS = [command for _, command in ALL if command.startswith(f"{PROGRAM} ")]


def test_every_command_is_one_that_a_test_runs() -> None:
    kinds = ("make ", "export OTEL_EXPORTER_OTLP_ENDPOINT=", "export LUNARY_API_URL=", f"{PROGRAM} ")
    assert [command for _, command in ALL if not command.startswith(kinds)] == []


@pytest.mark.parametrize("command", sorted({command for _, command in ALL if command.startswith("make ")}))
def test_make_knows_the_target(command: str) -> None:
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


def test_exported_endpoints_are_where_the_default_listens() -> None:
    endpoints = {command.partition("=")[2].removeprefix("http://") for _, command in ALL if "export " in command}
    assert endpoints <= {address for _, address in listeners(load_config(env={}))}
    assert endpoints


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run, each by itself: workers share them out."""
    folder: Path = tmp_path_factory.mktemp("readme")
    (folder / "spanledger.yaml").write_text(default_text())
    (folder / "traces-1.pb").write_bytes(span_body("00f067aa0ba902b7", "gpt-4o-mini"))
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Serving]:
    """A spanledger that holds one run."""
    with serving(folder) as process:
        url = f"http://{address_of(process, 'otlp over HTTP')}/v1/traces"
        assert post(url, span_body("00f067aa0ba902b7", "gpt-4o-mini")) == 200
        until(lambda: "gpt-4o-mini" in runs(address_of(process, "api")).output)
        yield process


READING = tuple(f"{PROGRAM} {name}" for name in ("runs", "usage", "tail"))


@pytest.mark.parametrize("command", [c for c in OURS if not c.startswith((*READING, f"{PROGRAM} serve"))])
def test_a_command_of_ours_works(command: str, folder: Path) -> None:
    line = command.replace(PROGRAM, f"{shlex.quote(sys.executable)} -P -m spanledger")
    done = subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True)  # noqa: S602
    assert done.returncode == 0, done.stderr
    assert done.stdout or ">" in command


@pytest.mark.parametrize("command", [c for c in OURS if c.startswith(READING)])
def test_commands_that_read_show_what_is_there(command: str, running: Serving) -> None:
    api = address_of(running, "api")
    run_id = re.search(r'"run_id": "([^"]+)"', runs(api, "--json").output)
    assert run_id
    words = [run_id[1] if word == "ID" else word for word in shlex.split(command)[1:]]
    once = ["--once"] if words[0] == "tail" else []
    result = CliRunner().invoke(main, [*words, *once, "--api", api])
    assert result.exit_code == 0, result.stderr
    assert "gpt-4o-mini" in result.output or "no runs" in result.output


@pytest.mark.parametrize("command", [c for c in OURS if c.startswith(f"{PROGRAM} serve")])
def test_serve_becomes_ready(command: str, tmp_path: Path) -> None:
    (tmp_path / "spanledger.yaml").write_text(default_text())
    with serving(tmp_path, arguments=tuple(shlex.split(command)[2:])) as process:
        process.wait_for(" is ready ")


@pytest.mark.parametrize("document", [*DOCUMENTS, "docs/architecture.md", "docs/mapping.md", "CHANGELOG.md"])
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    targets = {target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target}
    assert [target for target in targets if not ((ROOT / document).parent / target).exists()] == []


def test_ci_runs_the_readmes_test_command() -> None:
    assert re.search(r"^step test make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_ci_script_is_valid_bash() -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
