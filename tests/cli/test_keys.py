"""`spanledger keys new` prints keys that the configuration beside them knows."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from spanledger.access.caller import Caller, Role
from spanledger.access.projects import Projects
from spanledger.access.settings import ProjectsSettings
from spanledger.cli import main


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
