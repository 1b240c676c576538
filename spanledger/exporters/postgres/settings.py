"""Settings of exporter `postgres`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, model_validator

from spanledger.exporters.retention import ProjectRetention
from spanledger.settings import Duration, Secret, Settings

_EXPECTED = "expected postgresql://host:5432, or postgresql:///folder/of/the/socket"


def _endpoint(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(_EXPECTED)
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected no user or password in the endpoint; they have their own keys")
    if parts.query or parts.fragment:
        raise ValueError(f"{_EXPECTED}; TLS has its own keys")
    if parts.hostname and parts.path.strip("/"):
        raise ValueError("expected no database in the endpoint; it has its own key")
    if not parts.hostname and not parts.path.strip("/"):
        raise ValueError(_EXPECTED)
    try:
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        raise ValueError(_EXPECTED) from None
    return value


class SslMode(StrEnum):
    """libpq's modes, weakest first."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class TlsSettings(Settings):
    """Client side of TLS. File keys are the Collector's, modes are libpq's."""

    sslmode: SslMode = SslMode.PREFER
    """`disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`; only the last two know who answers."""
    ca_file: str | None = None
    """Certificate authorities to trust; `verify-ca` and `verify-full` need them."""
    cert_file: str | None = None
    """Client certificate."""
    key_file: str | None = None
    """Key of the client certificate."""

    @model_validator(mode="after")
    def _whole(self) -> TlsSettings:
        if self.sslmode in (SslMode.VERIFY_CA, SslMode.VERIFY_FULL) and self.ca_file is None:
            raise ValueError(f"sslmode {self.sslmode} needs ca_file")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self


class PostgresSettings(Settings):
    """Exporter `postgres`."""

    endpoint: Annotated[str, AfterValidator(_endpoint)] = "postgresql://127.0.0.1:5432"
    """`postgresql://host:5432`, or `postgresql:///var/run/postgresql` for a socket."""
    database: str = Field(default="spanledger", min_length=1, max_length=63)
    """Database; it must exist."""
    schema_name: str = Field(default="spanledger", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,40}$")
    """Schema of the ledger's tables, made at the first start."""
    username: str = "postgres"
    """User of the server."""
    password: Secret = Secret("")
    """Password of the user; without one, `PGPASSWORD` and the password file of libpq are asked."""
    auto_migrate: bool = True
    """Bring the tables up to date at start. Without, start fails until they are."""
    runs_ttl_days: int = Field(default=400, ge=0, le=36500)
    """Days after their start that runs, scores, threads and metrics are kept, rounded up to whole months for runs and
    metrics; 0 is for ever."""
    payloads_ttl_days: int = Field(default=30, ge=0, le=36500)
    """Days after their start that the contents of runs are kept; 0 is for ever."""
    retention: dict[str, ProjectRetention] = {}
    """Shorter retention of single projects, by project id."""
    tls: TlsSettings = TlsSettings()
    connect_timeout: Duration = Field(default=5.0, gt=0)
    """How long to wait for a connection."""
    timeout: Duration = Field(default=60.0, gt=0)
    """How long one statement of a write may take."""
    query_timeout: Duration = Field(default=10.0, gt=0)
    """How long one statement of the API may take."""
    connections: int = Field(default=2, ge=1, le=64)
    """Batches that are written at the same time, each through a connection of its own."""
    query_connections: int = Field(default=4, ge=1, le=64)
    """Statements of the API that run at the same time."""
    maintenance_interval: Duration = Field(default=10.0, gt=0)
    """How often usage is summed up anew where runs came, and once an hour partitions are made and dropped."""
    prepared_statements: bool = True
    """Off for a pooler that hands every transaction another connection, such as PgBouncer before 1.21."""

    @property
    def host(self) -> str:
        """Host name, address, or folder of the socket."""
        parts = urlsplit(self.endpoint)
        return parts.hostname or unquote(parts.path)

    @property
    def port(self) -> int:
        return urlsplit(self.endpoint).port or 5432
