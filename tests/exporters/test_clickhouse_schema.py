"""Migrations and retention."""

from __future__ import annotations

import pytest

from spanledger.errors import SchemaError
from spanledger.exporters.clickhouse import ClickHouseSettings, migrations
from spanledger.exporters.clickhouse.columns import insert_columns
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.clickhouse.migrations import MIGRATIONS, migrate
from spanledger.exporters.clickhouse.reader import ClickHouseStore
from spanledger.exporters.schema import TABLES
from tests.exporters.ledger import Ledger, make_settings, opened
from tests.exporters.records import make_run, recent

CHECKSUMS = {
    1: "a0fd06b1bde4424e18fb5cd0f6d7429e826fe219a5ebe12367911cb6eb2fd367",
    2: "c20176cc8fe641326866be6d71fc2ef038c543e91c28d34e159cd9a086d558ec",
    3: "f8aaa847aea746a49058e1ec066147f8a627eaf69786b07b11bbe6afbbbee3f2",
    4: "1c976354153b1300465ae28e07a90ad7740421b9c881eddfd6d2a2e105b2fdfb",
    5: "9a95125513a677268084a360d799166160ef6f4e50b5e2efd43c330677e4dc03",
    6: "cc493e8e518257ad52e2fbb3d6ab6b35fbaef4c977a8e98daa799f970edec64c",
}
"""What was released stays as it is: change a migration by adding one."""


def test_released_migrations_do_not_change() -> None:
    assert {migration.revision: migration.checksum for migration in MIGRATIONS} == CHECKSUMS


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.revision for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


async def test_migrations_make_the_declared_columns(ledger: Ledger) -> None:
    rows = await ledger.query("SELECT table, name, type FROM system.columns WHERE database = '{db}' ORDER BY position")
    bookkeeping = ("ingested_at", "trace_key", "summary")

    for table in TABLES:
        names, types = insert_columns(table)
        made = [(name, type_) for of, name, type_ in rows if of == table.name and name not in bookkeeping]
        assert made == list(zip(names, types, strict=True))


def test_migrations_run_once(settings: ClickHouseSettings) -> None:
    with opened(settings) as connection:
        assert migrate(connection, settings) == list(MIGRATIONS)
        assert migrate(connection, settings) == []


def test_a_migration_that_stopped_half_way_is_finished(settings: ClickHouseSettings) -> None:
    with opened(settings) as connection:
        migrate(connection, settings)
        connection.command(f"DROP TABLE {settings.database}.scores")
        connection.command(f"TRUNCATE TABLE {settings.database}.schema_migrations")

        assert migrate(connection, settings) == list(MIGRATIONS)
        assert connection.query(f"SELECT count() FROM {settings.database}.scores") == [(0,)]


async def test_what_an_older_program_wrote_is_read_after_the_migration(
    settings: ClickHouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = "00000000-0000-8000-8000-000000000001"
    with opened(settings) as connection, monkeypatch.context() as older:
        older.setattr(migrations, "MIGRATIONS", MIGRATIONS[:1])
        migrate(connection, settings)
        connection.command(
            f"INSERT INTO {settings.database}.runs (project_id, run_id, started_at, cost_source, version) "
            f"SELECT 'default', '{run_id}', fromUnixTimestamp64Nano({recent()}), 'priced', 1"
        )
    exporter, store = ClickHouseExporter(settings), ClickHouseStore(settings)
    await exporter.start()
    await store.start()

    run = await store.get_run("default", run_id)

    await store.close()
    await exporter.close()
    assert run is not None
    assert (run["cost"]["source"], run["cost"]["service_tier"]) == ("priced", None)


async def test_a_newer_schema_is_refused(ledger: Ledger) -> None:
    await ledger.command("INSERT INTO {db}.schema_migrations (revision, name, checksum) VALUES (99, 'future', 'x')")

    with pytest.raises(SchemaError, match=r"has schema revision 99, this program knows 6: a newer spanledger wrote it"):
        await ClickHouseExporter(ledger.exporter.settings).start()


async def test_a_changed_migration_is_refused(ledger: Ledger) -> None:
    await ledger.command("TRUNCATE TABLE {db}.schema_migrations")
    await ledger.command("INSERT INTO {db}.schema_migrations (revision, name, checksum) VALUES (1, 'other', 'x')")

    with pytest.raises(SchemaError, match=r"migration 1 \(create the ledger\) is not the one that was applied"):
        await ClickHouseExporter(ledger.exporter.settings).start()


async def test_without_auto_migrate_a_missing_schema_is_refused(engine: str) -> None:
    settings = make_settings(engine, auto_migrate=False)

    with pytest.raises(SchemaError, match=r"lacks migration 1 .* run `spanledger migrate`"):
        await ClickHouseExporter(settings).start()
    with opened(settings) as connection:
        assert (
            connection.query("SELECT 1 FROM system.databases WHERE name = {name:String}", {"name": settings.database})
            == []
        )


async def test_without_auto_migrate_a_present_schema_is_used(ledger: Ledger) -> None:
    exporter = ClickHouseExporter(ledger.exporter.settings.model_copy(update={"auto_migrate": False}))
    await exporter.start()
    await exporter.close()


async def test_a_database_may_have_a_name_that_needs_quotes(engine: str) -> None:
    exporter = ClickHouseExporter(make_settings(engine, database="select-from"))
    await exporter.start()
    assert (await exporter.write([make_run()], "1")).retry is None
    await exporter.close()


def retention(settings: ClickHouseSettings) -> dict[str, str]:
    with opened(settings) as connection:
        return dict(
            connection.query(
                "SELECT name, extract(engine_full, 'toIntervalDay\\\\((\\\\d+)\\\\)') FROM system.tables "
                "WHERE database = {database:String} AND engine LIKE '%MergeTree' "
                "AND name NOT IN ('schema_migrations', 'deletions')",
                {"database": settings.database},
            )
        )


async def test_retention_follows_the_settings(engine: str) -> None:
    settings = make_settings(engine, runs_ttl_days=400, payloads_ttl_days=30)
    for runs, payloads in ((400, 30), (90, 7), (0, 7), (0, 0)):
        changed = settings.model_copy(update={"runs_ttl_days": runs, "payloads_ttl_days": payloads})
        exporter = ClickHouseExporter(changed)
        await exporter.start()
        await exporter.close()

        days = {table.name: payloads if table.name == "run_payloads" else runs for table in TABLES}
        assert retention(settings) == {name: str(value or "") for name, value in days.items()}


async def test_inserts_are_synced_as_the_settings_say(engine: str) -> None:
    settings = make_settings(engine)
    for fsync in (True, False, True):
        embedded = settings.embedded.model_copy(update={"fsync": fsync})
        exporter = ClickHouseExporter(settings.model_copy(update={"embedded": embedded}))
        await exporter.start()
        await exporter.close()

        with opened(settings) as connection:
            synced = connection.query(
                "SELECT DISTINCT position(engine_full, 'fsync_after_insert = 1, fsync_part_directory = 1') > 0 "
                f"FROM system.tables WHERE database = '{settings.database}' AND engine LIKE '%MergeTree' "
                "AND name NOT IN ('schema_migrations', 'deletions')"
            )
        assert synced == [(int(fsync),)]


async def test_what_passed_its_retention_goes_and_the_rest_stays(engine: str) -> None:
    settings = make_settings(engine, runs_ttl_days=400, payloads_ttl_days=30)
    exporter = ClickHouseExporter(settings)
    await exporter.start()
    day = 86_400
    far = 9_214_646_400_000_000_000
    ages = {"new": recent(), "month": recent(40 * day), "years": recent(500 * day), "future": far}
    await exporter.write([make_run(name=name, started_at=at) for name, at in ages.items()], "1")

    with opened(settings) as connection:
        for table in ("runs", "run_payloads"):
            connection.command(f"OPTIMIZE TABLE {settings.database}.{table} FINAL")
        runs = connection.query(f"SELECT name FROM {settings.database}.runs ORDER BY name")
        payloads = connection.query(f"SELECT count() FROM {settings.database}.run_payloads")
    await exporter.close()

    assert [name for (name,) in runs] == ["future", "month", "new"]
    assert payloads == [(2,)]
