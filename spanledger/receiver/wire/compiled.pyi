from spanledger.model.keys import KeyTable
from spanledger.model.received import Decoded, Signal
from spanledger.receiver.wire.limits import Limits

def decode_protobuf(signal: Signal, body: bytes, table: KeyTable, limits: Limits) -> Decoded:
    """What `spanledger.receiver.wire.protobuf.decode_protobuf` does, on the bytes themselves. Metrics, and items that
    are not in order, are given to that one."""
