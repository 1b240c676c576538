"""Settings of the ClickHouse exporter, and of the reader that serves the API from the same store."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from spanledger.exporters.retention import ProjectRetention
from spanledger.settings import Duration, Secret, Settings

InsertSetting: TypeAlias = str | int | float | bool

_SCHEMES = "expected http://host:8123, https://host:8443 or chdb:///path"


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == "chdb":
        if not embedded_path(value):
            raise ValueError("expected a folder, such as chdb:///var/lib/spanledger or chdb://./data/store")
        return value
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(_SCHEMES)
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected no user or password in the endpoint; they have their own keys")
    if parts.query or parts.fragment:
        raise ValueError(f"{_SCHEMES}, without a query")
    try:
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        raise ValueError(_SCHEMES) from None
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


class ClickHouseSettings(Settings):
    """Exporter `clickhouse`."""

    endpoint: Annotated[str, AfterValidator(_endpoint)] = "chdb://./data/clickhouse"
    """`http://host:8123`, `https://host:8443`, or `chdb:///path` for the engine inside this process."""
    database: Annotated[str, AfterValidator(_own_database)] = Field(
        default="spanledger", pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$"
    )
    """Database of the ledger's tables."""
    username: str = "default"
    """User of the server."""
    password: Secret = Secret("")
    """Password of the user."""
    cluster: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")
    """Cluster of the servers: tables are made on all of them, replicated and sharded. Only for a new database."""
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

    @model_validator(mode="after")
    def _one_engine_is_no_cluster(self) -> ClickHouseSettings:
        if self.cluster is not None and self.embedded_path is not None:
            raise ValueError("cluster: expected the endpoint of a server; the embedded engine is no part of a cluster")
        return self

    @property
    def embedded_path(self) -> str | None:
        """Folder of the embedded engine; None for a server."""
        return embedded_path(self.endpoint)
