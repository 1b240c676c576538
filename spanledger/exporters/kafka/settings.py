"""Settings of the exporter `kafka`. Keys are the Collector's (contrib's exporter/kafkaexporter)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from spanledger.clients.kafka import TOPICS, Encoding, KafkaClientSettings
from spanledger.model.received import Signal
from spanledger.settings import Duration, Settings


class TopicSettings(Settings):
    """Where a signal goes."""

    topic: str | None = None
    """Topic; unset: `otlp_spans`, `otlp_logs`, `otlp_metrics`."""
    encoding: Encoding = "otlp_proto"
    """Of messages."""


class ProducerSettings(Settings):
    """How messages are written."""

    max_message_bytes: int = Field(default=1_000_000, ge=1)
    """Largest message; larger requests are cut between resources, scopes and items."""
    required_acks: Literal["none", "leader", "all"] = "all"
    """Who must have a message before it counts as written; also 0, 1 and -1. Only with `all`, the default here (the
    Collector's is `leader`), does a message outlive its broker."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    """Of what is written together."""
    compression_params: dict[str, int] = {}
    """Accepted; the library has its levels."""
    linger: Annotated[Duration, Field(ge=0)] = 0.01
    """How long to wait for more that is written together."""
    flush_max_messages: int = Field(default=10_000, ge=0)
    """Accepted; the batch decides."""
    allow_auto_topic_creation: bool = True
    """Accepted; the broker decides whether it makes topics that are not there."""

    @field_validator("required_acks", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"0": "none", "1": "leader", "-1": "all"}.get(str(value), value)


class KafkaExporterSettings(KafkaClientSettings):
    """Exporter `kafka`: telemetry as it came, as messages."""

    batch_bytes: ClassVar[int] = 8 << 20

    traces: TopicSettings = TopicSettings()
    """Where traces go."""
    logs: TopicSettings = TopicSettings()
    """Where logs go."""
    metrics: TopicSettings = TopicSettings()
    """Where metrics go."""
    topic: str | None = None
    """For signals that name none; of old."""
    encoding: Encoding | None = None
    """For all signals; of old."""
    partition_traces_by_id: bool = False
    """One message for each trace, with its id as key: a trace stays in one partition."""
    partition_logs_by_trace_id: bool = False
    """The same for log records."""
    partition_logs_by_resource_attributes: bool = False
    """One message for each resource, with a hash of its attributes as key."""
    partition_metrics_by_resource_attributes: bool = False
    """The same for metrics."""
    record_headers: dict[str, str] = {}
    """Headers of every message."""
    producer: ProducerSettings = ProducerSettings()
    """How messages are written."""
    timeout: Annotated[Duration, Field(gt=0)] = 5.0
    """For one attempt."""

    def topic_of(self, signal: Signal) -> str:
        """Where a signal goes."""
        own: TopicSettings = getattr(self, signal.value)
        return own.topic or self.topic or TOPICS[signal.value]

    def encoding_of(self, signal: Signal) -> Encoding:
        """How messages of a signal are encoded."""
        own: Any = getattr(self, signal.value)
        return self.encoding if self.encoding and "encoding" not in own.model_fields_set else own.encoding
