"""Bodies of requests, with the mapping's key table."""

from __future__ import annotations

from typing import Any

from spanledger.mapping import KEYS
from spanledger.model.received import Decoded, Encoding, Signal
from spanledger.processors.messages import parse
from spanledger.receiver.wire import decode


def decode_body(signal: Signal, encoding: Encoding, body: bytes) -> Decoded:
    """`spanledger.model.received.Decode` with the mapping's key table."""
    return decode(signal, encoding, body, KEYS)


def to_protobuf(signal: Signal, encoding: Encoding, body: bytes) -> bytes:
    """`spanledger.pipeline.raw.ToProtobuf`."""
    return bytes(parse(signal, encoding, body).SerializeToString())


def parse_protobuf(signal: Signal, body: bytes) -> Any:
    """`spanledger.exporters.clickhouse.otel.exporter.Parse`."""
    return parse(signal, Encoding.PROTOBUF, body)
