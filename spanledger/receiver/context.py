"""What processors and exporters are told of a request besides its telemetry."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from spanledger.access.caller import Caller
from spanledger.model.context import RequestContext


def context_of(caller: Caller, address: str, headers: Iterable[tuple[str, str | bytes]]) -> RequestContext:
    """`headers`: as they came, in order; none where the receiver does not `include_metadata`."""
    metadata: dict[str, list[str]] = {}
    for name, value in headers:
        if isinstance(value, str):  # binary metadata of gRPC has no form as text
            metadata.setdefault(name.lower(), []).append(value)
    auth = {"project": caller.project_id}
    if caller.name:
        auth |= {"subject": caller.name, "username": caller.name}
    return RequestContext(address, metadata, auth)


def address_of_peer(peer: str) -> str:
    """The IP address of gRPC's `ipv4:127.0.0.1:4317` or `ipv6:%5B::1%5D:4317`; empty for other kinds of sockets."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return unquote(rest).rpartition(":")[0].strip("[]")
