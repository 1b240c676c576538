"""Wire bytes to items: `decode`.

A decoder knows of dialects only what the `KeyTable` tells it: `table.span_type()` makes the span, `table.fill(span,
pairs)` distributes its attributes. A compiled decoder stands in behind exactly this function.
"""

from __future__ import annotations

from spanledger.model.keys import KeyTable
from spanledger.model.received import Decoded, Encoding, Signal
from spanledger.receiver.wire.limits import DEFAULT_LIMITS, Limits
from spanledger.receiver.wire.otlp_json import decode_json
from spanledger.receiver.wire.protobuf import decode_protobuf

__all__ = ["DEFAULT_LIMITS", "Limits", "decode"]


def decode(
    signal: Signal, encoding: Encoding, body: bytes, table: KeyTable, limits: Limits = DEFAULT_LIMITS
) -> Decoded:
    """Decode the uncompressed body of an OTLP export request.

    An item that cannot be kept (ids missing or zero, a value nested too deeply, an unknown enumeration name, …) is
    refused alone and named in `Decoded.rejected`; what can be mended is, and noted in the item's `repairs`. The same
    bytes always give the same answer. Raises `PayloadError` when the body as a whole is no export request of this
    signal, `PayloadTooLarge` when it holds more than the limits allow.
    """
    if encoding is Encoding.PROTOBUF:
        return decode_protobuf(signal, body, table, limits)
    return decode_json(signal, body, table, limits)
