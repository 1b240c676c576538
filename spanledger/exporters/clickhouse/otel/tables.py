"""The tables, declared once: columns in the order of an insert, and what ClickHouse must know beyond them.

From exporter/clickhouseexporter of opentelemetry-collector-contrib, as its versions of 2024 and 2025 make them and
dashboards expect them. Newer versions drop `TimestampTime` from logs and order by other keys, which no query notices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from spanledger.exporters.clickhouse.settings import ClickHouseSettings
from spanledger.model.received import Signal

_WORD: Final = "LowCardinality(String)"
_TIME: Final = "DateTime64(9)"
_MAP: Final = "Map(LowCardinality(String), String)"
_SENT_AS: Final = {
    "UInt8": "UInt64",
    "UInt32": "UInt64",
    "Int32": "Int64",
    _TIME: "DateTime64(9, 'UTC')",
}
"""Types that the block of an insert has in their place: the writer knows fewer, and the server converts."""

PROJECT: Final = "SpanledgerProjectId"
REQUEST: Final = "SpanledgerRequest"


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column; `Events.Name` is a member of the nested `Events`."""

    name: str
    type: str
    codec: str = "ZSTD(1)"
    late: bool = False
    """Not there in tables that an older exporter made; nothing is lost that these ever kept."""

    @property
    def stored(self) -> str:
        """The type of its values in one row."""
        return f"Array({self.type})" if "." in self.name else self.type

    @property
    def sent(self) -> str:
        """The type in an insert."""
        plain = _SENT_AS.get(self.type, self.type)
        if self.type.startswith("Array("):
            inner = self.type[6:-1]
            plain = f"Array({_SENT_AS.get(inner, inner)})"
        return f"Array({plain})" if "." in self.name else plain


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table."""

    kind: str
    """Which of them: traces, logs, or a kind of metric."""
    columns: tuple[RawColumn, ...]
    time: str
    """Column by which rows are parted and kept."""
    order_by: str
    indexes: tuple[str, ...]
    derived: tuple[str, ...] = ()
    """Columns that the server computes."""
    primary_key: str | None = None

    @property
    def sent(self) -> tuple[RawColumn, ...]:
        """All columns of an insert, our own last."""
        return (*self.columns, *OWN)


OWN: Final = (
    RawColumn(PROJECT, _WORD),
    RawColumn(REQUEST, "UUID"),
)
_BY_KEY_AND_VALUE: Final = "bloom_filter(0.01) GRANULARITY 1"


def _text(*names: str) -> tuple[RawColumn, ...]:
    return tuple(RawColumn(name, "String") for name in names)


def _words(*names: str) -> tuple[RawColumn, ...]:
    return tuple(RawColumn(name, _WORD) for name in names)


def _map_indexes(**maps: str) -> tuple[str, ...]:
    """Of keys and of values of maps: short name → column."""
    return tuple(
        f"INDEX idx_{short}_{part.lower()[3:-1]} {part}({column}) TYPE {_BY_KEY_AND_VALUE}"
        for short, column in maps.items()
        for part in ("mapKeys", "mapValues")
    )


_TRACE_ID_INDEX: Final = "INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1"

TRACES: Final = RawTable(
    "traces",
    (
        RawColumn("Timestamp", _TIME, "Delta, ZSTD(1)"),
        *_text("TraceId", "SpanId", "ParentSpanId", "TraceState"),
        *_words("SpanName", "SpanKind", "ServiceName"),
        RawColumn("ResourceAttributes", _MAP),
        *_text("ScopeName", "ScopeVersion"),
        RawColumn("SpanAttributes", _MAP),
        RawColumn("Duration", "UInt64"),
        *_words("StatusCode"),
        *_text("StatusMessage"),
        RawColumn("Events.Timestamp", _TIME),
        *_words("Events.Name"),
        RawColumn("Events.Attributes", _MAP),
        *_text("Links.TraceId", "Links.SpanId", "Links.TraceState"),
        RawColumn("Links.Attributes", _MAP),
    ),
    time="Timestamp",
    order_by="ServiceName, SpanName, toDateTime(Timestamp)",
    indexes=(
        _TRACE_ID_INDEX,
        *_map_indexes(res_attr="ResourceAttributes", span_attr="SpanAttributes"),
        "INDEX idx_duration Duration TYPE minmax GRANULARITY 1",
    ),
)

LOGS: Final = RawTable(
    "logs",
    (
        RawColumn("Timestamp", _TIME, "Delta(8), ZSTD(1)"),
        *_text("TraceId", "SpanId"),
        RawColumn("TraceFlags", "UInt8"),
        *_words("SeverityText"),
        RawColumn("SeverityNumber", "UInt8"),
        *_words("ServiceName"),
        *_text("Body"),
        *_words("ResourceSchemaUrl"),
        RawColumn("ResourceAttributes", _MAP),
        *_words("ScopeSchemaUrl"),
        *_text("ScopeName"),
        *_words("ScopeVersion"),
        RawColumn("ScopeAttributes", _MAP),
        RawColumn("LogAttributes", _MAP),
        RawColumn("EventName", "String", late=True),
    ),
    time="Timestamp",
    order_by="ServiceName, TimestampTime, Timestamp",
    primary_key="ServiceName, TimestampTime",
    derived=("TimestampTime DateTime DEFAULT toDateTime(Timestamp)",),
    indexes=(
        _TRACE_ID_INDEX,
        *_map_indexes(res_attr="ResourceAttributes", scope_attr="ScopeAttributes", log_attr="LogAttributes"),
        "INDEX idx_body Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8",
    ),
)

METRIC_COLUMNS: Final = (
    RawColumn("ResourceAttributes", _MAP),
    *_text("ResourceSchemaUrl", "ScopeName", "ScopeVersion"),
    RawColumn("ScopeAttributes", _MAP),
    RawColumn("ScopeDroppedAttrCount", "UInt32"),
    *_text("ScopeSchemaUrl"),
    *_words("ServiceName"),
    *_text("MetricName", "MetricDescription", "MetricUnit"),
    RawColumn("Attributes", _MAP),
    RawColumn("StartTimeUnix", _TIME, "Delta, ZSTD(1)"),
    RawColumn("TimeUnix", _TIME, "Delta, ZSTD(1)"),
    RawColumn("Flags", "UInt32"),
)
"""What every kind of metric has, first in every table."""
EXEMPLARS: Final = (
    RawColumn("Exemplars.FilteredAttributes", _MAP),
    RawColumn("Exemplars.TimeUnix", _TIME),
    RawColumn("Exemplars.Value", "Float64"),
    *_text("Exemplars.SpanId", "Exemplars.TraceId"),
)
_TEMPORALITY: Final = RawColumn("AggregationTemporality", "Int32")
_VALUE: Final = RawColumn("Value", "Float64")
_COUNT_AND_SUM: Final = (RawColumn("Count", "UInt64", "Delta, ZSTD(1)"), RawColumn("Sum", "Float64"))
_MIN_AND_MAX: Final = (RawColumn("Min", "Float64"), RawColumn("Max", "Float64"))


def _metrics(kind: str, *columns: RawColumn) -> RawTable:
    return RawTable(
        kind,
        (*METRIC_COLUMNS, *columns),
        time="TimeUnix",
        order_by="ServiceName, MetricName, Attributes, toUnixTimestamp64Nano(TimeUnix)",
        indexes=_map_indexes(res_attr="ResourceAttributes", scope_attr="ScopeAttributes", attr="Attributes"),
    )


METRICS: Final = {
    "gauge": _metrics("gauge", _VALUE, *EXEMPLARS),
    "sum": _metrics("sum", _VALUE, _TEMPORALITY, RawColumn("IsMonotonic", "Bool", "Delta, ZSTD(1)"), *EXEMPLARS),
    "histogram": _metrics(
        "histogram",
        *_COUNT_AND_SUM,
        RawColumn("BucketCounts", "Array(UInt64)"),
        RawColumn("ExplicitBounds", "Array(Float64)"),
        *_MIN_AND_MAX,
        _TEMPORALITY,
        *EXEMPLARS,
    ),
    "exponential_histogram": _metrics(
        "exponential_histogram",
        *_COUNT_AND_SUM,
        RawColumn("Scale", "Int32"),
        RawColumn("ZeroCount", "UInt64"),
        RawColumn("PositiveOffset", "Int32"),
        RawColumn("PositiveBucketCounts", "Array(UInt64)"),
        RawColumn("NegativeOffset", "Int32"),
        RawColumn("NegativeBucketCounts", "Array(UInt64)"),
        *_MIN_AND_MAX,
        _TEMPORALITY,
        *EXEMPLARS,
    ),
    "summary": _metrics(
        "summary",
        *_COUNT_AND_SUM,
        RawColumn("ValueAtQuantiles.Quantile", "Float64"),
        RawColumn("ValueAtQuantiles.Value", "Float64"),
    ),
}
"""By the kind of metric."""

BY_SIGNAL: Final = {Signal.TRACES: (TRACES,), Signal.LOGS: (LOGS,), Signal.METRICS: tuple(METRICS.values())}


def table_name(table: RawTable, settings: ClickHouseSettings) -> str:
    """As the settings call it."""
    if table is TRACES:
        return settings.traces_table_name
    if table is LOGS:
        return settings.logs_table_name
    name: str = getattr(settings.metrics_tables, table.kind).name
    return name


def all_tables() -> Iterator[RawTable]:
    """Of every signal."""
    for tables in BY_SIGNAL.values():
        yield from tables
