"""SQL that deletes from the tables: what belongs to a run, a user's runs or a project, and what passed a project's
retention.

A row is a run's when it is its span, or a log record of it. Data points belong to a project and to nobody in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from spanledger.exporters.clickhouse.erase import TOMBSTONE
from spanledger.exporters.clickhouse.otel import schema
from spanledger.exporters.clickhouse.otel.tables import LOGS, PROJECT, TRACES, all_tables, table_name
from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.exporters.clickhouse.tables import Tables, identifier, literal
from spanledger.exporters.schema import RUNS
from spanledger.exporters.store import Deletion


def deletions(settings: ClickHouseSettings, what: Deletion) -> Iterator[str]:
    """The mutations, once the tombstones of runs stand."""
    project = f"{PROJECT} = {literal(what.project_id)}"
    if what.run_id is not None or what.user_id is not None:
        dead = (
            f"(TraceId, SpanId) IN (SELECT trace_id, span_id FROM {Tables.of(settings).read(RUNS)} "
            f"WHERE project_id = {literal(what.project_id)} AND {TOMBSTONE} AND span_id != '')"
        )
        for table in (TRACES, LOGS):
            yield f"{schema.delete_from(settings, table)} {project} AND {dead}"
        return
    traces = f"{identifier(settings.raw_database)}.{identifier(table_name(TRACES, settings))}"
    yield (f"{schema.lookup_alter(settings)} DELETE WHERE TraceId IN (SELECT TraceId FROM {traces} WHERE {project})")
    for table in all_tables():
        yield f"{schema.delete_from(settings, table)} {project}"


def expirations(settings: ClickHouseSettings, project_id: str, before_ns: int) -> Iterator[tuple[str, str, str]]:
    """(table, condition, mutation) as `spanledger.exporters.clickhouse.erase.expirations` has them."""
    for table in all_tables():
        old = (
            f"{PROJECT} = {literal(project_id)} "
            f"AND {identifier(table.time)} < fromUnixTimestamp64Nano(toInt64({before_ns}))"
        )
        name = f"{identifier(settings.raw_database)}.{identifier(table_name(table, settings))}"
        yield name, old, f"{schema.delete_from(settings, table)} {old}"
