"""Postgres away, back, secured, older, newer: what the exporter answers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.errors import SchemaError, StoreError, StoreUnavailable
from spanledger.exporters.base import WRITTEN
from spanledger.exporters.postgres import PostgresSettings
from spanledger.exporters.postgres import partitions as partitions_module
from spanledger.exporters.postgres.connection import Pool
from spanledger.exporters.postgres.exporter import PostgresExporter
from spanledger.exporters.postgres.faults import LoginRefused
from spanledger.exporters.postgres.maintenance import turn_over
from tests.exporters.records import HOUR, PROJECT, as_json, make_run, recent
from tests.stores.ledger import open_ledger
from tests.stores.postgres import Server, binaries, make_postgres_settings

DAY = 24 * HOUR


@pytest.fixture
def own_server(postgres: Server) -> Iterator[Server]:
    """A server that a test may stop, or start with options of its own."""
    folder = binaries()
    assert folder is not None
    server = Server(folder)
    yield server
    server.remove()


async def test_a_server_that_is_away_is_worth_another_try(own_server: Server) -> None:
    settings = PostgresSettings(endpoint=own_server.endpoint, database="postgres")
    exporter = PostgresExporter(settings)
    with pytest.raises(StoreUnavailable, match=rf"connect to 127\.0\.0\.1:{own_server.port}"):
        await exporter.start()

    own_server.start()
    await exporter.start()
    run = make_run()
    assert await exporter.write([run], "1") == WRITTEN

    own_server.stop()
    answer = await exporter.write([make_run()], "2")
    assert answer.retry
    assert not answer.rejected

    own_server.start()
    again = make_run()
    answers = [await exporter.write([again], "3") for _ in range(4)]  # each broken connection is found out once
    assert answers[-1] == WRITTEN
    await exporter.close()


async def test_tls_and_a_password_that_is_wrong(own_server: Server, tmp_path: Path) -> None:
    key, certificate = own_server.home / "server.key", own_server.home / "server.crt"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    process = await asyncio.create_subprocess_exec(*made.split(), *names, stderr=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    key.chmod(0o600)
    own_server.own(key, certificate)
    authority = tmp_path / "ca.pem"
    authority.write_bytes(certificate.read_bytes())
    (own_server.data / "pg_hba.conf").write_text(
        "local all all trust\nhostssl all keeper 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n"
    )
    own_server.start("ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}")
    await own_server.execute("CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'right'")

    def settings(password: str, **tls: object) -> PostgresSettings:
        facts = {"endpoint": own_server.endpoint, "database": "postgres", "username": "keeper", "password": password}
        return PostgresSettings.model_validate({**facts, "tls": tls})

    verified = {"sslmode": "verify-full", "ca_file": str(authority)}
    ledger = open_ledger("postgres", settings("right", **verified))
    await ledger.start()
    run = make_run()
    assert await ledger.write(run) == WRITTEN
    assert await ledger.store.get_run(PROJECT, run.run_id) == as_json(run)
    await ledger.close()

    with pytest.raises(LoginRefused) as refused:
        await Pool(settings("wrong", **verified), size=1, timeout=5).open()
    assert "wrong" not in str(refused.value)
    with pytest.raises(StoreError):  # nothing but TLS is let in
        await Pool(settings("right", sslmode="disable"), size=1, timeout=5).open()
    with pytest.raises(StoreError, match="tls::ca_file: cannot read /nowhere"):
        await Pool(settings("right", sslmode="verify-ca", ca_file="/nowhere"), size=1, timeout=5).open()


async def test_a_newer_schema_is_refused(postgres: Server) -> None:
    settings = await make_postgres_settings(postgres)
    exporter = PostgresExporter(settings)
    await exporter.start()
    await exporter.close()
    pool = Pool(settings, size=1, timeout=5)
    await pool.open()
    async with pool.connection("test") as connection:
        await connection.execute("INSERT INTO spanledger.schema_migrations VALUES (99, 'from the future', '')")
    await pool.close()

    with pytest.raises(SchemaError, match="has schema revision 99, this program knows"):
        await PostgresExporter(settings).start()


async def test_a_database_that_is_not_there_is_named(postgres: Server) -> None:
    settings = PostgresSettings(endpoint=postgres.endpoint, database="nowhere")

    with pytest.raises(StoreUnavailable, match='database "nowhere" does not exist'):
        await PostgresExporter(settings).start()


async def test_nul_is_shown_and_named_and_stays_in_contents(postgres: Server) -> None:
    ledger = open_ledger("postgres", await make_postgres_settings(postgres))
    await ledger.start()
    run = make_run(name="a\0b", input="c\0d", tags=["\0"], metadata={"k\0": "v\0"}, user_id="u\0")

    assert await ledger.write(run) == WRITTEN

    found = await ledger.store.get_run(PROJECT, run.run_id)
    assert found is not None
    assert (found["name"], found["input"], found["tags"]) == ("a\ufffdb", "c\0d", ["\ufffd"])
    assert found["metadata"] == {"k\ufffd": "v\ufffd"}
    assert found["warnings"] == [f"nul_character:{name}" for name in ("name", "user_id", "tags", "metadata")]
    assert len(await ledger.listed(users=["u\0"])) == 1
    await ledger.close()


async def test_the_window_of_partitions_moves_with_the_time(postgres: Server) -> None:
    ledger = open_ledger("postgres", await make_postgres_settings(postgres))
    await ledger.start()
    ahead = make_run(started_at=recent() + 200 * DAY, input="ahead")
    assert await ledger.write(ahead) == WRITTEN
    pool = Pool(ledger.settings, size=1, timeout=30)
    await pool.open()

    async with pool.connection("test") as connection:
        assert await connection.fetchval("SELECT count(*) FROM spanledger.runs_future") == 1
        await turn_over(connection, ledger.settings, recent() + 199 * DAY)
        assert await connection.fetchval("SELECT count(*) FROM spanledger.runs_future") == 0
        window = (await partitions_module.known(connection, "spanledger"))["runs"]

    assert window.high > ahead.started_at
    assert await ledger.store.get_run(PROJECT, ahead.run_id) == as_json(ahead)
    await pool.close()
    await ledger.close()


async def test_retention_drops_whole_partitions(postgres: Server) -> None:
    ledger = open_ledger("postgres", await make_postgres_settings(postgres))
    await ledger.start()
    runs = {days: make_run(started_at=recent() - days * DAY, input=f"{days}") for days in (0, 40, 500)}
    await ledger.write(*runs.values())
    keeping = ledger.settings.model_copy(update={"runs_ttl_days": 400, "payloads_ttl_days": 30})
    pool = Pool(ledger.settings, size=1, timeout=30)
    await pool.open()

    async with pool.connection("test") as connection:
        await turn_over(connection, keeping, recent())
    await pool.close()

    found = {days: await ledger.store.get_run(PROJECT, run.run_id) for days, run in runs.items()}
    assert found[500] is None
    assert found[40] is not None
    assert found[40]["payload_expired"]
    assert found[0] == as_json(runs[0])
    # The process that wrote them knows partitions that are gone.
    assert await ledger.write(*runs.values()) == WRITTEN
    assert await ledger.store.get_run(PROJECT, runs[500].run_id) is not None
    await ledger.close()


def test_what_is_missing_is_said() -> None:
    code = """
import sys
sys.modules["asyncpg"] = None
from spanledger.errors import StoreError
import spanledger.exporters.postgres as postgres
try:
    postgres.PostgresExporter
except StoreError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout == "the exporter postgres needs the package asyncpg: pip install 'spanledger[postgres]'\n"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"endpoint": "http://db"}, "expected postgresql://host:5432"),
        ({"endpoint": "postgresql://ada:secret@db"}, "expected no user or password in the endpoint"),
        ({"endpoint": "postgresql://db/name"}, "expected no database in the endpoint"),
        ({"endpoint": "postgresql://db?sslmode=off"}, "TLS has its own keys"),
        ({"tls": {"sslmode": "verify-full"}}, "needs ca_file"),
        ({"tls": {"cert_file": "a"}}, "cert_file and key_file belong together"),
    ],
)
def test_settings_that_cannot_work_are_refused(facts: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        PostgresSettings.model_validate(facts)
    assert "secret" not in str(refused.value)
