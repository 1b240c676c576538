"""Settings of the exporters `otlp` and `otlphttp`. Keys and defaults are the Collector's (exporter/otlpexporter,
exporter/otlphttpexporter, config/configgrpc, config/confighttp)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from spanledger.clients.auth import ClientAuthSettings
from spanledger.clients.tls import ReloadedTlsSettings
from spanledger.model.received import Signal
from spanledger.settings import Duration, Secret, Settings

Headers = dict[str, Secret]
_PATHS = {Signal.TRACES: "/v1/traces", Signal.LOGS: "/v1/logs", Signal.METRICS: "/v1/metrics"}


_BATCH_BYTES: Final = 2 << 20
"""Half of the 4 MiB that a gRPC server takes unless told otherwise, the Collector's receiver included."""


def _with_headers(given: Any) -> Any:
    """The Collector also takes headers as a list of `name` and `value`."""
    headers = given.get("headers") if isinstance(given, dict) else None
    if isinstance(headers, list) and all(isinstance(one, dict) and set(one) == {"name", "value"} for one in headers):
        return {**given, "headers": {one["name"]: one["value"] for one in headers}}
    return given


class CookieSettings(Settings):
    """Cookies of the destination."""

    enabled: bool = False
    """Send back what it sets, as balancers that keep senders apart by cookies need it."""


class CompressionParams(Settings):
    """How hard to compress."""

    level: int = Field(ge=-1, le=22)
    """Of gzip, zlib and deflate from 1, fast, to 9, small; of zstd from 1 to 22. 0 and -1: the algorithm's default."""


class GrpcKeepaliveSettings(Settings):
    """Pings of the client."""

    time: Duration = Field(default=10.0, gt=0)
    """Ping a connection that was quiet for this long."""
    timeout: Duration = Field(default=10.0, gt=0)
    """Close a connection whose ping is not answered for this long."""
    permit_without_stream: bool = False
    """Ping also while nothing is under way."""


class OtlpSettings(Settings):
    """Exporter `otlp` (also `otlp_grpc`): telemetry as it came, over gRPC."""

    batch_bytes: ClassVar[int] = _BATCH_BYTES

    endpoint: str = Field(min_length=1)
    """Where to send: `host:port`, `http://host:port` (without TLS), `https://host:port`, `dns:///host:port` or
    `unix:///path`."""
    compression: Literal["gzip", "deflate", "zstd", "snappy", "none", ""] = "gzip"
    """Of messages. gRPC for Python has no zstd and no snappy: gzip is sent in their place."""
    headers: Headers = Field(default_factory=dict)
    """Sent with every request; values are secrets."""
    auth: ClientAuthSettings | None = None
    """Sends credentials of an extension, too."""
    tls: ReloadedTlsSettings = ReloadedTlsSettings()
    """TLS is used unless `insecure` or the endpoint says otherwise."""
    timeout: Annotated[Duration, Field(ge=0)] = 5.0
    """For one attempt. 0 = no limit."""
    authority: str | None = None
    """Name of the server in requests, where it is not that of the endpoint."""
    user_agent: str | None = None
    """Put before the own one."""
    keepalive: GrpcKeepaliveSettings | None = None
    """Off unless given."""
    wait_for_ready: bool = False
    """Accepted; a write to a server that is away is repeated."""
    balancer_name: Literal["round_robin", "pick_first"] = "round_robin"
    """How requests spread over the addresses of a name."""
    read_buffer_size: int = Field(default=0, ge=0)
    """Accepted; the library sizes its buffers."""
    write_buffer_size: int = Field(default=0, ge=0)
    """Accepted; as `read_buffer_size`."""

    @model_validator(mode="before")
    @classmethod
    def _header_list(cls, given: Any) -> Any:
        return _with_headers(given)

    @model_validator(mode="after")
    def _verifies(self) -> Self:
        if self.tls.min_version == "1.3" or self.tls.max_version == "1.2":
            raise ValueError(
                "tls: expected no other bounds than min_version 1.2 and max_version 1.3 over gRPC, whose library "
                "speaks the newest version that both sides know"
            )
        if self.tls.insecure_skip_verify and self.secure:
            raise ValueError(
                "tls::insecure_skip_verify is not possible over gRPC; name the certificate in tls::ca_file and, where "
                "its name is another, tls::server_name_override"
            )
        return self

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        if self.endpoint.startswith(("http://", "unix:")):
            return False
        return self.endpoint.startswith("https://") or not self.tls.insecure

    @property
    def target(self) -> str:
        """Of the channel."""
        return self.endpoint.removeprefix("http://").removeprefix("https://").rstrip("/")

    def without_effect(self) -> Iterator[str]:
        """What was asked for and will not happen."""
        if self.compression in ("zstd", "snappy"):
            yield f"compression: {self.compression} has no effect; gRPC for Python sends gzip instead"
        yield from super().without_effect()


class OtlpHttpSettings(Settings):
    """Exporter `otlphttp` (also `otlp_http`): telemetry as it came, over HTTP."""

    batch_bytes: ClassVar[int] = _BATCH_BYTES

    endpoint: str | None = None
    """Base address, to which `/v1/traces`, `/v1/logs` and `/v1/metrics` are added."""
    traces_endpoint: str | None = None
    """The whole address for traces; wins over `endpoint`."""
    logs_endpoint: str | None = None
    """The same for logs."""
    metrics_endpoint: str | None = None
    """The same for metrics."""
    encoding: Literal["proto", "json"] = "proto"
    """Of bodies."""
    compression: Literal["gzip", "zlib", "deflate", "zstd", "snappy", "x-snappy-framed", "lz4", "none", ""] = "gzip"
    """Of bodies."""
    compression_params: CompressionParams | None = None
    """How hard to compress."""
    headers: Headers = Field(default_factory=dict)
    """Sent with every request; values are secrets."""
    auth: ClientAuthSettings | None = None
    """Sends credentials of an extension, too."""
    tls: ReloadedTlsSettings = ReloadedTlsSettings()
    """For https endpoints."""
    cookies: CookieSettings | None = None
    """Cookies of the destination; without, none are kept."""
    timeout: Annotated[Duration, Field(ge=0)] = 30.0
    """For one attempt. 0 = no limit."""
    proxy_url: str | None = None
    """Proxy to send through."""
    max_conns_per_host: int = Field(default=0, ge=0)
    """Connections at once; 0 = no limit."""
    idle_conn_timeout: Annotated[Duration, Field(gt=0)] = 90.0
    """How long a connection without use is kept."""
    disable_keep_alives: bool = False
    """A new connection for each request."""
    max_idle_conns: int = Field(default=100, ge=0)
    """Accepted; there are never more connections than writes at once."""
    max_idle_conns_per_host: int = Field(default=0, ge=0)
    """Accepted; as `max_idle_conns`."""
    read_buffer_size: int = Field(default=0, ge=0)
    """Accepted; the library sizes its buffers."""
    write_buffer_size: int = Field(default=0, ge=0)
    """Accepted; as `read_buffer_size`."""
    force_attempt_http2: bool = True
    """Accepted; HTTP/1.1 is spoken."""
    http2_read_idle_timeout: Annotated[Duration, Field(ge=0)] = 0.0
    """Accepted; as `force_attempt_http2`."""
    http2_ping_timeout: Annotated[Duration, Field(ge=0)] = 0.0
    """Accepted; as `force_attempt_http2`."""

    @model_validator(mode="before")
    @classmethod
    def _header_list(cls, given: Any) -> Any:
        return _with_headers(given)

    @model_validator(mode="after")
    def _level_fits(self) -> Self:
        if self.compression_params is None or self.compression_params.level <= 0:
            return self
        most = {"gzip": 9, "zlib": 9, "deflate": 9, "zstd": 22}.get(self.compression, 0)
        if self.compression_params.level > most:
            expected = f"a level from 1 to {most}" if most else "no level"
            raise ValueError(f"compression_params: expected {expected} for {self.compression or 'none'}")
        return self

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        given = [self.endpoint, self.traces_endpoint, self.logs_endpoint, self.metrics_endpoint]
        if not any(given):
            raise ValueError("expected endpoint, or one of traces_endpoint, logs_endpoint and metrics_endpoint")
        for address in filter(None, given):
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("expected addresses such as http://127.0.0.1:4318")
            if parts.username is not None or parts.password is not None:
                raise ValueError("expected no user or password in an address; headers has place for them")
        return self

    def url(self, signal: Signal) -> str | None:
        """Where requests of a signal go; None when nobody said."""
        own: str | None = getattr(self, f"{signal.value}_endpoint")
        if own:
            return own
        return self.endpoint.rstrip("/") + _PATHS[signal] if self.endpoint else None
