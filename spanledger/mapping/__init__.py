"""Spans to records. Pure: no I/O, no clock, no network; imports nothing but `spanledger.model` and `spanledger.errors`.

`KEYS` is the key table that decoders need; `Mapper` turns decoded items into records.
"""

from spanledger import compiled

__path__ = compiled.ahead_of(__name__, __path__)

from spanledger.mapping.capture import CapturePolicy
from spanledger.mapping.dialects import DIALECTS, KEYS
from spanledger.mapping.mapper import Mapper, MemoryLimits

__all__ = ["DIALECTS", "KEYS", "CapturePolicy", "Mapper", "MemoryLimits"]
