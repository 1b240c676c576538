"""A running process, built from a configuration: what starts when, what is told to the user, how it ends."""

from __future__ import annotations

from spanledger.service.banner import banner
from spanledger.service.bodies import decode_body, parse_protobuf, to_protobuf
from spanledger.service.runtime import calm_allocator, calm_collector, event_loop, give_back, keep_giving_back
from spanledger.service.service import Service

__all__ = [
    "Service",
    "banner",
    "calm_allocator",
    "calm_collector",
    "decode_body",
    "event_loop",
    "give_back",
    "keep_giving_back",
    "parse_protobuf",
    "to_protobuf",
]
