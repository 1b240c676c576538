"""Settings of the receiver `otlp`. Keys are the OpenTelemetry Collector's (receiver/otlpreceiver, config/configgrpc,
config/confighttp), defaults are ours where its own are known to hurt: sizes as the OTLP specification recommends, and
timeouts, which the Collector's receiver switches off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from spanledger.access.settings import AuthSettings
from spanledger.receiver.listen import UNIX
from spanledger.receiver.tls import TlsSettings
from spanledger.settings import Duration, Settings, split_endpoint

MEBIBYTE = 1 << 20

Size = Annotated[int, Field(gt=0)]
Timeout = Annotated[Duration, Field(ge=0)]
"""0 = no limit."""
Compression = Literal["gzip", "deflate", "zlib", "zstd", "snappy", "x-snappy-framed", "lz4", ""]
_UNIX_PATH = 100
"""Bytes; systems have room for 104 to 108."""


def _listening(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected host:port or unix:/path/of/a.sock")
    if value.startswith(UNIX):
        path = value.removeprefix(UNIX)
        path = path.removeprefix("//") if path.startswith("///") else path
        if not path or len(path.encode()) > _UNIX_PATH:
            raise ValueError(f"expected a path of at most {_UNIX_PATH} bytes for the socket")
        return UNIX + path
    split_endpoint(value)
    return value


Listening = Annotated[
    str, BeforeValidator(_listening), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:4318"]})
]
"""`host:port`, or `unix:/path` for a socket in the file system."""


class ServerSettings(Settings):
    """What both protocols have."""

    endpoint: Listening
    """Where to listen: `host:port`, or a path with `transport: unix` (also `unix:/path`)."""
    transport: Literal["tcp", "unix"] = "tcp"
    """`unix`: a socket in the file system, for senders on the same machine."""
    tls: TlsSettings | None = None
    """Encrypts connections. Off when left out."""
    auth: AuthSettings | None = None
    """Who may send. Left out: those with a key where `service::extensions` names a `projects`, else everyone."""
    include_metadata: bool = False
    """Let `from_context` of processors and of `headers_setter` see the headers of requests."""
    middlewares: tuple[Any, ...] = ()
    """The Collector's; there are none here, so the list must be empty."""

    @model_validator(mode="before")
    @classmethod
    def _unix(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(endpoint := given.get("endpoint"), str):
            return given
        if endpoint.startswith(UNIX):
            return {"transport": "unix", **given}
        if given.get("transport") == "unix":
            return {**given, "endpoint": UNIX + endpoint}
        return given

    @field_validator("middlewares")
    @classmethod
    def _none(cls, found: tuple[Any, ...]) -> tuple[Any, ...]:
        if found:
            raise ValueError("middlewares are not supported; take the key out")
        return found

    @model_validator(mode="after")
    def _transport_fits(self) -> ServerSettings:
        if (self.transport == "unix") != self.endpoint.startswith(UNIX):
            raise ValueError("expected a path as endpoint with transport unix, and host:port with tcp")
        return self


class KeepaliveServerParameters(Settings):
    """When the server pings and when it closes connections. 0 = never."""

    max_connection_idle: Timeout = 0.0
    """Close a connection that carried no request for this long."""
    max_connection_age: Timeout = 600.0
    """Close a connection of this age, so that senders behind a level-4 balancer spread over new replicas."""
    max_connection_age_grace: Timeout = 30.0
    """How long requests in flight may take on a connection that is being closed for its age."""
    time: Timeout = 20.0
    """Ping a connection that was quiet for this long."""
    timeout: Annotated[Duration, Field(gt=0)] = 10.0
    """Close a connection whose ping is not answered for this long."""


class KeepaliveEnforcementPolicy(Settings):
    """What pings of clients are put up with."""

    min_time: Timeout = 5.0
    """Close the connection of a client that pings more often."""
    permit_without_stream: bool = True
    """Whether clients may ping without a request in flight."""


class Keepalive(Settings):
    server_parameters: KeepaliveServerParameters = KeepaliveServerParameters()
    enforcement_policy: KeepaliveEnforcementPolicy = KeepaliveEnforcementPolicy()


class GrpcSettings(ServerSettings):
    """OTLP over gRPC."""

    endpoint: Listening = "localhost:4317"
    """Where to listen: `host:port`, or a path with `transport: unix` (also `unix:/path`)."""
    max_recv_msg_size_mib: Size = 64
    """Largest request message in MiB, before and after decompression."""
    max_concurrent_streams: Size | None = None
    """Requests at once on one connection; unset = no limit."""
    max_in_flight_mib: Size | None = None
    """MiB of requests that are being received or have no answer yet; beyond it senders are told when to come back.
    Unset = a sixteenth of the memory limit, at most 256."""
    read_timeout: Timeout = 30.0
    """For the message of a request, from its head. 0 = no limit."""
    keepalive: Keepalive = Keepalive()
    read_buffer_size: Size | None = None
    """Without effect: buffers have sizes of their own."""
    write_buffer_size: Size | None = None
    """Without effect: buffers have sizes of their own."""

    def without_effect(self) -> Iterator[str]:
        for name in ("read_buffer_size", "write_buffer_size"):
            if name in self.model_fields_set:
                yield f"{name} has no effect; buffers have sizes of their own"


class Cors(Settings):
    """Which browser pages may send. Off without origins."""

    allowed_origins: tuple[str, ...] = ()
    """Origins such as `https://app.example.com`; `*` stands for any characters."""
    allowed_headers: tuple[str, ...] = ()
    """Request headers beyond those that OTLP needs; `*` allows all."""
    exposed_headers: tuple[str, ...] = ()
    """Response headers that scripts may read."""
    max_age: Annotated[int, Field(ge=0)] = 0
    """Seconds for which a browser may remember the answer; 0 = the browser's own default."""


class HttpSettings(ServerSettings):
    """OTLP over HTTP."""

    endpoint: Listening = "localhost:4318"
    """Where to listen: `host:port`, or a path with `transport: unix` (also `unix:/path`)."""
    traces_url_path: str = "/v1/traces"
    """Path of trace requests."""
    logs_url_path: str = "/v1/logs"
    """Path of log requests."""
    metrics_url_path: str = "/v1/metrics"
    """Path of metric requests."""
    max_request_body_size: Size = 64 * MEBIBYTE
    """Largest request body in bytes, as it arrives."""
    max_decompressed_body_size: Size | None = None
    """Largest request body in bytes, decompressed; unset = as `max_request_body_size`."""
    max_in_flight_mib: Size | None = None
    """MiB of requests that are being received or have no answer yet; beyond it senders are told when to come back.
    Unset = a sixteenth of the memory limit, at most 256."""
    max_connections: Size | None = None
    """Connections at once; for one more, the one that is idle longest is closed. Unset = 10000, or half of the open
    files that the process may have where that is less."""
    compression_algorithms: tuple[Compression, ...] = (
        "gzip",
        "deflate",
        "zlib",
        "zstd",
        "snappy",
        "x-snappy-framed",
        "lz4",
        "",
    )
    """Content encodings that are understood. Bodies without one always are."""
    cors: Cors = Cors()
    response_headers: dict[str, str] = {}
    """Headers to add to every response."""
    read_header_timeout: Timeout = 10.0
    """For the head of a request, from its first byte."""
    body_idle_timeout: Timeout = 30.0
    """Between two pieces of a body. 0 = no limit."""
    read_timeout: Timeout = 120.0
    """For a whole body. One that is clearly too slow for it is given up before. 0 = no limit."""
    min_body_rate: Annotated[int, Field(ge=0)] = 1024
    """Bytes a second that a body must bring on average, after its first ten seconds."""
    idle_timeout: Timeout = 60.0
    """How long a connection may wait for its next request."""
    keep_alives_enabled: bool = True
    """Whether a connection may carry several requests."""
    write_timeout: Timeout = 0.0
    """Without effect: answers are a few hundred bytes."""

    @field_validator("traces_url_path", "logs_url_path", "metrics_url_path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        return path if path.startswith("/") else f"/{path}"

    def without_effect(self) -> Iterator[str]:
        if self.write_timeout:
            yield "write_timeout has no effect; answers are a few hundred bytes"
        if not self.cors.allowed_origins and self.cors.model_fields_set:
            yield "cors has no effect without allowed_origins"


class Protocols(Settings):
    """A protocol that is named is served, with defaults where nothing follows it."""

    grpc: GrpcSettings | None = None
    http: HttpSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _named_is_served(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: {} if value is None and name in ("grpc", "http") else value for name, value in given.items()}

    @model_validator(mode="after")
    def _at_least_one(self) -> Protocols:
        if self.grpc is None and self.http is None:
            raise ValueError("expected at least one of grpc and http")
        return self


class OtlpReceiverSettings(Settings):
    """Receiver `otlp`: traces, logs and metrics over gRPC and HTTP."""

    protocols: Protocols
