"""What processors and exporters are told of a request besides its telemetry."""

from __future__ import annotations

from collections.abc import Iterable

from spanledger.access.caller import Caller
from spanledger.model.context import RequestContext


def context_of(caller: Caller, address: str, headers: Iterable[tuple[str, str]]) -> RequestContext:
    """`headers`: as they came, in order; none where the receiver does not `include_metadata`."""
    metadata: dict[str, list[str]] = {}
    for name, value in headers:
        metadata.setdefault(name.lower(), []).append(value)
    auth = {"project": caller.project_id}
    if caller.name:
        auth |= {"subject": caller.name, "username": caller.name}
    return RequestContext(address, metadata, auth)
