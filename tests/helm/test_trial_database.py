"""The bundled databases: their objects fit each other, and what spanledger is told opens a real server made so."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from asyncpg import connect

from tests.helm.chart import Rendered, name, render
from tests.helm.pod import PASSWORD, Pod
from tests.stores.postgres import Server, postgres

__all__ = ["postgres"]

pytestmark = [pytest.mark.helm, pytest.mark.timeout(300)]
KINDS = ("postgres", "clickhouse")


def parts(kind: str) -> tuple[Rendered, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Everything, then the database's service, pod template and container."""
    rendered = render(f"trial-{kind}")
    service = rendered.one("Service", f"demo-spanledger-trial-{kind}")
    template = rendered.one("StatefulSet", f"demo-spanledger-trial-{kind}")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return rendered, service, template, container


@pytest.mark.parametrize("kind", KINDS)
def test_spanledger_finds_it_through_its_service(kind: str) -> None:
    rendered, service, template, container = parts(kind)
    (port,) = service["spec"]["ports"]
    (listening,) = container["ports"]
    host = rendered.config()["exporters"][kind]["endpoint"].partition("//")[2]

    assert host == f"{name(service)}:{port['port']}"
    assert port["targetPort"] == listening["name"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert template["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_read_one_password(kind: str) -> None:
    rendered, _, _, container = parts(kind)
    (secret,) = rendered.of("Secret")
    (ours,) = [one["valueFrom"]["secretKeyRef"] for one in rendered.container()["env"] if "valueFrom" in one]
    (its,) = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one]

    assert ours == its == {"name": name(secret), "key": "password"}
    assert len(base64.b64decode(secret["data"]["password"])) >= 24


@pytest.mark.parametrize("kind", KINDS)
def test_user_and_database_are_those_that_spanledger_names(kind: str) -> None:
    rendered, _, _, container = parts(kind)
    told = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    exporter = rendered.config()["exporters"][kind]

    user = "POSTGRES_USER" if kind == "postgres" else "CLICKHOUSE_USER"
    assert told[user] == exporter["username"]
    if kind == "postgres":
        assert told["POSTGRES_DB"] == exporter["database"]
        assert exporter["tls"]["sslmode"] in ("disable", "prefer", "allow"), "the image has no certificate"


@pytest.mark.parametrize("kind", KINDS)
def test_every_place_that_it_writes_to_is_a_volume(kind: str) -> None:
    _, _, template, container = parts(kind)
    volumes = {one["name"] for one in template["spec"]["volumes"]}
    mounted = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert set(mounted.values()) - volumes <= {"data"}, "data may be a volume claim"
    told = {one["name"]: one.get("value", "") for one in container["env"]}
    if kind == "postgres":
        assert told["PGDATA"].startswith(next(path for path, volume in mounted.items() if volume == "data"))
        assert "/var/run/postgresql" in mounted
    else:
        assert {"/var/lib/clickhouse", "/etc/clickhouse-server/users.d"} <= mounted.keys()


async def test_a_server_made_as_the_image_makes_it_takes_spanledger(postgres: Server, tmp_path: Path) -> None:
    rendered, _, _, container = parts("postgres")
    told = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    server = await connect(host="127.0.0.1", port=postgres.port, user="postgres", database="postgres")
    try:
        quoted = PASSWORD.replace("'", "''")
        # What the image's entry point does with these variables.
        if told["POSTGRES_USER"] != "postgres":
            await server.execute(f"CREATE ROLE \"{told['POSTGRES_USER']}\" SUPERUSER LOGIN PASSWORD '{quoted}'")
        await server.execute(f'CREATE DATABASE "{told["POSTGRES_DB"]}"')
    finally:
        await server.close()
    pod = Pod(tmp_path, rendered)

    done = pod.spanledger("migrate", f"--set=exporters.postgres.endpoint={postgres.endpoint}")

    assert done.returncode == 0, done.stderr
    assert "postgres: applied 1, " in done.stdout
    await postgres.drop_database(told["POSTGRES_DB"])
