"""The same tables on every server of a cluster, from the statements for one server.

Each table becomes two: `<name>_local` holds a shard's rows and replicates them, `<name>` is the whole. All versions of
a row have one id and lie on one shard, chosen by it, so merges and `FINAL` find them as on one server. The servers need
the macros `{shard}` and `{replica}`, and ClickHouse Keeper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from spanledger.errors import StoreError
from spanledger.exporters.clickhouse.tables import identifier, literal
from spanledger.exporters.keys import TABLE as KEYS_TABLE
from spanledger.exporters.migrations import TABLE as MIGRATIONS_TABLE

_TABLE: Final = r"\{database\}\.`(?P<name>\w+)`"
_CREATE: Final = re.compile(rf"CREATE TABLE IF NOT EXISTS {_TABLE} (?P<rest>\(.*)", re.DOTALL)
_ALTER: Final = re.compile(rf"ALTER TABLE {_TABLE} (?P<rest>.*)", re.DOTALL)
_PLAIN: Final = re.compile(rf"(?P<verb>TRUNCATE|DETACH|ATTACH|DROP) TABLE {_TABLE}(?P<rest>.*)")
_EXCHANGE: Final = re.compile(rf"EXCHANGE TABLES {_TABLE} AND {_TABLE.replace('name', 'other')}")
_VIEW: Final = re.compile(rf"CREATE OR REPLACE VIEW {_TABLE} (?P<rest>AS .*)", re.DOTALL)
_CODEC: Final = re.compile(r" CODEC\(ZSTD\(\d+\)\)")
_SHARD_BY: Final = {
    "runs": "run_id",
    "run_payloads": "run_id",
    "scores": "score_id",
    "threads": "thread_id",
    "metrics": "metric_id",
}

_EVERYWHERE: Final = (MIGRATIONS_TABLE, KEYS_TABLE, "deletions")

INSERT_SETTINGS: Final = {"insert_distributed_sync": 1}
"""An insert answers when every shard has its rows."""
QUERY_SETTINGS: Final = {"distributed_product_mode": "local"}
"""A subquery on the ids of rows finds them on the shard that asks."""


def on_cluster(statement: str, cluster: str) -> Iterator[str]:
    """The statements that do on every server what one does on a single server. `{database}` stays as it is."""
    on = f"ON CLUSTER {identifier(cluster)}"
    if found := _CREATE.fullmatch(statement):
        yield from _create(found["name"], found["rest"], cluster)
    elif found := _ALTER.fullmatch(statement):
        yield f"ALTER TABLE {_name(found['name'], local=True)} {on} {found['rest']}"
        yield f"ALTER TABLE {_name(found['name'])} {on} {_CODEC.sub('', found['rest'])}"
    elif found := _PLAIN.fullmatch(statement):
        yield f"{found['verb']} TABLE {_name(found['name'], local=True)} {on}{found['rest']}"
        if found["verb"] == "DROP":
            yield f"DROP TABLE {_name(found['name'])} {on}{found['rest']}"
    elif found := _EXCHANGE.fullmatch(statement):
        pair = (found["name"], found["other"])
        yield f"EXCHANGE TABLES {_name(pair[0], local=True)} AND {_name(pair[1], local=True)} {on}"
        for name in pair:
            yield _whole(name, cluster, "CREATE OR REPLACE TABLE")  # its columns are those of the other one now
    elif found := _VIEW.fullmatch(statement):
        yield f"CREATE OR REPLACE VIEW {_name(found['name'])} {on} {found['rest']}"
    elif statement.startswith("INSERT INTO "):
        setting = "".join(f"{name} = {value}, " for name, value in INSERT_SETTINGS.items())
        yield statement.replace(" SETTINGS ", f" SETTINGS {setting}")
    else:
        raise StoreError(f"no form for a cluster is known of: {statement.split(None, 4)[:4]}")


def _create(name: str, rest: str, cluster: str) -> Iterator[str]:
    on = f"ON CLUSTER {identifier(cluster)}"
    rest = rest.replace("non_replicated_deduplication_window", "replicated_deduplication_window")
    if name in _EVERYWHERE:  # every server has all of it
        place = "'/clickhouse/tables/{uuid}/all', '{shard}-{replica}', "
        replicated = rest.replace("ENGINE = ReplacingMergeTree(", f"ENGINE = ReplicatedReplacingMergeTree({place}")
        yield f"CREATE TABLE IF NOT EXISTS {_name(name)} {on} {replicated}"
        return
    place = "'/clickhouse/tables/{uuid}/{shard}', '{replica}', "
    replicated = rest.replace("ENGINE = ReplacingMergeTree(", f"ENGINE = ReplicatedReplacingMergeTree({place}")
    yield f"CREATE TABLE IF NOT EXISTS {_name(name, local=True)} {on} {replicated}"
    yield _whole(name, cluster, "CREATE TABLE IF NOT EXISTS")


def _whole(name: str, cluster: str, create: str) -> str:
    shard = _SHARD_BY[name.removesuffix("_new")]
    return (
        f"{create} {_name(name)} ON CLUSTER {identifier(cluster)} AS {_name(name, local=True)} "
        f"ENGINE = Distributed({literal(cluster)}, {{database}}, {literal(f'{name}_local')}, cityHash64({shard}))"
    )


def _name(name: str, *, local: bool = False) -> str:
    return f"{{database}}.{identifier(f'{name}_local' if local else name)}"
