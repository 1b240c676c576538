"""OTLP over gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc

HTTP/2 is our own (`http2`): gRPC's library for Python takes more CPU time for a request of a few spans than all that
is done with it. Messages stay bytes, our own decoder reads them.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from spanledger.access.authenticator import Authenticator
from spanledger.receiver.admission import Admission
from spanledger.receiver.export import Exports
from spanledger.receiver.grpc_call import Call
from spanledger.receiver.grpc_head import MAX_METADATA_BYTES, TOO_LARGE, Head, Heads
from spanledger.receiver.http2 import Connection, Keepalive, Limits
from spanledger.receiver.idle_connections import Connections
from spanledger.receiver.listen import Listeners, connections_at_most
from spanledger.receiver.settings import MEBIBYTE, GrpcSettings
from spanledger.receiver.tls import HANDSHAKE_SECONDS, Certificates
from spanledger.receiver.traffic import Traffic

_CUT_OFF: Final = 1.0
"""Seconds in which connections that are cut off are gone."""


class Calls:
    """What all calls of a listener have in common."""

    __slots__ = (
        "admission",
        "authenticator",
        "exports",
        "include_metadata",
        "loop",
        "max_message",
        "read_timeout",
        "traffic",
    )

    def __init__(
        self,
        settings: GrpcSettings,
        exports: Exports,
        authenticator: Authenticator,
        admission: Admission,
        traffic: Traffic,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.exports = exports
        self.authenticator = authenticator
        self.admission = admission
        self.traffic = traffic
        self.max_message = settings.max_recv_msg_size_mib * MEBIBYTE
        """Bytes, before and after decompression."""
        self.read_timeout = settings.read_timeout
        self.include_metadata = settings.include_metadata


class GrpcServer:
    """Serves the Export method of the three OTLP services."""

    def __init__(
        self, settings: GrpcSettings, exports: Exports, authenticator: Authenticator, admission: Admission
    ) -> None:
        self._settings = settings
        self.traffic = Traffic()
        self._exports = exports
        self._authenticator = authenticator
        self._admission = admission
        idle = settings.keepalive.server_parameters.max_connection_idle
        self._connections: Connections[Connection[Head]] = Connections(connections_at_most(), idle)
        self._listeners = Listeners()

    @property
    def address(self) -> str | None:
        """`host:port` or `unix:/path`, once started."""
        return self._listeners.address

    async def start(self, *, reuse_port: bool = False) -> None:
        """Listen. Raises `ConfigError` when the endpoint cannot be bound or a certificate cannot be used."""
        settings = self._settings
        options: dict[str, Any] = {}
        if settings.tls is not None:
            options = {
                "ssl": Certificates(settings.tls, "protocols::grpc::tls", "h2").context(),
                "ssl_handshake_timeout": HANDSHAKE_SECONDS,
            }
        calls = Calls(settings, self._exports, self._authenticator, self._admission, self.traffic)
        limits = Limits(MAX_METADATA_BYTES, TOO_LARGE, settings.max_concurrent_streams, HANDSHAKE_SECONDS)
        keepalive = _keepalive(settings)
        heads = Heads()

        def connection() -> Connection[Head]:
            return Connection(self._connections, limits, keepalive, heads.read, partial(Call, calls))

        await self._listeners.open(settings.endpoint, connection, reuse_port=reuse_port, **options)

    async def stop(self, grace_seconds: float) -> None:
        """Take no new connections; let those that stand finish what they began, within the grace; close them all."""
        self._listeners.close()
        for connection in self._connections.standing():
            connection.shut_down()
        await self._connections.wait_for_none(grace_seconds)
        for connection in self._connections.standing():
            connection.abort()
        await self._connections.wait_for_none(_CUT_OFF)


def _keepalive(settings: GrpcSettings) -> Keepalive:
    server, policy = settings.keepalive.server_parameters, settings.keepalive.enforcement_policy
    return Keepalive(
        age=server.max_connection_age,
        age_grace=server.max_connection_age_grace,
        time=server.time,
        timeout=server.timeout,
        min_ping_interval=policy.min_time,
        ping_without_streams=policy.permit_without_stream,
    )
