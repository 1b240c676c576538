"""Settings of the ClickHouse exporter, and of the reader that serves the API from the same store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from spanledger.exporters.clickhouse.endpoint import STRATEGIES, Endpoint, parse_endpoint
from spanledger.exporters.retention import ProjectRetention
from spanledger.settings import Duration, Secret, Settings, parse_duration

InsertSetting: TypeAlias = str | int | float | bool

_COMPRESSION: Final = ("none", "lz4", "zstd", "gzip", "deflate", "br", "true")
_ASYNC: Final = ("async_insert", "wait_for_async_insert")


def _endpoint(value: str) -> str:
    if value.startswith("chdb:"):
        if not embedded_path(value):
            raise ValueError("expected a folder, such as chdb:///var/lib/spanledger or chdb://./data/store")
        return value
    parse_endpoint(value, {})
    return value


def embedded_path(endpoint: str) -> str | None:
    """The folder of `chdb:///absolute` or `chdb://./relative`; None for a server."""
    scheme, _, path = endpoint.partition("://")
    return path if scheme == "chdb" else None


def _own_database(value: str) -> str:
    if value in ("default", "system", "information_schema", "INFORMATION_SCHEMA"):
        raise ValueError("expected a database of the ledger's own, such as spanledger")
    return value


def _durable(value: dict[str, InsertSetting]) -> dict[str, InsertSetting]:
    if str(value.get("wait_for_async_insert", 1)).lower() in ("0", "false"):
        raise ValueError("expected wait_for_async_insert on: a batch must be stored before it counts as written")
    return value


class TlsSettings(Settings):
    """Client side of TLS, for https endpoints. Keys are the Collector's."""

    ca_file: str | None = None
    """Certificate authorities to trust instead of the system's."""
    cert_file: str | None = None
    """Client certificate."""
    key_file: str | None = None
    """Key of the client certificate."""
    insecure: bool = False
    """Accepted; the endpoint says whether TLS is spoken."""
    insecure_skip_verify: bool = False
    """Do not check the server's certificate."""
    server_name_override: str | None = None
    """Name to expect in the server's certificate."""


class EmbeddedSettings(Settings):
    """The embedded engine, for chdb endpoints. Its own defaults are those of a server that has the machine alone."""

    memory_limit_mib: int = Field(default=2048, ge=256)
    """The engine refuses work beyond this."""
    mark_cache_mib: int = Field(default=128, ge=8)
    """Cache of the positions in columns. The engine's default is 5 GiB."""
    background_threads: int = Field(default=2, ge=1, le=64)
    """Threads that merge parts."""
    fsync: bool = True
    """What was stored outlives a power cut."""


TableName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$")]


class MetricsTableSettings(Settings):
    """A table of metrics."""

    name: TableName
    """Its name."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given


class MetricsTablesSettings(Settings):
    """Tables of metrics, one for each kind."""

    gauge: MetricsTableSettings = MetricsTableSettings(name="otel_metrics_gauge")
    """Gauges."""
    sum: MetricsTableSettings = MetricsTableSettings(name="otel_metrics_sum")
    """Sums."""
    summary: MetricsTableSettings = MetricsTableSettings(name="otel_metrics_summary")
    """Summaries."""
    histogram: MetricsTableSettings = MetricsTableSettings(name="otel_metrics_histogram")
    """Histograms."""
    exponential_histogram: MetricsTableSettings = MetricsTableSettings(name="otel_metrics_exponential_histogram")
    """Exponential histograms."""


class TableEngineSettings(Settings):
    """Engine of the tables of `otel_tables`."""

    name: str = Field(default="MergeTree", pattern=r"^[A-Za-z]*MergeTree$")
    """One of the MergeTree family."""
    params: str = ""
    """What stands in its parentheses."""


class ClickHouseSettings(Settings):
    """Exporter `clickhouse`. Keys of the Collector's exporter of this name mean here what they mean there."""

    endpoint: Annotated[str, AfterValidator(_endpoint)] = "chdb://./data/clickhouse"
    """`http://host:8123`, `https://host:8443`, or `chdb:///path` for the engine inside this process. Several hosts are
    tried in their order: `http://a:8123,b:8123`. The Collector's other forms are understood."""
    database: Annotated[str, AfterValidator(_own_database)] = Field(
        default="spanledger", pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
    )
    """Database of the ledger's tables."""
    username: str = "default"
    """User of the server."""
    password: Secret = Secret("")
    """Password of the user."""
    connection_params: dict[str, str] = {}
    """Options of the connection, as in the endpoint behind a question mark; what is none is a setting of every
    insert."""
    connection_open_strategy: Literal["in_order", "round_robin", "random"] = "in_order"
    """Which of several hosts a connection is opened to first; the others follow when it is away."""
    compress: Literal["none", "lz4", "zstd", "gzip", "deflate", "br", "true", ""] = "lz4"
    """How requests to a server are compressed."""
    async_insert: bool = False
    """Accepted; inserts are batched here, and `insert_settings` can ask for it all the same."""
    cluster: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")
    """Cluster of the servers: tables are made on all of them, replicated and sharded. Only for a new database."""
    cluster_name: str | None = None
    """Another name of `cluster`."""
    auto_migrate: bool = True
    """Create the database and bring its tables up to date at start. Without, start fails until they are."""
    runs_ttl_days: int = Field(default=400, ge=0, le=36500)
    """Days after their start that runs, scores, threads and metrics are kept; 0 is for ever."""
    payloads_ttl_days: int = Field(default=30, ge=0, le=36500)
    """Days after their start that the contents of runs are kept; 0 is for ever."""
    retention: dict[str, ProjectRetention] = {}
    """Shorter retention of single projects, by project id."""
    tls: TlsSettings = TlsSettings()
    connect_timeout: Duration = Field(default=5.0, gt=0)
    """How long to wait for a connection."""
    timeout: Duration = Field(default=60.0, gt=0)
    """How long one insert may take."""
    query_timeout: Duration = Field(default=10.0, gt=0)
    """How long one statement of the API may take."""
    query_connections: int = Field(default=2, ge=1, le=64)
    """Statements of the API that run at the same time."""
    insert_settings: Annotated[dict[str, InsertSetting], AfterValidator(_durable)] = {}
    """ClickHouse settings of every insert."""
    embedded: EmbeddedSettings = EmbeddedSettings()
    otel_tables: bool = False
    """Also keep spans, log records and metrics as they came, in the tables of the Collector's exporter."""
    otel_database: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")] | None = None
    """Database of `otel_tables`, where it is not that of the ledger."""
    create_schema: bool = True
    """Make the tables of `otel_tables`; without, they must be there."""
    ttl: Annotated[Duration, Field(ge=0)] = 0.0
    """How long `otel_tables` keep their rows; 0 is for ever."""
    table_engine: TableEngineSettings | None = None
    """Left out: MergeTree, replicated and sharded in a `cluster`."""
    traces_table_name: TableName = "otel_traces"
    """Table of spans; beside it is one with `_trace_id_ts` behind its name."""
    logs_table_name: TableName = "otel_logs"
    """Table of log records."""
    metrics_tables: MetricsTablesSettings = MetricsTablesSettings()
    metrics_table_name: TableName | None = None
    """Beginning of the names of all tables of metrics."""
    profiles_table_name: TableName = "otel_profiles"
    """Accepted; profiles are not received."""
    json_: bool = Field(default=False, alias="json")
    """Attributes in columns of the type JSON: not possible, they go to maps."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_collector_has_it(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        given = dict(given)
        if given.get("cluster_name"):
            given.setdefault("cluster", given["cluster_name"])
        prefix = given.get("metrics_table_name")
        if isinstance(prefix, str) and not given.get("metrics_tables"):
            given["metrics_tables"] = {
                kind: {"name": f"{prefix}_{kind}"} for kind in MetricsTablesSettings.model_fields
            }
        compress = given.get("compress")
        if isinstance(compress, bool):  # YAML's own true and false
            given["compress"] = "lz4" if compress else "none"
        endpoint = given.get("endpoint")
        if isinstance(endpoint, str) and not endpoint.startswith("chdb:"):
            try:
                named = parse_endpoint(endpoint, {}).database
            except ValueError:  # told where the endpoint is checked
                named = None
            if named is not None:
                given.setdefault("database", named)
        return given

    @model_validator(mode="after")
    def _can_be(self) -> ClickHouseSettings:
        if self.json_:
            raise ValueError("json: expected false; attributes are written to columns of the type Map")
        if self.embedded_path is None:
            options = parse_endpoint(self.endpoint, self.connection_params).options
            if options.get("compress", "") not in (*_COMPRESSION, ""):
                raise ValueError(f"compress: expected one of {', '.join(_COMPRESSION)}")
            if options.get("connection_open_strategy", "in_order") not in STRATEGIES:
                raise ValueError(f"connection_open_strategy: expected one of {', '.join(STRATEGIES)}")
            if "dial_timeout" in options:
                parse_duration(options["dial_timeout"])
        return self

    @model_validator(mode="after")
    def _one_engine_is_no_cluster(self) -> ClickHouseSettings:
        if self.cluster is not None and self.embedded_path is not None:
            raise ValueError("cluster: expected the endpoint of a server; the embedded engine is no part of a cluster")
        return self

    @property
    def embedded_path(self) -> str | None:
        """Folder of the embedded engine; None for a server."""
        return embedded_path(self.endpoint)

    @property
    def server(self) -> Endpoint:
        """Where the servers are, and how to speak to them. Not for the embedded engine."""
        chosen = {"connection_open_strategy": self.connection_open_strategy}
        given = chosen if "connection_open_strategy" in self.model_fields_set else {}
        return parse_endpoint(self.endpoint, self.connection_params | given)

    @property
    def address(self) -> str:
        """The store for people, without options."""
        return self.endpoint if self.embedded_path is not None else self.server.address

    @property
    def compression(self) -> str | None:
        """Of requests, by the driver's name."""
        asked = self.server.options.get("compress") or self.compress
        return {"none": None, "": None, "true": "lz4", "deflate": "gzip"}.get(asked, asked)

    @property
    def statement_settings(self) -> dict[str, InsertSetting]:
        """ClickHouse settings of every insert."""
        options = {} if self.embedded_path is not None else self.server.settings()
        return {name: value for name, value in options.items() if name not in _ASYNC} | self.insert_settings

    @property
    def raw_database(self) -> str:
        """Database of `otel_tables`."""
        return self.otel_database or self.database

    def without_effect(self) -> Iterator[str]:
        """What was asked for and will not happen."""
        yield from super().without_effect()
        given = self.model_fields_set
        if self.async_insert:
            yield "async_insert has no effect; inserts are batched here, see insert_settings"
        if "profiles_table_name" in given:
            yield "profiles_table_name has no effect; profiles are not received"
        if not self.otel_tables:
            names = ("otel_database", "create_schema", "ttl", "table_engine", "traces_table_name", "logs_table_name")
            for name in (*names, "metrics_tables"):
                if name in given:
                    yield f"{name} has no effect without otel_tables: true; runs have tables of their own"
        if self.embedded_path is None:
            if self.server.native:
                yield f"endpoint: the native protocol is not spoken; {self.server.address} is used"
            for name in self.server.ignored():
                yield f"connection_params: {name} has no effect"
