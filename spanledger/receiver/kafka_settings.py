"""Settings of the receiver `kafka`. Keys are the Collector's (contrib's receiver/kafkareceiver)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from spanledger.clients.kafka import TOPICS, Encoding, KafkaClientSettings
from spanledger.model.received import Signal
from spanledger.settings import Duration, Settings


class TopicsSettings(Settings):
    """Where a signal comes from."""

    topics: tuple[str, ...] = ()
    """Topics; unset: `otlp_spans`, `otlp_logs`, `otlp_metrics`."""
    topic: str | None = None
    """A single one; of old."""
    encoding: Encoding = "otlp_proto"
    """Of messages."""

    @model_validator(mode="after")
    def _names(self) -> TopicsSettings:
        if any(name.startswith("^") for name in self.topics):
            raise ValueError("expected names of topics, without patterns")
        return self


class AutocommitSettings(Settings):
    """How often offsets are committed."""

    enable: bool = True
    """Accepted; offsets are committed when `commit` allows it, and never before."""
    interval: Annotated[Duration, Field(gt=0)] = 1.0
    """How often."""


class MessageMarkingSettings(Settings):
    """The Collector's keys for when a message counts as done; see `commit`."""

    after: bool = True
    """Accepted; always after."""
    on_error: bool = False
    """Accepted; what cannot be kept now is tried again, what can never be read is a dead letter."""
    on_permanent_error: bool = True
    """Accepted; as `on_error`."""


class KafkaReceiverSettings(KafkaClientSettings):
    """Receiver `kafka`: export requests out of topics."""

    traces: TopicsSettings = TopicsSettings()
    """Where traces come from."""
    logs: TopicsSettings = TopicsSettings()
    """Where logs come from."""
    metrics: TopicsSettings = TopicsSettings()
    """Where metrics come from."""
    topic: str | None = None
    """For the signals that name none; of old, for pipelines of one signal."""
    encoding: Encoding | None = None
    """For all signals; of old."""
    project: str = Field(default="default", min_length=1, max_length=128)
    """Project that everything is filed under: messages carry no key."""
    commit: Literal["delivered", "accepted"] = "delivered"
    """When an offset is committed: once every exporter has written the message, or once it is in the log. With
    `delivered` neither this machine's disk nor its memory is needed to lose nothing."""
    group_id: str = Field(default="otel-collector", min_length=1)
    """Consumer group. The Collector's default."""
    group_instance_id: str | None = None
    """Name of a static member: a restart within the session timeout moves no partitions."""
    group_rebalance_strategy: Literal["range", "roundrobin", "sticky", "cooperative-sticky"] = "roundrobin"
    """How partitions are shared out; all members of a group need the same. The client has no `cooperative-sticky`:
    `sticky` in its place."""
    initial_offset: Literal["latest", "earliest"] = "latest"
    """Where a group begins that has committed nothing."""
    session_timeout: Annotated[Duration, Field(gt=0)] = 10.0
    """A member that is silent for this long is out."""
    heartbeat_interval: Annotated[Duration, Field(gt=0)] = 3.0
    """How often a member says that it is there."""
    min_fetch_size: int = Field(default=1, ge=1)
    """Bytes that the broker waits for."""
    max_fetch_size: int = Field(default=1 << 20, ge=0)
    """Bytes of one answer. 0: 50 MiB."""
    max_fetch_wait: Annotated[Duration, Field(gt=0)] = 0.25
    """The longest wait for `min_fetch_size`."""
    max_partition_fetch_size: int = Field(default=1 << 20, ge=1)
    """Bytes of one partition in an answer."""
    rack_id: str | None = None
    """Read from replicas of this rack."""
    autocommit: AutocommitSettings = AutocommitSettings()
    """How often offsets are committed."""
    message_marking: MessageMarkingSettings = MessageMarkingSettings()
    """The Collector's keys for when a message counts as done."""

    def topics_of(self, signal: Signal) -> tuple[str, ...]:
        """Where a signal comes from."""
        own: TopicsSettings = getattr(self, signal.value)
        named = own.topics or ((own.topic,) if own.topic else ())
        return named or (self.topic or TOPICS[signal.value],)

    def encoding_of(self, signal: Signal) -> Encoding:
        """How messages of a signal are encoded."""
        own: Any = getattr(self, signal.value)
        return self.encoding if self.encoding and "encoding" not in own.model_fields_set else own.encoding

    def without_effect(self) -> Iterator[str]:
        """What was asked for and will not happen."""
        marking = self.message_marking
        if not marking.after:
            yield "message_marking::after: false has no effect; messages are never marked before they are safe"
        if marking.on_error:
            yield "message_marking::on_error has no effect; what cannot be kept now is tried again"
        if not self.autocommit.enable:
            yield "autocommit::enable: false has no effect; offsets are committed once their messages are safe"
        if self.group_rebalance_strategy == "cooperative-sticky":
            yield "group_rebalance_strategy: cooperative-sticky has no effect; sticky is used"
        yield from super().without_effect()
