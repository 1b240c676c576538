"""`spanledger keys`: keys for the configuration, and in a store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from spanledger.access.caller import Caller, Role
from spanledger.access.keys import digest
from spanledger.access.projects import Projects
from spanledger.access.settings import ProjectsSettings
from spanledger.cli import main
from spanledger.config import Kind, load_config
from spanledger.config.ids import parse_id
from spanledger.exporters.clickhouse.admin import ClickHouseAdmin
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.keys import StoredKey
from spanledger.service import Service
from tests.cli.serving import span_body


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


def test_keys_of_a_store_are_added_listed_and_revoked(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    file.write_text(CONFIG.format(folder=tmp_path))

    def keys(*arguments: str) -> str:
        command = [sys.executable, "-m", "spanledger", "keys", *arguments, "--config", str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    key = keys("add", "shop", "--role", "private", "--note", "back office")
    (made,) = json.loads(keys("ls", "--json"))
    assert (made["digest"], made["role"], made["project_id"]) == (digest(key).hex(), "private", "shop")
    assert key not in keys("ls")
    assert keys("revoke", made["digest"][:12]) == f"revoked {made['digest'][:12]} of project shop"
    assert "revoked" in keys("ls", "--project", "shop")


async def test_a_key_of_the_store_opens_the_receiver(tmp_path: Path) -> None:
    file = tmp_path / "spanledger.yaml"
    file.write_text(CONFIG.format(folder=tmp_path))
    config = load_config([file], env={})
    service = Service(config)
    await service.start()
    try:
        settings = config.components[Kind.EXPORTERS][parse_id("clickhouse")]
        assert isinstance(settings, ClickHouseSettings)
        admin = ClickHouseAdmin(settings)
        await admin.start()
        stored = StoredKey(project_id="shop", digest=digest("key of shop").hex(), role="public", changed_ns=1)
        await admin.save_key(stored)
        await admin.close()
        assert await service.authenticator("projects").look_at_store()
        url = service.endpoints()["otlp over HTTP"] + "/v1/traces"
        found = []
        async with aiohttp.ClientSession() as session:
            for key in ("key of shop", "key of bank"):
                headers = {"Content-Type": "application/json", "x-api-key": key}
                body = span_body("00f067aa0ba902b7", "gpt-4o")
                async with session.post(url, data=body, headers=headers) as answer:
                    found.append(answer.status)
        assert found == [200, 401]
    finally:
        await service.stop(0)
