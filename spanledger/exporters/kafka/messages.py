"""The messages that a body becomes: which key each has, and how large it may be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from spanledger.exporters.kafka.settings import KafkaExporterSettings
from spanledger.exporters.messages import as_json, by_resource, by_trace, halves
from spanledger.model.received import Signal, Telemetry


class Message(NamedTuple):
    """One message of a topic."""

    key: bytes | None
    value: bytes


def messages_of(telemetry: Telemetry, settings: KafkaExporterSettings) -> list[Message]:
    """Raises `ValueError` for a body that cannot be read where it must be, and for a single item that is too large."""
    made: list[Message] = []
    for key, part in _keyed(telemetry, settings):
        made += _fitting(key, part, settings)
    return made


def _keyed(telemetry: Telemetry, settings: KafkaExporterSettings) -> Iterable[tuple[bytes | None, Telemetry]]:
    signal = telemetry.signal
    if (signal is Signal.TRACES and settings.partition_traces_by_id) or (
        signal is Signal.LOGS and settings.partition_logs_by_trace_id
    ):
        # The Collector's key: the id in hexadecimal, nothing for items without one.
        return [(trace_id.hex().encode() or None, part) for trace_id, part in by_trace(telemetry)]
    if (signal is Signal.LOGS and settings.partition_logs_by_resource_attributes) or (
        signal is Signal.METRICS and settings.partition_metrics_by_resource_attributes
    ):
        return [(_hash(resource), part) for resource, part in by_resource(telemetry)]
    return [(None, telemetry)]


def _fitting(key: bytes | None, telemetry: Telemetry, settings: KafkaExporterSettings) -> list[Message]:
    value = telemetry.body
    if settings.encoding_of(telemetry.signal) == "otlp_json":
        value = as_json(telemetry.signal, value)
    most = settings.producer.max_message_bytes
    if len(value) <= most:
        return [Message(key, value)]
    parts = halves(telemetry)
    if not parts:
        raise ValueError(f"a single item of {len(value)} bytes is more than max_message_bytes ({most})")
    return [message for part in parts for message in _fitting(key, part, settings)]


def _hash(resource: Any) -> bytes:
    attributes = sorted((one.key, one.value.SerializeToString(deterministic=True)) for one in resource.attributes)
    digest = hashlib.blake2b(digest_size=16)
    for name, value in attributes:
        digest.update(name.encode() + b"\0" + value + b"\0")
    return digest.digest()
