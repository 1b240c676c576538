"""Applications that send one span after the other, while what they send to becomes another."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.cli.serving import span_body

Send: TypeAlias = Callable[[bytes, str], object]
"""Sends a body with the span of this id; what went wrong, None when it was acknowledged."""


class Sender(threading.Thread):
    """Sends one span after the other over a connection that stays, and notes which were acknowledged. What fails it
    does not repeat."""

    def __init__(self, address: str, first: int) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.failed: list[object] = []
        self.stopping = False
        self.some = threading.Event()
        """Set after each acknowledgement."""
        self._address = address
        self._number = first

    def run(self) -> None:
        with self._connected() as send:
            while not self.stopping:
                self._number += 1
                span_id = f"{self._number:016x}"
                problem = send(span_body(span_id, "gpt-4o"), span_id)
                if problem is None:
                    self.acknowledged.append(span_id)
                    self.some.set()
                else:
                    self.failed.append(problem)

    def further(self, count: int = 3) -> None:
        """Wait until it has sent some more."""
        for _ in range(count):
            self.some.clear()
            assert self.some.wait(30)

    def end(self) -> None:
        self.stopping = True
        self.join(30)

    @contextmanager
    def _connected(self) -> Iterator[Send]:
        connection = http.client.HTTPConnection(self._address, timeout=30)

        def send(body: bytes, span_id: str) -> object:
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                response.read()
                return None if response.status == 200 else response.status

        try:
            yield send
        finally:
            connection.close()


class GrpcSender(Sender):
    @contextmanager
    def _connected(self) -> Iterator[Send]:
        with grpc.insecure_channel(self._address) as channel:
            method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
            export = channel.unary_unary(method, bytes, bytes)

            def send(body: bytes, span_id: str) -> object:
                request = ExportTraceServiceRequest()
                span = request.resource_spans.add().scope_spans.add().spans.add(name="chat", kind=3)
                span.trace_id, span.span_id = bytes(15) + b"1", bytes.fromhex(span_id)
                span.start_time_unix_nano, span.end_time_unix_nano = 1_772_359_200 * 10**9, 1_772_359_201 * 10**9
                for key, value in (("gen_ai.operation.name", "chat"), ("gen_ai.request.model", "gpt-4o")):
                    span.attributes.add(key=key).value.string_value = value
                try:
                    export(request.SerializeToString(), timeout=30)
                except grpc.RpcError as error:
                    return error
                return None

            yield send


class PatientSender(Sender):
    """Sends again, over a new connection, when a connection ends: what the SDKs do."""

    @contextmanager
    def _connected(self) -> Iterator[Send]:
        def send(body: bytes, span_id: str) -> object:
            problem: object = None
            for _ in range(20):
                try:
                    with super(PatientSender, self)._connected() as once:
                        return once(body, span_id)
                except (ConnectionError, http.client.HTTPException) as error:
                    problem = error
            return problem

        yield send
