"""The form of the schema for a cluster, by its text; one server executes the same statements in the other tests."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from spanledger.exporters.clickhouse import ClickHouseSettings, ddl
from spanledger.exporters.clickhouse.cluster import on_cluster
from spanledger.exporters.clickhouse.erase import deletions
from spanledger.exporters.clickhouse.migrations import MIGRATIONS, statements
from spanledger.exporters.clickhouse.tables import Tables
from spanledger.exporters.clickhouse.views import VIEWS
from spanledger.exporters.schema import TABLES
from spanledger.exporters.store import Deletion
from tests.exporters.ledger import Ledger

SETTINGS = ClickHouseSettings(endpoint="http://127.0.0.1:8123", database="ledger", cluster="all")
ALL = [statement for migration in MIGRATIONS for statement in statements(migration, SETTINGS)]


async def test_clickhouse_reads_every_statement(ledger: Ledger) -> None:
    for statement in ALL:
        quoted = statement.replace("\\", "\\\\").replace("'", "\\'")
        assert await ledger.query(f"SELECT length(formatQuery('{quoted}')) > 0") == [(1,)]


def test_every_change_of_a_table_happens_on_all_servers() -> None:
    changes = [statement for statement in ALL if not statement.startswith("INSERT ")]

    assert [statement for statement in changes if " ON CLUSTER `all`" not in statement] == []
    assert [statement for statement in ALL if re.search(r"\{(database|settings)\}", statement)] == []


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_a_table_is_replicated_on_its_shard_and_whole_under_its_name(table: str) -> None:
    (local,) = [text for text in ALL if text.startswith(f"CREATE TABLE IF NOT EXISTS `ledger`.`{table}_local` ")]
    (whole,) = [text for text in ALL if text.startswith(f"CREATE TABLE IF NOT EXISTS `ledger`.`{table}` ")]

    place = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
    assert f"ENGINE = ReplicatedReplacingMergeTree({place}, version, is_deleted)" in local
    assert " replicated_deduplication_window = 1000" in local
    assert re.search(
        rf"AS `ledger`.`{table}_local` ENGINE = Distributed\('all', `ledger`, '{table}_local', cityHash64\(\w+_id\)\)",
        whole,
    )


def test_a_rebuilt_table_is_made_whole_again_with_its_new_columns() -> None:
    exchange = ALL.index("EXCHANGE TABLES `ledger`.`runs_new_local` AND `ledger`.`runs_local` ON CLUSTER `all`")

    after = ALL[exchange + 1 : exchange + 8]
    assert after[1].startswith("CREATE OR REPLACE TABLE `ledger`.`runs` ON CLUSTER `all` AS `ledger`.`runs_local` ")
    assert after[2:4] == [
        "DETACH TABLE `ledger`.`runs_new_local` ON CLUSTER `all` SYNC",
        "ATTACH TABLE `ledger`.`runs_new_local` ON CLUSTER `all`",
    ]
    assert after[4].startswith("INSERT INTO `ledger`.`runs` (")
    assert " FROM `ledger`.`runs_new` WHERE ingested_at >= now() - toIntervalDay(3) SETTINGS insert_dist" in after[4]
    assert after[5:] == [
        "DROP TABLE `ledger`.`runs_new_local` ON CLUSTER `all` SYNC",
        "DROP TABLE `ledger`.`runs_new` ON CLUSTER `all` SYNC",
    ]


def test_added_columns_come_to_the_parts_first() -> None:
    added = [text for text in ALL if "ADD COLUMN IF NOT EXISTS `service_tier`" in text]

    assert [text.split()[2] for text in added] == ["`ledger`.`runs_local`", "`ledger`.`runs`"]


def test_every_server_has_all_migrations() -> None:
    (made,) = on_cluster(ddl.create_migrations_table(), "all")

    assert "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}', applied_at)" in made


def test_views_read_the_whole() -> None:
    views = [text for text in ALL if text.startswith("CREATE OR REPLACE VIEW ")]

    assert len(views) == len(VIEWS)
    assert [text for text in views if " FROM `ledger`.`runs` FINAL" not in text] == []


def test_rows_are_deleted_where_they_lie() -> None:
    mutations = list(deletions(Tables.of(SETTINGS), Deletion("p", user_id="ada")))

    assert [
        text for text in mutations if not re.match(r"ALTER TABLE `ledger`.`\w+_local` ON CLUSTER `all` ", text)
    ] == []


def test_the_embedded_engine_is_no_cluster() -> None:
    with pytest.raises(ValidationError, match="expected the endpoint of a server"):
        ClickHouseSettings(cluster="all")
