"""OTLP receivers of other people, for what spanledger says about itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Received:
    """Requests, as they come in."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.refused = 0
        self._more = asyncio.Event()

    def add(self, request: ExportTraceServiceRequest, headers: Iterable[tuple[str, Any]]) -> None:
        self.requests.append(request)
        self.headers.append({name.lower(): value for name, value in headers})
        self._more.set()

    def refuse(self) -> None:
        self.refused += 1
        self._more.set()

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when it is so, after some request."""
        while not condition():
            self._more.clear()
            await self._more.wait()


def attributes(span: Span) -> dict[str, Any]:
    """Plain values."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes}


@asynccontextmanager
async def over_http(answer: Callable[[], int] = lambda: 200) -> AsyncIterator[Received]:
    """Answers each request with a status."""

    async def take(request: web.Request) -> web.Response:
        body = await request.read()  # aiohttp undoes gzip
        status = answer()
        if status == 200:
            received.add(ExportTraceServiceRequest.FromString(body), request.headers.items())
        else:
            received.refuse()
        return web.Response(status=status, body=ExportTraceServiceResponse().SerializeToString())

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    received = Received(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield received
    finally:
        await runner.cleanup()


@asynccontextmanager
async def over_grpc(credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[Received]:
    """gRPC's own server; `endpoint` has no scheme."""

    async def export(request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        received.add(request, context.invocation_metadata())
        return ExportTraceServiceResponse()

    method = grpc.unary_unary_rpc_method_handler(
        export, ExportTraceServiceRequest.FromString, ExportTraceServiceResponse.SerializeToString
    )
    server = grpc.aio.server()
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Export": method})])
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    received = Received(f"localhost:{port}")
    try:
        yield received
    finally:
        await server.stop(0)
