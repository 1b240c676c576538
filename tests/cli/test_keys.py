"""`spanledger keys`: keys for the configuration, and in a store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from spanledger.access.caller import Caller, Role
from spanledger.access.keys import digest
from spanledger.access.projects import Projects
from spanledger.access.settings import ProjectsSettings
from spanledger.cli import main
from tests.cli.serving import serving, span_body
from tests.cli.test_serve import address_of, post, until


async def test_the_entry_knows_the_keys_and_holds_none() -> None:
    answer = CliRunner().invoke(main, ["keys", "new", "shop", "--json"])
    assert answer.exit_code == 0
    made = json.loads(answer.output)
    assert made["private_key"] not in json.dumps(made["project"])
    extension = Projects(ProjectsSettings.model_validate({"projects": [made["project"]]}))
    await extension.start()
    for role in Role:
        caller = extension.authenticate({"x-api-key": made[f"{role}_key"]})
        assert isinstance(caller, Caller)
        assert (caller.project_id, caller.role) == ("shop", role)


def test_the_text_is_a_list_for_the_configuration() -> None:
    answer = CliRunner().invoke(main, ["keys", "new", "shop"])
    assert "- id: shop\n  public_keys:\n  - sha256:" in answer.output


@pytest.mark.parametrize("project", ["", "two words", "x" * 129])
def test_an_id_that_no_header_could_carry_is_refused(project: str) -> None:
    answer = CliRunner().invoke(main, ["keys", "new", project])
    assert (answer.exit_code, "at most 128 characters" in answer.output) == (2, True)


CONFIG = """\
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  clickhouse: {{endpoint: "chdb://{folder}/ledger"}}
extensions:
  projects: {{store: clickhouse, check_interval: 1h}}
service:
  extensions: [projects]
  pipelines:
    traces: {{receivers: [otlp], exporters: [clickhouse]}}
"""


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    file = tmp_path / "spanledger.yaml"
    file.write_text(CONFIG.format(folder=tmp_path))
    return file


def keys(configured: Path, *arguments: str) -> str:
    """In a process of its own: one process opens one embedded store."""
    command = [sys.executable, "-m", "spanledger", "keys", *arguments, "--config", str(configured)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_keys_of_a_store_are_added_listed_and_revoked(configured: Path) -> None:
    key = keys(configured, "add", "shop", "--role", "private", "--note", "back office")
    (made,) = json.loads(keys(configured, "ls", "--json"))
    assert (made["digest"], made["role"], made["project_id"]) == (digest(key).hex(), "private", "shop")
    assert key not in keys(configured, "ls")
    assert keys(configured, "revoke", made["digest"][:12]) == f"revoked {made['digest'][:12]} of project shop"
    assert "revoked" in keys(configured, "ls", "--project", "shop")


def test_a_key_of_the_store_opens_the_receiver(configured: Path, tmp_path: Path) -> None:
    key = keys(configured, "add", "shop")
    body = span_body("00f067aa0ba902b7", "gpt-4o")
    with serving(tmp_path, arguments=("--config", str(configured))) as process:
        url = f"http://{address_of(process, 'otlp over HTTP')}/v1/traces"
        until(lambda: post(url, body, {"x-api-key": key}) == 200)
        assert post(url, body, {"x-api-key": "key of bank"}) == 401
