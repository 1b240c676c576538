"""A receiver that serves both protocols, and one way to call either: what is asked here is asked of both."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc.aio
from google.protobuf import json_format
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanledger.access.authenticator import Authenticator
from tests.receiver.decoding import json_traces
from tests.receiver.servers import TRACE_SERVICE, Memory, raw_call, running, settings


def json_body(*spans: Any) -> bytes:
    """An export request in JSON."""
    return json.dumps(json_traces(*spans)).encode()


PROTOBUF, JSON = "application/x-protobuf", "application/json"


@dataclass(frozen=True)
class Answer:
    """What a client is told, in the words of its protocol."""

    code: int
    """gRPC code, or HTTP status."""
    body: bytes = b""
    media_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    trailers: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """The google.rpc.Status of a refusal."""
        if "grpc-status-details-bin" in self.trailers:
            return Status.FromString(self.trailers["grpc-status-details-bin"])
        if self.media_type == PROTOBUF:
            return Status.FromString(self.body)
        return json_format.Parse(self.body, Status())

    @property
    def delay(self) -> float | None:
        """Seconds of the RetryInfo in the Status."""
        for detail in self.status.details:
            retry = RetryInfo()
            if detail.Unpack(retry):
                return float(retry.retry_delay.ToMilliseconds()) / 1000
        return None

    @property
    def success(self) -> ExportTraceServiceResponse:
        """The response to traces that were accepted, all or in part."""
        if self.media_type == JSON:
            return json_format.Parse(self.body, ExportTraceServiceResponse())
        return ExportTraceServiceResponse.FromString(self.body)


class Served:
    """A running receiver."""

    def __init__(self, http: str, grpc_address: str, memory: Memory, session: aiohttp.ClientSession) -> None:
        self.http_address = http
        self.grpc_address = grpc_address
        self.memory = memory
        self._session = session

    async def http(
        self, body: bytes, media_type: str = PROTOBUF, path: str = "/v1/traces", method: str = "POST", **headers: str
    ) -> Answer:
        """One HTTP request; underscores in names of headers are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if media_type:
            named["Content-Type"] = media_type
        url = f"http://{self.http_address}{path}"
        content = io.BytesIO(body) if len(body) > 1 << 20 else body  # aiohttp warns of larger bytes
        async with self._session.request(method, url, data=content, headers=named) as response:
            return Answer(response.status, await response.read(), response.content_type, response.headers)

    async def grpc(self, body: bytes, method: str = TRACE_SERVICE, **options: Any) -> Answer:
        """One gRPC call."""
        unlimited = [("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(self.grpc_address, options=unlimited) as channel:
            try:
                return Answer(0, await raw_call(channel, method)(body, **options), PROTOBUF)
            except grpc.aio.AioRpcError as error:
                trailers: Any = error.trailing_metadata() or ()
                return Answer(error.code().value[0], trailers=dict(trailers))


@asynccontextmanager
async def serving(
    authenticator: Authenticator | None = None,
    http: Mapping[str, Any] | None = None,
    grpc: Mapping[str, Any] | None = None,
) -> AsyncIterator[Served]:
    """A receiver on free ports with an intake that remembers."""
    memory = Memory()
    async with (
        running(settings(grpc=grpc, http=http), memory, authenticator) as receiver,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        assert receiver.http_address is not None
        assert receiver.grpc_address is not None
        yield Served(receiver.http_address, receiver.grpc_address, memory, session)
