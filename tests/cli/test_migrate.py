"""`spanledger migrate` on a real embedded store."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spanledger.cli import main
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.migrations import MIGRATIONS, migrate
from tests.exporters.ledger import make_settings, opened

CONFIG = """\
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
exporters:
  clickhouse: {{endpoint: '{endpoint}', database: {database}, auto_migrate: false}}
  debug:
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [clickhouse, debug]}}
"""


class Migrate:
    """The command against a database of one's own, which holds nothing yet."""

    def __init__(self, engine: str, folder: Path) -> None:
        self.settings = make_settings(engine)
        self.config = folder / "spanledger.yaml"
        self.config.write_text(CONFIG.format(endpoint=engine, database=self.settings.database))

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["migrate", "--config", str(self.config), *arguments])

    def revisions(self) -> list[int]:
        with opened(self.settings) as connection:
            there = connection.query(
                "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = 'schema_migrations'",
                {"database": self.settings.database},
            )
            if not there:
                return []
            rows = connection.query(f"SELECT revision FROM {self.settings.database}.schema_migrations ORDER BY 1")
            return [revision for (revision,) in rows]


@pytest.fixture
def migrate_command(engine: str, tmp_path: Path) -> Migrate:
    return Migrate(engine, tmp_path)


def test_each_store_is_brought_up_to_date_once(migrate_command: Migrate) -> None:
    first, second = migrate_command(), migrate_command()

    assert first.exit_code == 0, first.output
    assert first.output.splitlines() == [f"clickhouse: applied {m.revision}, {m.name}" for m in MIGRATIONS]
    assert "is up to date" in second.output
    assert migrate_command.revisions() == list(range(1, len(MIGRATIONS) + 1))


def test_a_dry_run_prints_the_sql_and_changes_nothing(migrate_command: Migrate) -> None:
    shown = migrate_command("--dry-run")

    assert shown.exit_code == 0, shown.output
    assert f"CREATE TABLE IF NOT EXISTS `{migrate_command.settings.database}`.`runs`" in shown.output
    assert "-- 1: create the ledger" in shown.output
    assert migrate_command.revisions() == []


def test_a_dry_run_of_what_is_up_to_date_prints_no_sql(migrate_command: Migrate) -> None:
    migrate_command()

    lines = migrate_command("--dry-run").output.splitlines()

    assert [line for line in lines if line and not line.startswith("--")] == []


def test_an_exporter_without_a_store_cannot_be_named(migrate_command: Migrate) -> None:
    refused = migrate_command("--exporter", "debug")

    assert refused.exit_code == 2
    assert "(there are: clickhouse)" in refused.output


def test_a_newer_store_is_refused_with_what_to_do(migrate_command: Migrate) -> None:
    migrate_command()
    with opened(migrate_command.settings) as connection:
        connection.command(
            f"INSERT INTO {migrate_command.settings.database}.schema_migrations (revision, name, checksum) "
            "VALUES (99, 'future', 'x')"
        )

    refused = migrate_command()

    assert refused.exit_code == 1
    assert "a newer spanledger wrote it, use that version or a newer one" in refused.output


async def test_two_processes_that_start_together_migrate_once(settings: ClickHouseSettings) -> None:
    together = threading.Barrier(2)

    def start() -> int:
        with opened(settings) as connection:
            together.wait()
            return len(migrate(connection, settings))

    applied = await asyncio.gather(asyncio.to_thread(start), asyncio.to_thread(start))

    assert sorted(applied) == [0, len(MIGRATIONS)]
