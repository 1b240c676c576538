"""Settings of own telemetry that is sent over OTLP. Keys are those of OpenTelemetry's configuration file format, from
which the Collector takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote

from pydantic import Field, field_validator, model_validator

from spanledger.settings import Secret, Settings


class HeaderSettings(Settings):
    """A header of a request."""

    name: str
    """Its name."""
    value: Secret
    """Its value."""


class OtlpClientSettings(Settings):
    """Where own telemetry is sent, and how."""

    endpoint: str = Field(pattern=r"^(https?://)?[^/\s]+(/\S*)?$")
    """`http://host:4318` or `https://…`, for gRPC also `host:4317`. Over HTTP a path is taken as it stands; without one
    it is `/v1/metrics` or `/v1/traces`."""
    protocol: Literal["http/protobuf", "grpc"] = "http/protobuf"
    """How."""
    headers: list[HeaderSettings] = Field(default_factory=list)
    """Sent along; also as a map of names to values."""
    headers_list: Secret | None = None
    """The same as one text, `name=value,name=value`; `headers` wins."""
    compression: Literal["none", "gzip"] = "none"
    """Of requests."""
    insecure: bool = False
    """Of an endpoint without a scheme over gRPC: without TLS."""
    certificate: Path | None = None
    """File with the certificate authorities to trust instead of the system's."""
    client_certificate: Path | None = None
    """File with the client's certificate."""
    client_key: Path | None = None
    """File with its key."""
    timeout: int = Field(default=10_000, ge=1)
    """Milliseconds for one request."""

    @field_validator("headers", mode="before")
    @classmethod
    def _map_of_headers(cls, given: Any) -> Any:
        return [{"name": name, "value": value} for name, value in given.items()] if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("expected client_certificate and client_key, or neither")
        return self

    def all_headers(self) -> dict[str, str]:
        """Name in lower case → value."""
        found: dict[str, str] = {}
        for pair in self.headers_list.get_secret_value().split(",") if self.headers_list is not None else ():
            name, equals, value = pair.partition("=")
            if equals:
                found[name.strip().lower()] = unquote(value.strip())
        return found | {header.name.lower(): header.value.get_secret_value() for header in self.headers}
