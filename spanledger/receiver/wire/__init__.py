"""Wire bytes to items: `decode`.

A decoder knows of dialects only what the `KeyTable` tells it: `table.span_type()` makes the span, `table.fill(span,
pairs)` distributes its attributes. Protobuf is read by the compiled decoder where it was built, and else by the plain
one; both give the same items.
"""

from __future__ import annotations

from typing import Final

from spanledger.model.keys import KeyTable
from spanledger.model.received import OTLP_ENCODINGS, Decoded, Encoding, Signal
from spanledger.receiver.wire import protobuf
from spanledger.receiver.wire.client_events import decode_client_events
from spanledger.receiver.wire.limits import DEFAULT_LIMITS, Limits
from spanledger.receiver.wire.otlp_json import decode_json

try:
    from spanledger.receiver.wire.compiled import decode_protobuf as _decode_protobuf
except ImportError:  # installed without a C compiler
    from spanledger.receiver.wire.protobuf import decode_protobuf as _decode_protobuf

COMPILED: Final = _decode_protobuf is not protobuf.decode_protobuf
"""Whether the compiled decoder is at work."""

__all__ = ["COMPILED", "DEFAULT_LIMITS", "Limits", "decode"]


def decode(
    signal: Signal, encoding: Encoding, body: bytes, table: KeyTable, limits: Limits = DEFAULT_LIMITS
) -> Decoded:
    """Decode the uncompressed body of an OTLP export request, or of another that clients send.

    An item that cannot be kept (ids missing or zero, a value nested too deeply, an unknown enumeration name, …) is
    refused alone and named in `Decoded.rejected`; what can be mended is, and noted in the item's `repairs`. The same
    bytes always give the same answer. Raises `PayloadError` when the body as a whole is no export request of this
    signal, `PayloadTooLarge` when it holds more than the limits allow.
    """
    if encoding not in OTLP_ENCODINGS:
        return decode_client_events(encoding, body, limits)
    if encoding is Encoding.PROTOBUF:
        return _decode_protobuf(signal, body, table, limits)
    return decode_json(signal, body, table, limits)
