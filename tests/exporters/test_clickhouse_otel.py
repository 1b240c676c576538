"""The tables of the Collector's exporter, written and read in the real engine."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from spanledger.errors import SchemaError
from spanledger.exporters.base import WRITTEN
from spanledger.exporters.clickhouse import ClickHouseSettings
from spanledger.exporters.clickhouse.admin import ClickHouseAdmin
from spanledger.exporters.clickhouse.exporter import ClickHouseExporter
from spanledger.exporters.clickhouse.otel import OtelTablesExporter
from spanledger.exporters.clickhouse.otel import schema as otel_schema
from spanledger.exporters.clickhouse.otel.values import number
from spanledger.exporters.store import Deletion
from spanledger.model.received import Signal, Telemetry
from spanledger.service import parse_protobuf
from tests.exporters.ledger import make_settings, opened
from tests.exporters.otel_requests import (
    AT,
    SPAN_ID,
    TRACE_ID,
    attribute,
    base64_of,
    logs,
    metrics,
    point,
    span,
    spans,
)
from tests.exporters.records import make_run

DAY_NS = 86_400 * 10**9


@pytest.fixture
def settings(engine: str) -> ClickHouseSettings:
    return make_settings(engine, otel_tables=True)


@contextlib.asynccontextmanager
async def writing(settings: ClickHouseSettings, signal: Signal) -> AsyncIterator[OtelTablesExporter]:
    exporter = OtelTablesExporter(settings, parse_protobuf, signal)
    await exporter.start()
    yield exporter
    await exporter.close()


async def write(settings: ClickHouseSettings, *batch: Telemetry) -> None:
    async with writing(settings, batch[0].signal) as exporter:
        assert await exporter.write(batch, "") == WRITTEN


def query(settings: ClickHouseSettings, sql: str) -> list[tuple[Any, ...]]:
    with opened(settings) as connection:
        return connection.query(sql.replace("{db}", settings.raw_database))


def count(settings: ClickHouseSettings, table: str = "otel_traces") -> int:
    ((found,),) = query(settings, f"SELECT count() FROM {{db}}.{table}")
    return int(found)


async def test_a_span_has_the_row_that_the_collector_writes(settings: ClickHouseSettings) -> None:
    one = span(
        parent_span_id=base64_of(SPAN_ID[::-1]),
        trace_state="vendor=1",
        status={"code": 2, "message": "refused"},
        attributes=[
            attribute("text", string_value="é"),
            attribute("count", int_value="7"),
            attribute("whole", double_value=2.0),
            attribute("part", double_value=0.25),
            attribute("flag", bool_value=True),
            attribute("bytes", bytes_value=base64_of(b"\0\1")),
            attribute("list", array_value={"values": [{"string_value": "a"}, {"int_value": "1"}, {}]}),
            attribute("map", kvlist_value={"values": [attribute("k", double_value=1.5)]}),
            attribute("nothing"),
        ],
        events=[
            {
                "time_unix_nano": str(AT + 5),
                "name": "gen_ai.choice",
                "attributes": [attribute("index", int_value="0")],
            }
        ],
        links=[{"trace_id": base64_of(TRACE_ID), "span_id": base64_of(SPAN_ID), "trace_state": "a=b"}],
    )

    await write(settings, spans(one))

    (row,) = query(
        settings,
        "SELECT Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, "
        "ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage, "
        "Events.Timestamp, Events.Name, Events.Attributes, Links.TraceId, Links.SpanId, Links.TraceState, "
        "Links.Attributes, SpanledgerProjectId FROM {db}.otel_traces",
    )
    assert row == (
        *(AT, TRACE_ID.hex(), SPAN_ID.hex(), SPAN_ID[::-1].hex(), "vendor=1", "chat gpt-5", "Client", "shop"),
        *({"service.name": "shop"}, "openai", "1.2"),
        {
            "text": "é",
            "count": "7",
            "whole": "2",
            "part": "0.25",
            "flag": "true",
            "bytes": "AAE=",
            "list": '["a",1,null]',
            "map": '{"k":1.5}',
            "nothing": "",
        },
        *(10**9, "Error", "refused"),
        *([AT + 5], ["gen_ai.choice"], [{"index": "0"}]),
        *([TRACE_ID.hex()], [SPAN_ID.hex()], ["a=b"], [{}], "default"),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e21, "1e+21"), (1e20, "1" + "0" * 20), (1e-7, "1e-7"), (0.00001, "0.00001"), (-2.5, "-2.5"), (0.0, "0")],
)
def test_doubles_read_as_in_go(value: float, text: str) -> None:
    assert number(value) == text


async def test_a_span_without_facts_has_a_row_too(settings: ClickHouseSettings) -> None:
    await write(settings, spans({"trace_id": base64_of(bytes(16)), "end_time_unix_nano": "0"}, resource={}))

    assert query(settings, "SELECT TraceId, SpanKind, StatusCode, ServiceName, Duration FROM {db}.otel_traces") == [
        ("", "Unspecified", "Unset", "", 0)
    ]
    assert count(settings, "otel_traces_trace_id_ts") == 0


async def test_a_log_record_has_the_row_that_the_collector_writes(settings: ClickHouseSettings) -> None:
    record = {
        "observed_time_unix_nano": str(AT),
        "trace_id": base64_of(TRACE_ID),
        "span_id": base64_of(SPAN_ID),
        "flags": 1,
        "severity_text": "INFO",
        "severity_number": 9,
        "body": {"kvlist_value": {"values": [attribute("content", string_value="hi")]}},
        "attributes": [attribute("gen_ai.system", string_value="openai")],
        "event_name": "gen_ai.user.message",
    }

    await write(settings, logs(record))

    assert query(
        settings,
        "SELECT Timestamp, toUnixTimestamp(TimestampTime), TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, "
        "ServiceName, Body, ResourceSchemaUrl, ResourceAttributes, ScopeSchemaUrl, ScopeName, ScopeVersion, "
        "ScopeAttributes, LogAttributes, EventName FROM {db}.otel_logs",
    ) == [
        (
            *(AT, AT // 10**9, TRACE_ID.hex(), SPAN_ID.hex(), 1, "INFO", 9, "shop", '{"content":"hi"}'),
            *("https://example.com/resource", {"service.name": "shop"}, "https://example.com/scope", "openai", "1.2"),
            *({}, {"gen_ai.system": "openai"}, "gen_ai.user.message"),
        )
    ]


EXEMPLAR = {
    "filtered_attributes": [attribute("user", string_value="ada")],
    "time_unix_nano": str(AT),
    "as_int": "3",
    "span_id": base64_of(SPAN_ID),
    "trace_id": base64_of(TRACE_ID),
}
METRICS = [
    {"name": "depth", "unit": "1", "gauge": {"data_points": [point(as_double=1.5, exemplars=[EXEMPLAR], flags=1)]}},
    {
        "name": "calls",
        "description": "how many",
        "sum": {"aggregation_temporality": 2, "is_monotonic": True, "data_points": [point(as_int="7")]},
    },
    {
        "name": "duration",
        "histogram": {
            "aggregation_temporality": 1,
            "data_points": [
                point(count="3", sum=4.5, min=0.5, max=2.5, bucket_counts=["1", "2"], explicit_bounds=[1.0])
            ],
        },
    },
    {
        "name": "tokens",
        "exponential_histogram": {
            "aggregation_temporality": 2,
            "data_points": [
                point(
                    count="6",
                    sum=9,
                    scale=-1,
                    zero_count="1",
                    positive={"offset": 2, "bucket_counts": ["1", "2"]},
                    negative={"offset": -2, "bucket_counts": ["2"]},
                    min=-1,
                    max=8,
                )
            ],
        },
    },
    {
        "name": "latency",
        "summary": {"data_points": [point(count="2", sum=3, quantile_values=[{"quantile": 0.5, "value": 1.25}])]},
    },
]


async def test_every_kind_of_metric_has_its_table(settings: ClickHouseSettings) -> None:
    await write(settings, metrics(*METRICS))

    shared = "ServiceName, MetricName, Attributes, StartTimeUnix, TimeUnix"
    common = ("shop", *[], {"gen_ai.token.type": "input"}, AT - 60 * 10**9, AT)

    def row(kind: str, columns: str) -> tuple[Any, ...]:
        (found,) = query(settings, f"SELECT {shared}, {columns} FROM {{db}}.otel_metrics_{kind}")
        assert (found[0], *found[2:5]) == common
        return (found[1], *found[5:])

    exemplar = ([{"user": "ada"}], [AT], [3.0], [SPAN_ID.hex()], [TRACE_ID.hex()])
    exemplars = "Exemplars.FilteredAttributes, Exemplars.TimeUnix, Exemplars.Value, Exemplars.SpanId, Exemplars.TraceId"
    assert row("gauge", f"MetricUnit, Value, Flags, {exemplars}") == ("depth", "1", 1.5, 1, *exemplar)
    assert row("sum", "MetricDescription, Value, AggregationTemporality, IsMonotonic") == (
        *("calls", "how many", 7.0, 2, True),
    )
    assert row("histogram", "Count, Sum, BucketCounts, ExplicitBounds, Min, Max, AggregationTemporality") == (
        *("duration", 3, 4.5, [1, 2], [1.0], 0.5, 2.5, 1),
    )
    assert row(
        "exponential_histogram",
        "Count, Sum, Scale, ZeroCount, PositiveOffset, PositiveBucketCounts, NegativeOffset, NegativeBucketCounts, "
        "Min, Max, AggregationTemporality",
    ) == ("tokens", 6, 9.0, -1, 1, 2, [1, 2], -2, [2], -1.0, 8.0, 2)
    assert row("summary", "Count, Sum, ValueAtQuantiles.Quantile, ValueAtQuantiles.Value") == (
        *("latency", 2, 3.0, [0.5], [1.25]),
    )


REQUESTS: dict[Signal, Callable[[int], Telemetry]] = {
    Signal.TRACES: lambda number: spans(span(number)),
    Signal.LOGS: lambda number: logs({"time_unix_nano": str(AT + number), "body": {"string_value": "same"}}),
    Signal.METRICS: lambda number: metrics({"name": f"m{number}", "gauge": {"data_points": [point(as_int="1")]}}),
}
TABLES = {Signal.TRACES: "otel_traces", Signal.LOGS: "otel_logs", Signal.METRICS: "otel_metrics_gauge"}


@pytest.mark.parametrize("signal", Signal)
async def test_a_request_that_comes_again_in_whatever_cut_is_there_once(
    settings: ClickHouseSettings, signal: Signal
) -> None:
    made = [REQUESTS[signal](number) for number in range(6)]

    async with writing(settings, signal) as exporter:
        for batch in (made[:2], made[:2], made[1:4], [made[4], made[4]]):
            assert await exporter.write(batch, "") == WRITTEN
    async with writing(settings, signal) as exporter:  # a process that was killed before it noted what was done
        assert await exporter.write(made, "") == WRITTEN

    assert count(settings, TABLES[signal]) == 6


async def test_an_answer_that_never_came_doubles_nothing(settings: ClickHouseSettings) -> None:
    batch = [spans(span(1)), spans(span(2))]
    async with writing(settings, Signal.TRACES) as exporter:
        connection = exporter._thread.connection
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "insert", _stored_and_lost(connection.insert))
            lost = await exporter.write(batch, "")
        assert lost.retry is not None

        assert await exporter.write(batch, "") == WRITTEN

    assert count(settings) == 2


def _stored_and_lost(insert: Callable[..., None]) -> Callable[..., None]:
    from spanledger.errors import StoreUnavailable

    def lose(*arguments: Any) -> None:
        insert(*arguments)
        raise StoreUnavailable("the connection went away")

    return lose


async def test_rows_of_many_days_are_written_by_day(settings: ClickHouseSettings) -> None:
    days = [span(n, start_time_unix_nano=str(AT + n * DAY_NS), end_time_unix_nano=str(AT + n * DAY_NS)) for n in (0, 7)]

    await write(settings, spans(*days))
    await write(settings, spans(*days), spans(span(9)))

    assert count(settings) == 3
    assert query(settings, "SELECT uniqExact(toDate(Timestamp)) FROM {db}.otel_traces") == [(2,)]


async def test_the_same_content_of_two_projects_is_theirs(settings: ClickHouseSettings) -> None:
    await write(settings, spans(span()), spans(span(), project="other"))

    assert sorted(query(settings, "SELECT SpanledgerProjectId FROM {db}.otel_traces")) == [("default",), ("other",)]


async def test_broken_text_is_mended_and_a_broken_request_is_rejected_alone(settings: ClickHouseSettings) -> None:
    whole = spans(span(1, name="chat gpt-5"))
    broken = Telemetry("default", Signal.TRACES, whole.body.replace(b"chat gpt", b"chat \xff\xff\xff"))
    nonsense = Telemetry("default", Signal.TRACES, b"\x0a\xff")

    async with writing(settings, Signal.TRACES) as exporter:
        answer = await exporter.write([nonsense, broken], "")

    assert [rejection.index for rejection in answer.rejected] == [0]
    assert query(settings, "SELECT SpanName FROM {db}.otel_traces") == [("chat ���-5",)]


async def test_when_a_trace_was_is_found_without_looking_through_all_spans(settings: ClickHouseSettings) -> None:
    await write(settings, spans(span(1), span(2)))

    trace = query(settings, "SELECT TraceId FROM {db}.otel_traces ORDER BY Timestamp LIMIT 1")[0][0]
    found = query(
        settings,
        f"WITH '{trace}' AS trace_id, "
        "(SELECT min(Start) FROM {db}.otel_traces_trace_id_ts WHERE TraceId = trace_id) AS start, "
        "(SELECT max(End) + 1 FROM {db}.otel_traces_trace_id_ts WHERE TraceId = trace_id) AS end "
        "SELECT SpanName FROM {db}.otel_traces WHERE TraceId = trace_id AND Timestamp >= start AND Timestamp <= end",
    )
    assert found == [("chat gpt-5",)]


COLLECTORS_LOGS = """\
CREATE TABLE {db}.otel_logs (
  Timestamp DateTime64(9), TimestampTime DateTime DEFAULT toDateTime(Timestamp), TraceId String, SpanId String,
  TraceFlags UInt8, SeverityText LowCardinality(String), SeverityNumber UInt8, ServiceName LowCardinality(String),
  Body String, ResourceSchemaUrl LowCardinality(String), ResourceAttributes Map(LowCardinality(String), String),
  ScopeSchemaUrl LowCardinality(String), ScopeName String, ScopeVersion LowCardinality(String),
  ScopeAttributes Map(LowCardinality(String), String), LogAttributes Map(LowCardinality(String), String)
) ENGINE = MergeTree PARTITION BY toDate(TimestampTime) ORDER BY (ServiceName, TimestampTime, Timestamp)"""
"""As versions of 2024 made it."""


def with_logs_of_the_collector(settings: ClickHouseSettings) -> None:
    with opened(settings) as connection:
        connection.command(f"CREATE DATABASE {settings.raw_database}")
        connection.command(COLLECTORS_LOGS.replace("{db}", settings.raw_database))
        connection.command(f"INSERT INTO {settings.raw_database}.otel_logs (Timestamp, Body) VALUES (1, 'theirs')")


async def test_tables_of_the_collector_are_written_on_with(settings: ClickHouseSettings) -> None:
    with_logs_of_the_collector(settings)

    await write(settings, logs({"time_unix_nano": str(AT), "body": {"string_value": "ours"}}))
    await write(settings, logs({"time_unix_nano": str(AT), "body": {"string_value": "ours"}}))

    assert query(settings, "SELECT Body FROM {db}.otel_logs ORDER BY Timestamp") == [("theirs",), ("ours",)]


async def test_without_create_schema_what_is_missing_is_said(engine: str) -> None:
    settings = make_settings(engine, otel_tables=True, create_schema=False)
    with_logs_of_the_collector(settings)

    with pytest.raises(SchemaError, match=r"otel_logs. ADD COLUMN .SpanledgerProjectId. LowCardinality"):
        async with writing(settings, Signal.LOGS):
            pass
    with pytest.raises(SchemaError, match="otel_traces is not there"):
        async with writing(settings, Signal.TRACES):
            pass


async def test_names_and_the_time_to_keep_follow_the_settings(engine: str) -> None:
    names = {
        "otel_database": "dashboards",
        "traces_table_name": "spans",
        "metrics_tables": {"gauge": {"name": "gauges"}},
        "ttl": "72h",
        "table_engine": {"name": "ReplacingMergeTree", "params": ""},
    }
    settings = make_settings(engine, otel_tables=True, **names)
    await write(settings, spans(span()))

    longer = settings.model_copy(update={"ttl": 3600.0 * 24 * 10})
    async with writing(longer, Signal.METRICS):
        pass

    engines = dict(
        query(settings, "SELECT name, engine_full FROM system.tables WHERE database = 'dashboards' AND engine != ''")
    )
    assert set(engines) >= {"spans", "spans_trace_id_ts", "spans_trace_id_ts_mv", "otel_logs", "gauges"}
    assert "TTL toDateTime(Timestamp) + toIntervalDay(10)" in engines["spans"]
    assert "TTL toDateTime(Start) + toIntervalDay(10)" in engines["spans_trace_id_ts"]
    assert engines["spans"].startswith("ReplacingMergeTree")


QUERIES = [
    # What Grafana's ClickHouse data source asks in its OpenTelemetry mode.
    'SELECT Timestamp as "timestamp", Body as "body", SeverityText as "level", LogAttributes as "labels", '
    'TraceId as "traceID" FROM "{db}"."otel_logs" WHERE ( timestamp >= now64() - INTERVAL 100 YEAR ) '
    "ORDER BY timestamp DESC LIMIT 1000",
    'SELECT "TraceId" as "traceID", "ServiceName" as "serviceName", "SpanName" as "operationName", '
    '"Timestamp" as "startTime", multiply("Duration", 0.000001) as "duration" FROM "{db}"."otel_traces" '
    "WHERE ( ParentSpanId = '' ) AND ( Duration > 0 ) ORDER BY Timestamp DESC, Duration DESC LIMIT 1000",
    "SELECT TraceId AS traceID, SpanId AS spanID, ParentSpanId AS parentSpanID, ServiceName AS serviceName, "
    "SpanName AS operationName, Timestamp AS startTime, Duration * 0.000001 AS duration, "
    "arrayMap(key -> map('key', key, 'value', SpanAttributes[key]), mapKeys(SpanAttributes)) AS tags, "
    "arrayMap(key -> map('key', key, 'value', ResourceAttributes[key]), mapKeys(ResourceAttributes)) AS serviceTags, "
    "if(StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode, "
    "arrayMap((name, timestamp, attributes) -> tuple(name, toString(toUnixTimestamp64Milli(timestamp)), attributes), "
    "Events.Name, Events.Timestamp, Events.Attributes)::Array(Tuple(name String, timestamp String, "
    "fields Map(String, String))) AS logs FROM {db}.otel_traces LIMIT 1000",
    "SELECT toStartOfInterval(Timestamp, INTERVAL 60 second) AS time, SeverityText, count() AS count "
    "FROM {db}.otel_logs WHERE TimestampTime >= now() - INTERVAL 50 YEAR GROUP BY SeverityText, time ORDER BY time",
    # What HyperDX asks: columns by name, a map's values by key, histograms by bucket.
    "SELECT Timestamp, ServiceName, SpanName, StatusCode, round(Duration / 1e6) AS ms, SpanAttributes['k'] "
    "FROM {db}.otel_traces WHERE (Timestamp >= fromUnixTimestamp64Milli(0)) ORDER BY Timestamp DESC LIMIT 200",
    "SELECT Body, toDateTime64(Timestamp, 9), LogAttributes, ResourceAttributes FROM {db}.otel_logs "
    "WHERE hasToken(lower(Body), lower('same')) LIMIT 200",
    "SELECT MetricName, toStartOfInterval(TimeUnix, INTERVAL 1 minute) AS bucket, sum(Value) FROM "
    "{db}.otel_metrics_sum GROUP BY MetricName, bucket",
    "SELECT MetricName, cityHash64(mapConcat(ScopeAttributes, ResourceAttributes, Attributes)) AS AttributesHash, "
    "arraySum(BucketCounts) FROM {db}.otel_metrics_histogram ORDER BY AttributesHash, TimeUnix",
    # The exporter's own examples.
    "SELECT TimeUnix, MetricName, Attributes, Value FROM {db}.otel_metrics_sum "
    "WHERE MetricName = 'calls' AND Attributes['gen_ai.token.type'] = 'input' LIMIT 100",
    "SELECT Timestamp AS log_time, Body FROM {db}.otel_logs WHERE toStartOfFiveMinutes(Timestamp) >= "
    "toStartOfFiveMinutes(toDateTime(0)) ORDER BY (toStartOfFiveMinutes(Timestamp), Timestamp) DESC LIMIT 100",
]


async def test_dashboards_get_their_answers(settings: ClickHouseSettings) -> None:
    await write(settings, spans(span()))
    await write(settings, logs({"time_unix_nano": str(AT), "body": {"string_value": "the same"}}))
    await write(settings, metrics(*METRICS))

    assert [sql for sql in QUERIES if len(query(settings, sql)) != 1] == []


async def test_a_migration_by_hand_makes_the_tables(engine: str) -> None:
    settings = make_settings(engine, otel_tables=True, auto_migrate=False)
    admin = ClickHouseAdmin(settings)
    await admin.start()
    try:
        shown = "\n".join(statement for one in await admin.pending() for statement in one.statements)
        await admin.migrate()
        assert await admin.pending() == []
    finally:
        await admin.close()

    assert "`otel_traces`" in shown
    await write(settings, spans(span()))


async def test_a_project_is_deleted_and_its_old_rows_expire(engine: str) -> None:
    settings = make_settings(engine, otel_tables=True, retention={"short": {"payloads_days": 1}})
    admin = ClickHouseAdmin(settings)
    await admin.start()
    await admin.migrate()
    await write(settings, *(spans(span(), project=name) for name in ("gone", "short", "default")))
    await write(settings, logs({"time_unix_nano": str(AT)}, project="gone"))

    await admin.delete(Deletion("gone"))
    assert sorted(query(settings, "SELECT SpanledgerProjectId FROM {db}.otel_traces")) == [("default",), ("short",)]
    assert count(settings, "otel_logs") == 0

    await admin.expire(AT + 3 * DAY_NS)
    await admin.close()
    assert query(settings, "SELECT SpanledgerProjectId FROM {db}.otel_traces") == [("default",)]


async def test_a_deleted_run_takes_its_spans_and_logs_along(settings: ClickHouseSettings) -> None:
    """Whichever is written first, its runs or its rows here."""
    ledger = ClickHouseExporter(settings)
    await ledger.start()
    run = make_run(project_id="default", trace_id=(b"\1" + TRACE_ID[1:]).hex(), span_id=SPAN_ID.hex())
    theirs = logs(
        {"time_unix_nano": str(AT), "trace_id": base64_of(b"\1" + TRACE_ID[1:]), "span_id": base64_of(SPAN_ID)}
    )
    await write(settings, spans(span(1), span(2)))
    await write(settings, theirs)

    await ledger.erase([run], for_good=True)
    assert (count(settings), count(settings, "otel_logs")) == (1, 0)

    async with writing(settings, Signal.TRACES) as exporter:
        late = [spans(span(1), span(3))]
        await exporter.write(late, "")
        await exporter.erase(late, for_good=True)
    await ledger.close()
    assert query(settings, "SELECT Timestamp FROM {db}.otel_traces ORDER BY Timestamp") == [(AT + 2,), (AT + 3,)]


async def test_a_request_of_a_deleted_project_is_taken_out(settings: ClickHouseSettings) -> None:
    ledger = ClickHouseExporter(settings)
    await ledger.start()  # makes the table of notes
    async with writing(settings, Signal.TRACES) as exporter:
        gone, kept = spans(span(1), project="gone"), spans(span(2))
        await exporter.write([gone, kept], "")
        assert await exporter.deleted(0) == []
        await exporter.erase([gone], for_good=False)
    await ledger.close()

    assert query(settings, "SELECT SpanledgerProjectId FROM {db}.otel_traces") == [("default",)]


def test_a_cluster_has_replicated_parts_and_a_whole_in_front(settings: ClickHouseSettings) -> None:
    """Executed is the form for one server; of that for a cluster the text is looked at."""
    on_cluster = settings.model_copy(update={"cluster": "main", "endpoint": "http://127.0.0.1:8123"})
    with opened(settings) as connection:
        shown = otel_schema.pending(connection, on_cluster)

    traces = next(one for one in shown if "`otel_traces_local`" in one and one.startswith("CREATE TABLE"))
    assert " ON CLUSTER `main` (" in traces
    assert "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')" in traces
    assert ", replicated_deduplication_window = 1000" in traces
    database = settings.database
    assert (
        f"CREATE TABLE IF NOT EXISTS `{database}`.`otel_traces` ON CLUSTER `main` AS `{database}`.`otel_traces_local` "
        f"ENGINE = Distributed('main', `{database}`, 'otel_traces_local', cityHash64(TraceId))"
    ) in shown
    view = next(one for one in shown if "MATERIALIZED" in one)
    assert f"TO `{database}`.`otel_traces_trace_id_ts_local`" in view
    assert f"FROM `{database}`.`otel_traces_local`" in view


def test_an_engine_of_ones_own_is_the_collectors_form_of_a_cluster(settings: ClickHouseSettings) -> None:
    changes = {
        "cluster": "main",
        "table_engine": {"name": "ReplicatedMergeTree", "params": "'/tables/{shard}/a', '{replica}'"},
    }
    facts = settings.model_dump(exclude={"json_", "endpoint", "cluster", "table_engine"}) | changes
    facts = {name: value for name, value in facts.items() if name not in ("tls", "embedded", "password")}
    chosen = ClickHouseSettings(endpoint="http://127.0.0.1:8123", **facts)
    with opened(settings) as connection:
        shown = otel_schema.pending(connection, chosen)

    assert not [one for one in shown if "_local" in one or "Distributed" in one]
    assert all(" ON CLUSTER `main`" in one for one in shown)
    assert any("ENGINE = ReplicatedMergeTree('/tables/{shard}/a', '{replica}')" in one for one in shown)
