"""Keys decide the project; what they may do; where clients put them."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest

from spanledger.access.caller import Role
from spanledger.access.keys import new_key, show_digest
from spanledger.access.projects import Projects
from spanledger.access.settings import ProjectsSettings
from spanledger.errors import ConfigError, PermissionDenied, Throttled, Unauthenticated

SHOP = {"id": "shop", "public_keys": ["public-of-shop"], "private_keys": ["private-of-shop"]}


async def projects(**settings: object) -> Projects:
    extension = Projects(ProjectsSettings.model_validate({"projects": [SHOP], **settings}))
    await extension.start()
    return extension


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer private-of-shop"},
        {"authorization": "bearer  private-of-shop "},
        {"authorization": "Bearer%20private-of-shop"},
        {"authorization": "private-of-shop"},
        {"x-api-key": "private-of-shop"},
        {"lunary-project-key": "private-of-shop"},
        basic("public-of-shop", "private-of-shop"),  # Langfuse
        basic("private-of-shop", ""),
        {"x-api-key": "of another system", "authorization": "Bearer private-of-shop"},
    ],
)
async def test_a_key_is_found_where_clients_put_it(headers: dict[str, str]) -> None:
    caller = (await projects()).authenticate(headers)
    assert (caller.project_id, caller.role) == ("shop", Role.PRIVATE)


async def test_a_public_key_sends_and_does_not_read() -> None:
    caller = (await projects()).authenticate({"x-api-key": "public-of-shop"})
    assert caller.project_id == "shop"
    with pytest.raises(PermissionDenied, match="needs a private key"):
        caller.must_read()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer private-of-sho"},
        {"authorization": "Basic not-base64"},
        {"authorization": "Bearer shop"},
        {"x-api-key": "x" * 100_000},
        {},
    ],
)
async def test_anything_else_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        (await projects()).authenticate(headers)


async def test_the_header_of_keys_is_configurable() -> None:
    extension = await projects(headers=["X-Shop-Key"])
    assert (extension.authenticate({"x-shop-key": "public-of-shop"})).project_id == "shop"
    with pytest.raises(Unauthenticated):
        extension.authenticate({"x-api-key": "public-of-shop"})


async def test_a_project_id_sends_where_that_is_switched_on() -> None:
    caller = (await projects(project_id_is_public_key=True)).authenticate({"authorization": "Bearer shop"})
    assert (caller.project_id, caller.role) == ("shop", Role.PUBLIC)


async def test_a_configuration_need_not_hold_the_key() -> None:
    key = new_key(Role.PRIVATE)
    extension = await projects(projects=[{"id": "a", "private_keys": [show_digest(key)]}])
    assert (extension.authenticate({"x-api-key": key})).project_id == "a"


@pytest.mark.parametrize("key", ["short", "sha256:12"])
def test_a_key_that_protects_nothing_is_refused_unquoted(key: str) -> None:
    with pytest.raises(ValueError, match=r"key|sha256") as raised:
        ProjectsSettings.model_validate({"projects": [{"id": "a", "public_keys": [key]}]})
    assert f"'{key}'" not in str(raised.value)


async def test_one_key_cannot_belong_to_two_projects() -> None:
    with pytest.raises(ConfigError, match=r"one key belongs to project shop .* and to project b"):
        await projects(projects=[SHOP, {"id": "b", "public_keys": ["public-of-shop"]}])


class TestFile:
    async def test_projects_of_a_file_join_those_of_the_configuration(self, tmp_path: Path) -> None:
        path = tmp_path / "projects.yaml"
        path.write_text("- id: lab\n  private_keys: [private-of-lab]\n")
        extension = await projects(file=path)
        try:
            assert (extension.authenticate({"x-api-key": "private-of-lab"})).project_id == "lab"
            assert (extension.authenticate({"x-api-key": "private-of-shop"})).project_id == "shop"
        finally:
            await extension.stop()

    async def test_a_changed_file_is_read_again(self, tmp_path: Path) -> None:
        path = tmp_path / "projects.yaml"
        path.write_text("[]")
        extension = await projects(file=path)
        try:
            path.write_text("- id: lab\n  private_keys: [private-of-lab]\n")
            assert extension.look()
            assert (extension.authenticate({"x-api-key": "private-of-lab"})).project_id == "lab"
        finally:
            await extension.stop()

    async def test_a_broken_change_leaves_all_as_it_was(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = tmp_path / "projects.yaml"
        path.write_text("- id: lab\n  private_keys: [private-of-lab]\n")
        extension = await projects(file=path)
        try:
            path.write_text("- id: lab\n  private_key: [private-of-lab-2]\n")
            assert not extension.look()
            assert (extension.authenticate({"x-api-key": "private-of-lab"})).project_id == "lab"
            (line,) = [record for record in caplog.records if record.message == "a changed file is not used"]
            assert line.__dict__["reason"] == "0::private_key: Extra inputs are not permitted"
        finally:
            await extension.stop()

    async def test_a_file_that_is_not_there_at_the_start_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="No such file"):
            await projects(file=tmp_path / "nothing.yaml")


class TestLimits:
    async def test_a_project_over_its_limit_hears_how_long_to_wait(self) -> None:
        extension = await projects(default_limits={"items_per_second": 10, "burst": 1})
        caller = extension.authenticate({"x-api-key": "public-of-shop"})
        extension.admit(caller)
        extension.charge(caller, items=40, size=0)
        with pytest.raises(Throttled, match="limit of 10 spans") as raised:
            extension.admit(caller)
        assert raised.value.retry_after == pytest.approx(3.1, abs=0.2)

    async def test_projects_do_not_pay_for_each_other(self) -> None:
        other = {"id": "lab", "public_keys": ["public-of-lab"]}
        extension = await projects(projects=[SHOP, other], default_limits={"items_per_second": 1})
        shop = extension.authenticate({"x-api-key": "public-of-shop"})
        lab = extension.authenticate({"x-api-key": "public-of-lab"})
        extension.charge(shop, items=1000, size=0)
        extension.admit(lab)
        with pytest.raises(Throttled):
            extension.admit(shop)


async def test_refused_attempts_are_told_once_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    extension = await projects()
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            with pytest.raises(Unauthenticated):
                extension.authenticate({"x-api-key": "secret-of-somebody", "user-agent": "sdk/1"})
    (line,) = caplog.records
    assert line.__dict__["user_agent"] == "sdk/1"
    assert line.__dict__["key_sha256"] == "73dfde6ef176…"
    assert "secret-of-somebody" not in str(line.__dict__)
    assert extension.refused == 50
