"""The receiver `otlp`: what applications and Collectors send, over gRPC and HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from spanledger.access.authenticator import Authenticator, Everyone
from spanledger.access.settings import AuthSettings
from spanledger.errors import ConfigError
from spanledger.model.context import UNUSED, ContextUse
from spanledger.model.keys import KeyTable
from spanledger.model.received import Intake, Signal
from spanledger.receiver.admission import DEFAULT_IN_FLIGHT, Admission
from spanledger.receiver.export import Exports
from spanledger.receiver.grpc import GrpcServer
from spanledger.receiver.http import HttpServer
from spanledger.receiver.listen import UNIX, is_loopback
from spanledger.receiver.memory import MemoryLimit
from spanledger.receiver.settings import MEBIBYTE, GrpcSettings, OtlpReceiverSettings
from spanledger.receiver.traffic import Traffic
from spanledger.receiver.wire import DEFAULT_LIMITS, Limits
from spanledger.settings import split_endpoint
from spanledger.tracing import Tracer

_log = logging.getLogger(__name__)

NOBODY_ASKED: Final[Mapping[str, Authenticator]] = MappingProxyType({})
"""No extension asks for keys."""


class OtlpReceiver:
    """Decodes OTLP and hands it to an intake; senders get their answer when the intake has returned."""

    def __init__(
        self,
        settings: OtlpReceiverSettings,
        table: KeyTable,
        intake: Intake,
        authenticators: Mapping[str, Authenticator] = NOBODY_ASKED,
        *,
        limits: Limits = DEFAULT_LIMITS,
        signals: frozenset[Signal] = frozenset(Signal),
        reuse_port: bool = False,
        in_flight_bytes: int = DEFAULT_IN_FLIGHT,
        drain_rate: Callable[[], float] = lambda: 0.0,
        memory_limit: int | None = None,
        tracer: Tracer | None = None,
        name: str = "otlp",
        contexts: ContextUse = UNUSED,
    ) -> None:
        """`authenticators`: extensions by id, those that `auth` may name; under `""` the one for protocols that name
        none. `signals`: those that a pipeline takes; others are answered as not served. `reuse_port`: share the ports
        with other processes that also say so. `in_flight_bytes`: of each protocol without a bound of its own.
        `drain_rate`: bytes a second that leave the log, from which refused senders are told when to come back.
        `memory_limit`: bytes that the process may take. `tracer`: makes spans about requests, under `name`.
        `contexts`: what of their requests is looked at. Raises `ConfigError` for an `auth` that names no
        authenticator."""
        self._reuse_port = reuse_port
        self._exports = Exports(table, intake, limits, signals, tracer, name, contexts)
        protocols = settings.protocols
        memory = MemoryLimit(memory_limit)
        self._grpc: GrpcServer | None = None
        self._http: HttpServer | None = None
        self.listeners: dict[str, tuple[Traffic, Admission]] = {}
        """Transport → what was counted, and what is in flight."""
        self._open: list[str] = []
        """Endpoints where nobody is asked who they are."""
        for protocol in (protocols.grpc, protocols.http):
            if protocol is None:
                continue
            authenticator = _authenticator(protocol.auth, authenticators)
            if isinstance(authenticator, Everyone):
                self._open.append(protocol.endpoint)
            own = protocol.max_in_flight_mib
            admission = Admission(own * MEBIBYTE if own else in_flight_bytes, drain_rate, memory)
            if isinstance(protocol, GrpcSettings):
                self._grpc = GrpcServer(protocol, self._exports, authenticator, admission)
                self.listeners["grpc"] = (self._grpc.traffic, admission)
            else:
                self._http = HttpServer(protocol, self._exports, authenticator, admission)
                self.listeners["http"] = (self._http.traffic, admission)

    @property
    def grpc_address(self) -> str | None:
        """`host:port` or `unix:/path` that gRPC listens on; None before `start` and without that protocol."""
        return self._grpc.address if self._grpc else None

    @property
    def http_address(self) -> str | None:
        """`host:port` or `unix:/path` that HTTP listens on; None before `start` and without that protocol."""
        return self._http.address if self._http else None

    @property
    def http_url(self) -> str | None:
        """The same for senders: with `http://` or `https://`, or `unix:/path`."""
        return self._http.url if self._http else None

    async def start(self) -> None:
        """Listen on all endpoints, or on none. Raises `ConfigError` when one cannot be bound or a certificate cannot be
        used."""
        started: list[GrpcServer | HttpServer] = []
        try:
            for server in (self._grpc, self._http):
                if server is not None:
                    await server.start(reuse_port=self._reuse_port)
                    started.append(server)
        except BaseException:
            for server in started:
                await server.stop(0)
            raise
        for endpoint in self._open:
            if not endpoint.startswith(UNIX) and not is_loopback(split_endpoint(endpoint)[0]):
                _log.warning("anyone who can reach %s can send telemetry: no keys are configured", endpoint)

    async def stop(self, grace_seconds: float) -> None:
        """Take no new requests and finish those in flight; what is not done after the grace is cut off. What a sender
        got no answer for, it sends again."""
        await asyncio.gather(*(server.stop(grace_seconds) for server in (self._grpc, self._http) if server))
        self._exports.close()


def _authenticator(auth: AuthSettings | None, known: Mapping[str, Authenticator]) -> Authenticator:
    if auth is None:
        return known.get("") or Everyone()
    if auth.authenticator not in known:
        raise ConfigError(f"auth: {auth.authenticator} is no extension that authenticates")
    return known[auth.authenticator]
