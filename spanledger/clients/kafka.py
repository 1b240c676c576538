"""Connections to Kafka. Keys are the Collector's (contrib's pkg/kafka/configkafka)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from spanledger.clients.tls import ClientTlsSettings
from spanledger.errors import ConfigError
from spanledger.settings import Duration, Secret, Settings

Encoding = Literal["otlp_proto", "otlp_json"]
"""Of messages: an export request in protobuf or JSON, which is what the Collector calls so too."""
TOPICS: Final = {"traces": "otlp_spans", "logs": "otlp_logs", "metrics": "otlp_metrics"}
"""The Collector's names."""


class SaslSettings(Settings):
    """User and password."""

    username: str = Field(min_length=1)
    """Who."""
    password: Secret
    """Its password."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How it is shown."""
    version: int = Field(default=1, ge=0, le=1)
    """Accepted; the client and the broker agree on one."""


class KafkaAuthSettings(Settings):
    """How brokers know this client."""

    sasl: SaslSettings | None = None
    """User and password; without, nobody is asked."""


class MetadataSettings(Settings):
    """What is known of the cluster."""

    refresh_interval: Annotated[Duration, Field(gt=0)] = 600.0
    """How often it is asked for news; every 10 seconds at least by a receiver, for topics that are made late."""
    full: bool = True
    """Accepted; topics that are used are asked for."""


class KafkaClientSettings(Settings):
    """Keys of the receiver and the exporter."""

    brokers: tuple[str, ...] = Field(default=("localhost:9092",), min_length=1)
    """`host:port` of some brokers; the others are found through them."""
    protocol_version: str = "2.1.0"
    """Accepted; client and broker agree on one."""
    client_id: str = "otel-collector"
    """How brokers name this client in their logs and quotas. The Collector's default."""
    resolve_canonical_bootstrap_servers_only: bool = False
    """Accepted."""
    tls: ClientTlsSettings | None = None
    """TLS; off when left out."""
    auth: KafkaAuthSettings = KafkaAuthSettings()
    """How brokers know this client."""
    metadata: MetadataSettings = MetadataSettings()
    """What is known of the cluster."""

    @field_validator("brokers", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    def without_effect(self) -> Iterator[str]:
        """What was asked for and will not happen."""
        for key in sorted({"protocol_version", "resolve_canonical_bootstrap_servers_only"} & self.model_fields_set):
            yield f"{key} has no effect; client and broker agree on a version"
        others: Callable[[], Iterator[str]] | None = getattr(super(), "without_effect", None)
        if others is not None:
            yield from others()

    def options(self) -> dict[str, Any]:
        """Arguments of aiokafka's consumer and producer. Raises `ConfigError` for certificates that cannot be read."""
        encrypted = self.tls is not None and not self.tls.insecure
        sasl = self.auth.sasl
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.brokers),
            "client_id": self.client_id,
            "metadata_max_age_ms": round(self.metadata.refresh_interval * 1000),
            "security_protocol": ("SASL_" if sasl else "") + ("SSL" if encrypted else "PLAINTEXT"),
        }
        if encrypted and self.tls is not None:
            options["ssl_context"] = self.tls.context()
        if sasl is not None:
            options |= {
                "sasl_mechanism": sasl.mechanism,
                "sasl_plain_username": sasl.username,
                "sasl_plain_password": sasl.password.get_secret_value(),
            }
        return options


def load() -> Any:
    """The package aiokafka. Raises `ConfigError` where it is not installed."""
    try:
        import aiokafka
    except ImportError as error:
        raise ConfigError("kafka needs the package aiokafka: pip install 'spanledger[kafka]'") from error
    return aiokafka
