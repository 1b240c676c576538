"""Spans to records. Pure: no I/O, no clock, no network; imports nothing but `spanledger.model` and `spanledger.errors`.

`KEYS` is the key table that decoders need; `Mapper` turns decoded items into records.
"""

from spanledger.mapping.capture import CapturePolicy
from spanledger.mapping.dialects import DIALECTS, KEYS
from spanledger.mapping.mapper import Mapper, MemoryLimits

__all__ = ["DIALECTS", "KEYS", "CapturePolicy", "Mapper", "MemoryLimits"]
